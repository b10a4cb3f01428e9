// An MCP server that the gateway spawns: started with the first call, and again with the next call after it died; what was in flight
// fails. attacker-controlled
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { McpProcess, type McpProcessOptions, type OnAsk } from './mcp-process.ts';
import { createRestarts } from './mcp-restarts.ts';
import { createQuestions } from './mcp-stdio-asks.ts';
import { allTools } from './mcp-tools.ts';
import type { McpUpstream, OnNotification, SessionPort, Via } from './upstreams.ts';
import { orAborted } from './waiting.ts';

/** Set once, they would be set for every caller. */
const OF_ONE_CALLER: ReadonlySet<string> = new Set(['logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);

export function createMcpStdio(options: McpProcessOptions): McpUpstream {
  const restarts = createRestarts(() => performance.now());
  const questions = createQuestions();
  let running: McpProcess | undefined;
  let said: JsonObject = {};
  const saidOf = (member: string): JsonObject => (isJsonObject(said[member]) ? said[member] : {});
  let closed = false;

  const start = (): McpProcess => {
    const wait = restarts.waitMs();
    if (wait > 0)
      throw new Refusal('CORDON-9010', `the MCP server \`${options.name}\` ends again and again`, {
        observed: `it is started again in ${Math.ceil(wait)} ms`,
      });
    restarts.started();
    return new McpProcess(options);
  };
  const server = async (signal: AbortSignal): Promise<McpProcess> => {
    if (closed) throw new Refusal('CORDON-9010', `the MCP server \`${options.name}\` is closed`);
    if (running === undefined || running.ended) running = start();
    const current = running;
    said = await orAborted(current.ready, signal);
    return current;
  };
  const offers = (): JsonObject => quiet(saidOf('capabilities'));
  const asking = (via: Via | undefined, onNotification: OnNotification): { readonly onAsk?: OnAsk } => {
    const onAsk = questions.askerOf(via?.session, onNotification);
    return onAsk === undefined ? {} : { onAsk };
  };
  const sessions: SessionPort = {
    async begin(_version, capabilities, signal) {
      await server(signal);
      const able = options.asks.filter((name) => capabilities[name] !== undefined);
      return { session: questions.begin(able), capabilities: offers() };
    },
    async send(session, message) {
      questions.answer(session, message);
    },
    stream: async () => NO_STREAM,
    end: async () => undefined,
  };

  return {
    takesTxnToken: false,
    serverInfo: () => saidOf('serverInfo'),
    offers,
    ...(options.asks.length === 0 ? {} : { sessions }),
    async listTools(signal): Promise<readonly JsonObject[]> {
      const to = await server(signal);
      return allTools((params) => to.request({ method: 'tools/list', params, signal }));
    },
    async call({ tool, args, more, progress, via }, onNotification, signal) {
      const to = await server(signal);
      const params = { name: tool, arguments: args, ...more };
      const hears = { ...(progress ? { onNotification } : {}), ...asking(via, onNotification) };
      return to.request({ method: 'tools/call', params, signal, ...hears });
    },
    async ask({ method, params, via }, onNotification, signal) {
      if (OF_ONE_CALLER.has(method)) throw new Refusal('CORDON-3008', 'the server has one process for all callers');
      return (await server(signal)).request({ method, params, signal, ...asking(via, onNotification) });
    },
    async close(): Promise<void> {
      closed = true;
      await running?.stop();
    },
  };
}

/** It speaks of its own accord to nobody. */
const NO_STREAM = 405;

/** One process serves all callers, so what it would tell one of them of its own accord reaches none. */
const quiet = ({ tools, prompts, resources, completions }: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries({ tools, prompts, resources, completions }).flatMap(([name, value]) => (value === undefined ? [] : [[name, {}]])),
  );
