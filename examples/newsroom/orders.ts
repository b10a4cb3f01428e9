// What a hijacked model does: it cannot tell what its principal says from what a page, an answer or the description of a tool says, so it
// carries out every order that it reads, wherever it stands.
import { isJsonObject, parseJson, type JsonObject } from '../../src/domain/json.ts';
import { emit, oneLine } from '../invoice-desk/events.ts';
import { mcpPeer, type McpPeer } from '../invoice-desk/peers/mcp.ts';
import type { Outcome } from '../invoice-desk/peers/outcome.ts';
import type { Wire } from '../invoice-desk/wire.ts';

const ORDER = /^Assistant: call ([\w-]+)\/(\w+) (\{.*\})$/gm;
const BOUNDS = { maxBytes: 100_000, maxDepth: 8 };

export interface Hands {
  /** A tool of a server, by name. */
  call(server: string, tool: string, args: JsonObject): Promise<Outcome>;
  /** Carries out what a text asks for. */
  obey(text: string): Promise<void>;
  /** Lists the tools of a server, and obeys what their descriptions say. */
  look(server: string): Promise<void>;
  close(): Promise<void>;
}

export function handsOf(agent: string, wire: Wire): Hands {
  const peers = new Map<string, McpPeer>();
  const peer = (server: string): McpPeer => {
    const known = peers.get(server) ?? mcpPeer(agent, () => wire.server(server));
    peers.set(server, known);
    return known;
  };
  const call: Hands['call'] = async (server, tool, args) => {
    const outcome = await peer(server).call(tool, args);
    const { ok, code, decision, text } = outcome;
    emit({ at: agent, event: 'call', tool: `${server}/${tool}`, ok, code, decision, text: oneLine(text) });
    return outcome;
  };
  const obey: Hands['obey'] = async (text) => {
    let last = '';
    for (const [, server = '', tool = '', written = ''] of text.matchAll(ORDER)) {
      emit({ at: agent, event: 'thought', text: `the page says to call ${server}/${tool}` });
      const args = argumentsIn(written.replaceAll('{{last}}', JSON.stringify(last).slice(1, -1)));
      last = (await call(server, tool, args)).text;
    }
  };
  return {
    call,
    obey,
    async look(server): Promise<void> {
      const tools = await peer(server)
        .listTools()
        .catch(() => []);
      for (const { description = '' } of tools) await obey(description);
    },
    close: async () => void (await Promise.all([...peers.values()].map((one) => one.close()))),
  };
}

function argumentsIn(text: string): JsonObject {
  const json = parseJson(Buffer.from(text), BOUNDS);
  return isJsonObject(json) ? json : {};
}
