// Step 3 for MCP over streamable HTTP: one POST, one JSON-RPC message. Standards: MCP 2026-07-28, MCP 2025-11-25. attacker-controlled
// INVARIANT I2: what is decided on is what was parsed here, and only that is forwarded.
import type { IncomingMessage } from 'node:http';
import { isJsonObject, parseJson, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Call, McpEra, RpcId, Wire } from './call.ts';
import type { Peer } from './connections.ts';
import { isRpcId, readRpc } from './json-rpc.ts';
import { agreedVersion, checkMirror, eraOf } from './mcp-headers.ts';
import { completed, prompted, readResource, type Offered } from './mcp-offered.ts';
import { mcpCallWire, mcpFormWire, mcpRequestWire } from './mcp-wire.ts';

const NAME = /^[^\u0000-\u001f\u007f]{1,256}$/u;

export interface McpMessage {
  readonly server: string;
  readonly peer: Peer;
  readonly bytes: Uint8Array;
  readonly bounds: JsonBounds;
  /** May this caller know that the server exists? */
  readonly known: () => boolean;
  /** Called as more of the message is understood. */
  readonly setWire: (wire: Wire) => void;
}

/** @throws Refusal CORDON-9011, CORDON-3011, CORDON-3008 */
export function decodeMcp(req: IncomingMessage, message: McpMessage): Call {
  message.setWire(mcpFormWire(null));
  const { id, method, params } = readRpc(parseJson(message.bytes, message.bounds));
  if (id !== undefined) message.setWire(mcpFormWire(id));
  const era = eraOf(req, params);
  checkMirror(req, era, method, params);
  if (id === undefined) return notification(message, method, params);
  message.setWire(mcpRequestWire(id, era));
  return request(message, { id, era, method, params });
}

const subjectOf = (peer: Peer): Call['request']['subject'] => ({
  type: 'agent',
  id: peer.agent,
  spiffeId: peer.svid.workload.id,
  run: peer.run,
});

const onServer = (message: McpMessage, action: string): Call['request'] => ({
  subject: subjectOf(message.peer),
  action: { name: action },
  resource: { type: 'mcp_server', id: message.server },
  context: {},
});

/** A notification is decided like a `ping`: it tells the server something and asks nothing of it. */
function notification(message: McpMessage, method: string, params: JsonObject): Call {
  const { server } = message;
  if (method !== 'notifications/initialized' && method !== 'notifications/cancelled') {
    throw new Refusal('CORDON-3008', 'notification not accepted');
  }
  const target = method === 'notifications/cancelled' ? params['requestId'] : undefined;
  const cancels = isRpcId(target) ? { cancels: target } : {};
  return { request: onServer(message, 'ping'), plan: { kind: 'mcp/notification', server, method, ...cancels } };
}

interface Asked {
  readonly id: RpcId;
  readonly era: McpEra;
  readonly method: string;
  readonly params: JsonObject;
}

function request(message: McpMessage, asked: Asked): Call {
  const { server } = message;
  const { id, era, method, params } = asked;
  switch (method) {
    case 'initialize':
    case 'server/discover':
    case 'ping': {
      const version = agreedVersion(params['protocolVersion']);
      return { request: onServer(message, method), plan: { kind: 'mcp/session', server, id, era, method, version } };
    }
    case 'tools/list':
      return { request: onServer(message, method), plan: { kind: 'mcp/list', server, id, era } };
    case 'prompts/list':
    case 'resources/list':
    case 'resources/templates/list':
      return { request: onServer(message, method), plan: { kind: 'mcp/browse', server, id, era, method } };
    case 'resources/read':
    case 'prompts/get':
    case 'completion/complete': {
      const { input, params: read } = OFFERED[method](params);
      return {
        request: { ...onServer(message, method), context: { input } },
        plan: { kind: 'mcp/ask', server, id, era, method, params: read },
      };
    }
    case 'tools/call':
      return toolCall(message, asked);
    default:
      throw new Refusal('CORDON-3008', 'method not accepted');
  }
}

const OFFERED: Readonly<Record<'resources/read' | 'prompts/get' | 'completion/complete', (params: JsonObject) => Offered>> = {
  'resources/read': readResource,
  'prompts/get': prompted,
  'completion/complete': completed,
};

function toolCall(message: McpMessage, { id, era, params }: Asked): Call {
  const { server, peer } = message;
  const { name: tool, arguments: args = {} } = params;
  if (typeof tool !== 'string' || !NAME.test(tool)) throw new Refusal('CORDON-9011', '`params.name` is no tool name');
  if (!isJsonObject(args)) throw new Refusal('CORDON-9011', '`params.arguments` is no object');
  message.setWire(mcpCallWire({ id, era, tool, known: message.known }));
  const token = isJsonObject(params['_meta']) ? params['_meta']['progressToken'] : undefined;
  const progress = isRpcId(token) ? { progressToken: token } : {};
  return {
    request: {
      subject: subjectOf(peer),
      action: { name: 'tools/call' },
      resource: { type: 'tool', id: `${server}/${tool}` },
      context: { input: args },
    },
    plan: { kind: 'mcp/call', server, id, era, tool, args, ...progress },
  };
}
