// An MCP server that the gateway spawns: started with the first call, and again with the next call after it died; what was in flight
// fails. attacker-controlled
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { McpProcess, type McpProcessOptions } from './mcp-process.ts';
import { allTools } from './mcp-tools.ts';
import type { McpUpstream } from './upstreams.ts';
import { orAborted } from './waiting.ts';

export function createMcpStdio(options: McpProcessOptions): McpUpstream {
  let running: McpProcess | undefined;
  let said: JsonObject = {};
  const saidOf = (member: string): JsonObject => (isJsonObject(said[member]) ? said[member] : {});
  let closed = false;

  const server = async (signal: AbortSignal): Promise<McpProcess> => {
    if (closed) throw new Refusal('CORDON-9010', `the MCP server \`${options.name}\` is closed`);
    if (running === undefined || running.ended) running = new McpProcess(options);
    const current = running;
    said = await orAborted(current.ready, signal);
    return current;
  };

  return {
    takesTxnToken: false,
    serverInfo: () => saidOf('serverInfo'),
    offers: () => quiet(saidOf('capabilities')),
    async listTools(signal): Promise<readonly JsonObject[]> {
      const to = await server(signal);
      return allTools((params) => to.request({ method: 'tools/list', params, signal }));
    },
    async call({ tool, args, more, progress }, onNotification, signal) {
      const to = await server(signal);
      const params = { name: tool, arguments: args, ...more };
      return to.request({ method: 'tools/call', params, signal, ...(progress ? { onNotification } : {}) });
    },
    async ask({ method, params }, _onNotification, signal) {
      return (await server(signal)).request({ method, params, signal });
    },
    async close(): Promise<void> {
      closed = true;
      await running?.stop();
    },
  };
}

/** One process serves all callers, so what it would tell one of them of its own accord reaches none. */
const quiet = ({ tools, prompts, resources, completions }: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries({ tools, prompts, resources, completions }).flatMap(([name, value]) => (value === undefined ? [] : [[name, {}]])),
  );
