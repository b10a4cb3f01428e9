// Step 3 for MCP over streamable HTTP: one POST, one JSON-RPC message. Standards: MCP 2026-07-28 (headers mirror the body and must equal
// it), MCP 2025-11-25. attacker-controlled. INVARIANT I2: what is decided on is what was parsed here, and only that is forwarded.
import type { IncomingMessage } from 'node:http';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Call, McpEra, RpcId, Wire } from './call.ts';
import type { Peer } from './connections.ts';
import { mcpCallWire, mcpFormWire, mcpRequestWire } from './mcp-wire.ts';

export const MODERN = '2026-07-28';
export const LEGACY = ['2025-11-25', '2025-06-18', '2025-03-26'];
const META = 'io.modelcontextprotocol/protocolVersion';
const NAME = /^[^\u0000-\u001f\u007f]{1,256}$/u;

export interface McpMessage {
  readonly server: string;
  readonly peer: Peer;
  readonly bytes: Uint8Array;
  readonly bounds: { readonly maxBytes: number; readonly maxDepth: number };
  /** May this caller know that the server exists? */
  readonly known: () => boolean;
  /** Called as more of the message is understood. */
  readonly setWire: (wire: Wire) => void;
}

/** @throws Refusal CORDON-9011, CORDON-3011, CORDON-3008 */
export function decodeMcp(req: IncomingMessage, message: McpMessage): Call {
  message.setWire(mcpFormWire(null));
  const body = parseJson(message.bytes, message.bounds);
  const rpc = readRpc(body);
  if (rpc.id !== undefined) message.setWire(mcpFormWire(rpc.id));
  const era = eraOf(req, rpc.params);
  checkMirror(req, era, rpc.method, rpc.params);
  if (rpc.id === undefined) return notification(message, rpc.method, rpc.params);
  message.setWire(mcpRequestWire(rpc.id, era));
  return request(message, rpc.id, era, rpc.method, rpc.params);
}

interface Rpc {
  readonly id: RpcId | undefined;
  readonly method: string;
  readonly params: JsonObject;
}

/** Reads one JSON-RPC 2.0 request or notification; used by every protocol that speaks it. @throws Refusal CORDON-9011 */
export function readRpc(body: Json): Rpc {
  const bad = (observed: string): Refusal => new Refusal('CORDON-9011', 'not one JSON-RPC 2.0 request', { observed });
  if (Array.isArray(body)) throw bad('a batch');
  if (!isJsonObject(body) || body['jsonrpc'] !== '2.0') throw bad('no `jsonrpc: "2.0"`');
  const { id, method, params = {} } = body;
  if (typeof method !== 'string' || method.length > 128) throw bad('`method`');
  if (!isJsonObject(params)) throw bad('`params` is no object');
  const idOk = id === undefined || (typeof id === 'string' && id.length <= 256) || Number.isSafeInteger(id);
  if (!idOk) throw bad('`id`');
  return { id: id as RpcId | undefined, method, params };
}

/** One value of a header that was checked to occur at most once. */
const header = (req: IncomingMessage, name: string): string | undefined => {
  const value = req.headers[name];
  return typeof value === 'string' ? value : undefined;
};

function eraOf(req: IncomingMessage, params: JsonObject): McpEra {
  const version = header(req, 'mcp-protocol-version');
  const meta = isJsonObject(params['_meta']) ? params['_meta'][META] : undefined;
  if (meta !== undefined && meta !== version) {
    throw new Refusal('CORDON-3011', 'the protocol version of the header is not that of the body');
  }
  if (version === MODERN) {
    if (meta === undefined) throw new Refusal('CORDON-3011', `\`_meta\` lacks \`${META}\``);
    return 'modern';
  }
  if (version === undefined || LEGACY.includes(version)) return 'legacy';
  throw new Refusal('CORDON-9011', 'protocol version not supported', { expected: [MODERN, ...LEGACY].join(', ') });
}

/** Headers are hints for proxies on the way; they may not say anything else than the body. */
function checkMirror(req: IncomingMessage, era: McpEra, method: string, params: JsonObject): void {
  mirror(req, 'mcp-method', method, era === 'modern');
  const name = method === 'tools/call' ? params['name'] : undefined;
  mirror(req, 'mcp-name', typeof name === 'string' ? name : undefined, era === 'modern' && method === 'tools/call');
}

function mirror(req: IncomingMessage, name: string, expected: string | undefined, required: boolean): void {
  const value = header(req, name);
  if (value === undefined && !required) return;
  if (value === undefined || decodeHeader(value) !== expected) {
    throw new Refusal('CORDON-3011', `the header \`${name}\` is not what the body says`);
  }
}

/** Values that do not fit a header travel as `=?base64?…?=`. MCP 2026-07-28, header encoding */
export function decodeHeader(value: string): string {
  const match = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value);
  if (match?.[1] === undefined) return value;
  const bytes = Buffer.from(match[1], 'base64');
  if (bytes.toString('base64') !== match[1]) throw new Refusal('CORDON-3011', 'header value is not canonical base64');
  return bytes.toString('utf8');
}

export const encodeHeader = (value: string): string =>
  /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?')
    ? value
    : `=?base64?${Buffer.from(value).toString('base64')}?=`;

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

function notification(message: McpMessage, method: string, params: JsonObject): Call {
  const { server } = message;
  if (method !== 'notifications/initialized' && method !== 'notifications/cancelled') {
    throw new Refusal('CORDON-3008', 'notification not accepted');
  }
  const target = method === 'notifications/cancelled' ? params['requestId'] : undefined;
  const cancels = typeof target === 'string' || typeof target === 'number' ? { cancels: target } : {};
  return { request: onServer(message, 'ping'), plan: { kind: 'mcp/notification', server, method, ...cancels } };
}

function request(message: McpMessage, id: RpcId, era: McpEra, method: string, params: JsonObject): Call {
  const { server } = message;
  switch (method) {
    case 'initialize':
    case 'server/discover':
    case 'ping': {
      const asked = params['protocolVersion'];
      const version = typeof asked === 'string' && LEGACY.includes(asked) ? asked : (LEGACY[0] ?? '');
      return { request: onServer(message, method), plan: { kind: 'mcp/session', server, id, era, method, version } };
    }
    case 'tools/list':
      return { request: onServer(message, method), plan: { kind: 'mcp/list', server, id, era } };
    case 'tools/call':
      return toolCall(message, id, era, params);
    default:
      throw new Refusal('CORDON-3008', 'method not accepted');
  }
}

function toolCall(message: McpMessage, id: RpcId, era: McpEra, params: JsonObject): Call {
  const { name: tool, arguments: args = {} } = params;
  if (typeof tool !== 'string' || !NAME.test(tool)) throw new Refusal('CORDON-9011', '`params.name` is no tool name');
  if (!isJsonObject(args)) throw new Refusal('CORDON-9011', '`params.arguments` is no object');
  message.setWire(mcpCallWire(id, era, tool, message.known));
  const token = isJsonObject(params['_meta']) ? params['_meta']['progressToken'] : undefined;
  const progress = typeof token === 'string' || typeof token === 'number' ? { progressToken: token } : {};
  return {
    request: {
      subject: subjectOf(message.peer),
      action: { name: 'tools/call' },
      resource: { type: 'tool', id: `${message.server}/${tool}` },
      context: { input: args },
    },
    plan: { kind: 'mcp/call', server: message.server, id, era, tool, args, ...progress },
  };
}
