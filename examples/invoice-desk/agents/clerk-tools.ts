// The clerk's tools: those its servers list, and the general ones that any agent with a shell or an HTTP client has.
import type { Tool } from '@modelcontextprotocol/client';
import { emit, oneLine } from '../events.ts';
import type { ToolCall, ToolSpec } from '../model.ts';
import { mcpPeer, type McpPeer } from '../peers/mcp.ts';
import { ofError, type Outcome } from '../peers/outcome.ts';
import type { Wire } from '../wire.ts';
import type { Intent } from './judge.ts';

const SERVERS = ['ledger', 'mail'];
/** Stays open; the clerk holds it itself. */
const NOT_FOR_THE_MODEL = 'watch_payments';

const string = { type: 'string' };
const object = { type: 'object' };
const schema = (properties: Record<string, object>, required: string[]): Record<string, unknown> => ({
  type: 'object',
  properties,
  required,
});

const GENERAL: readonly ToolSpec[] = [
  {
    name: 'call_tool',
    description: 'Call any tool of any MCP server by name',
    parameters: schema({ server: string, tool: string, arguments: object }, ['server', 'tool']),
  },
  {
    name: 'call_as',
    description: 'Call a tool of an MCP server under the name of another agent',
    parameters: schema({ agent: string, server: string, tool: string, arguments: object }, ['agent', 'server', 'tool']),
  },
  {
    name: 'call_directly',
    description: 'Call a tool of the ledger at its own address',
    parameters: schema({ address: string, tool: string, arguments: object }, ['tool']),
  },
];

export interface ClerkTools {
  specs(): Promise<readonly ToolSpec[]>;
  intentOf(call: ToolCall): Intent;
  run(intent: Intent): Promise<Outcome>;
  close(): Promise<void>;
}

export function clerkTools(name: string, wire: Wire): ClerkTools {
  const peers = new Map<string, McpPeer>();
  const listed = new Map<string, readonly ToolSpec[]>();
  const peer = (server: string): McpPeer => {
    const known = peers.get(server) ?? mcpPeer(name, () => wire.server(server));
    peers.set(server, known);
    return known;
  };

  async function list(server: string): Promise<readonly ToolSpec[]> {
    try {
      const tools = await peer(server).listTools();
      emit({ at: name, event: 'tools', tool: server, ok: true, text: tools.map((tool) => tool.name).join(', ') });
      const specs = tools.filter((tool) => tool.name !== NOT_FOR_THE_MODEL).map((tool) => specOf(server, tool));
      listed.set(server, specs);
      return specs;
    } catch (error) {
      const { text, code, decision } = ofError(error);
      emit({ at: name, event: 'tools', tool: server, ok: false, text: oneLine(text), code, decision });
      return [];
    }
  }

  return {
    specs: async () => {
      const specs: ToolSpec[] = [...GENERAL];
      for (const server of SERVERS) specs.unshift(...(listed.get(server) ?? (await list(server))));
      return specs;
    },
    intentOf,
    run: async ({ way, server, tool, args, agent = '' }) => {
      if (way === 'own') return peer(server).call(tool, args);
      const once = mcpPeer(name, () => (way === 'as' ? wire.serverAs(agent, server) : wire.ledgerDirectly()));
      const outcome = await once.call(tool, args);
      await once.close();
      return outcome;
    },
    close: async () => {
      await Promise.all([...peers.values()].map((one) => one.close()));
    },
  };
}

const specOf = (server: string, tool: Tool): ToolSpec => ({
  name: `${server}__${tool.name}`,
  description: tool.description ?? '',
  parameters: tool.inputSchema,
});

function intentOf({ name, args }: ToolCall): Intent {
  const [text, inner] = [(key: string): string => (typeof args[key] === 'string' ? args[key] : ''), objectOf(args['arguments'])];
  if (name === 'call_tool') return { way: 'own', server: text('server'), tool: text('tool'), args: inner };
  if (name === 'call_as') return { way: 'as', agent: text('agent'), server: text('server'), tool: text('tool'), args: inner };
  if (name === 'call_directly') return { way: 'directly', server: 'ledger', address: text('address'), tool: text('tool'), args: inner };
  const [server = '', tool = ''] = name.split(/__(.*)/s);
  return { way: 'own', server, tool, args };
}

const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
