// Step 3 for MCP over streamable HTTP: one POST, one JSON-RPC message. Standards: MCP 2026-07-28, MCP 2025-11-25. attacker-controlled
// INVARIANT I2: what is decided on is what was parsed here, and only that is forwarded.
import type { IncomingMessage } from 'node:http';
import { isJsonObject, parseJson, type Json, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { AskedMethod, Call, McpRequestPlan, Wire } from './call.ts';
import type { Peer } from './connections.ts';
import { isRpcId, readRpc } from './json-rpc.ts';
import { answersIn, saysToldOfPage, type Answers } from './mcp-answers.ts';
import { agreedVersion, checkMirror, envelopeIn, eraOf, MODERN } from './mcp-headers.ts';
import { filterIn } from './mcp-listen.ts';
import { completed, logged, prompted, readResource, type Offered } from './mcp-offered.ts';
import { checkParams } from './mcp-params.ts';
import type { CallerSession } from './mcp-sessions.ts';
import { mcpCallWire, mcpFormWire, mcpRequestWire } from './mcp-wire.ts';
import type { McpEra, RpcId } from './mcp-words.ts';

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
  /** The caller's session of this name with this server; absent where another data plane forwards, whose sessions are not ours. */
  readonly session?: (id: string) => CallerSession | undefined;
  /** The pinned definition. */
  readonly definition: (tool: string) => JsonObject | undefined;
}

/** @throws Refusal CORDON-9011, -3006, -3008, -3011, -3020, -3021 */
export function decodeMcp(req: IncomingMessage, message: McpMessage): Call {
  const version = req.headers['mcp-protocol-version'];
  message.setWire(mcpFormWire(null, String(version ?? '')));
  const json = parseJson(message.bytes, message.bounds);
  if (isAnswer(json)) return answer(message, sessionIn(req, message), json);
  const { id, method, params } = readRpc(json);
  if (id !== undefined) message.setWire(mcpFormWire(id, String(version ?? '')));
  const era = eraOf(req, params);
  checkMirror(req, era, method, params);
  // a session id means nothing in 2026-07-28, and before there is a session
  const session = era === 'modern' || method === 'initialize' ? undefined : sessionIn(req, message);
  if (id === undefined) return notification(message, { method, params, session });
  message.setWire(mcpRequestWire(id, era));
  const known = {
    server: message.server,
    id,
    era,
    ...(session === undefined ? {} : { session }),
    ...(era === 'modern' ? { envelope: envelopeIn(params) } : {}),
  };
  return request(message, req, { known, method, params });
}

/** `GET` and `DELETE` of a session (MCP 2025-11-25). @throws Refusal CORDON-3008, CORDON-3020 */
export function decodeMcpStream(req: IncomingMessage, message: Omit<McpMessage, 'bytes' | 'bounds' | 'definition'>): Call {
  const session = req.headers['mcp-protocol-version'] === MODERN ? undefined : sessionIn(req, message);
  if (session === undefined) throw new Refusal('CORDON-3022', 'HTTP method not accepted here', { expected: 'POST' });
  const { server } = message;
  if (req.method === 'DELETE') return { request: onServer(message, 'ping'), plan: { kind: 'mcp/end', server, session } };
  return { request: onServer(message, 'subscriptions/listen'), plan: { kind: 'mcp/stream', server, session } };
}

/** @throws Refusal CORDON-3020: one that ended, is another's, or never was */
function sessionIn(req: IncomingMessage, { session }: Pick<McpMessage, 'session'>): CallerSession | undefined {
  const id = req.headers['mcp-session-id'];
  if (id === undefined || session === undefined) return undefined;
  const found = typeof id === 'string' ? session(id) : undefined;
  if (found === undefined) throw new Refusal('CORDON-3020', 'no such session');
  return found;
}

const isAnswer = (json: Json): json is JsonObject =>
  isJsonObject(json) &&
  json['jsonrpc'] === '2.0' &&
  json['method'] === undefined &&
  (isJsonObject(json['result']) || isJsonObject(json['error']));

/** The answer to a request of the server that this session's caller was asked; permitted like the request. */
function answer(message: McpMessage, session: CallerSession | undefined, { id, result, error }: JsonObject): Call {
  const asked = typeof id === 'string' ? session?.asked.get(id) : undefined;
  if (session === undefined || asked === undefined || typeof id !== 'string')
    throw new Refusal('CORDON-9011', 'not one JSON-RPC 2.0 request', { observed: 'an answer to nothing that was asked' });
  const { server } = message;
  const said: JsonObject = isJsonObject(error) ? { error } : { result: result ?? {} };
  return { request: onServer(message, asked.method), plan: { kind: 'mcp/answer', server, session, askedAs: id, answer: said } };
}

const subjectOf = (peer: Peer): Call['request']['subject'] => ({
  type: 'agent',
  id: peer.agent,
  spiffeId: peer.svid.workload.id,
  run: peer.run,
});

const onServer = (message: Pick<McpMessage, 'peer' | 'server'>, action: string): Call['request'] => ({
  subject: subjectOf(message.peer),
  action: { name: action },
  resource: { type: 'mcp_server', id: message.server },
  context: {},
});

interface Told {
  readonly method: string;
  readonly params: JsonObject;
  readonly session: CallerSession | undefined;
}

const TOLD: ReadonlySet<string> = new Set([
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
]);

/** A notification is decided like a `ping`: it tells the server something and asks nothing of it. */
function notification(message: McpMessage, { method, params, session }: Told): Call {
  const { server } = message;
  if (!TOLD.has(method)) throw new Refusal('CORDON-3008', 'notification not accepted');
  const target = method === 'notifications/cancelled' ? params['requestId'] : undefined;
  const cancels = isRpcId(target) ? { cancels: target } : {};
  const own = session === undefined ? {} : { session };
  return { request: onServer(message, 'ping'), plan: { kind: 'mcp/notification', server, method, ...cancels, ...own } };
}

interface Asked {
  readonly known: McpRequestPlan;
  readonly method: string;
  readonly params: JsonObject;
}

/** Methods that only one of the two revisions has. */
const OF_ERA: Readonly<Partial<Record<string, McpEra>>> = {
  initialize: 'legacy',
  ping: 'legacy',
  'logging/setLevel': 'legacy',
  'resources/subscribe': 'legacy',
  'resources/unsubscribe': 'legacy',
  'subscriptions/listen': 'modern',
};
/** Nothing comes of them without a session. */
const IN_SESSION: ReadonlySet<string> = new Set(['logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);

function request(message: McpMessage, req: IncomingMessage, asked: Asked): Call {
  const { known, method, params } = asked;
  if ((OF_ERA[method] ?? known.era) !== known.era || (IN_SESSION.has(method) && known.session === undefined))
    throw new Refusal('CORDON-3008', 'method not accepted');
  switch (method) {
    case 'initialize':
    case 'server/discover':
    case 'ping': {
      const { capabilities } = params;
      const able = method === 'initialize' && isJsonObject(capabilities) ? { capabilities } : {};
      const version = agreedVersion(params['protocolVersion']);
      return { request: onServer(message, method), plan: { kind: 'mcp/session', ...known, method, version, ...able } };
    }
    case 'tools/list':
      return { request: onServer(message, method), plan: { kind: 'mcp/list', ...known } };
    case 'prompts/list':
    case 'resources/list':
    case 'resources/templates/list':
      return { request: onServer(message, method), plan: { kind: 'mcp/browse', ...known, method } };
    case 'subscriptions/listen':
      return { request: onServer(message, method), plan: { kind: 'mcp/listen', ...known, notifications: filterIn(params) } };
    case 'resources/read':
    case 'prompts/get':
    case 'completion/complete':
    case 'logging/setLevel':
    case 'resources/subscribe':
    case 'resources/unsubscribe': {
      const { input, params: read } = OFFERED[method](params);
      return {
        request: { ...onServer(message, method), context: input === undefined ? {} : { input } },
        plan: { kind: 'mcp/ask', ...known, method, params: read, ...progressIn(params), ...answersOf(known, params) },
      };
    }
    case 'tools/call':
      return toolCall(message, req, asked);
    default:
      throw new Refusal('CORDON-3008', 'method not accepted');
  }
}

const OFFERED: Readonly<Record<AskedMethod, (params: JsonObject) => Offered>> = {
  'resources/read': readResource,
  'resources/subscribe': readResource,
  'resources/unsubscribe': readResource,
  'prompts/get': prompted,
  'completion/complete': completed,
  'logging/setLevel': logged,
};

function progressIn(params: JsonObject): { readonly progressToken?: RpcId } {
  const token = isJsonObject(params['_meta']) ? params['_meta']['progressToken'] : undefined;
  return isRpcId(token) ? { progressToken: token } : {};
}

const toldIn = (params: JsonObject): { readonly toldOfPage?: boolean } => (saysToldOfPage(params) ? { toldOfPage: true } : {});

function answersOf({ era }: McpRequestPlan, params: JsonObject): { readonly answers?: Answers } {
  const answers = era === 'modern' ? answersIn(params) : undefined;
  return answers === undefined ? {} : { answers };
}

function toolCall(message: McpMessage, req: IncomingMessage, { known, params }: Asked): Call {
  const { server, peer } = message;
  const { name: tool, arguments: args = {} } = params;
  if (typeof tool !== 'string' || !NAME.test(tool)) throw new Refusal('CORDON-9011', '`params.name` is no tool name');
  if (!isJsonObject(args)) throw new Refusal('CORDON-9011', '`params.arguments` is no object');
  if (known.era === 'modern') checkParams(req, message.definition(tool), args);
  message.setWire(mcpCallWire({ id: known.id, era: known.era, tool, known: message.known }));
  return {
    request: {
      subject: subjectOf(peer),
      action: { name: 'tools/call' },
      resource: { type: 'tool', id: `${server}/${tool}` },
      context: { input: args },
    },
    plan: { kind: 'mcp/call', ...known, tool, args, ...progressIn(params), ...answersOf(known, params), ...toldIn(params) },
  };
}
