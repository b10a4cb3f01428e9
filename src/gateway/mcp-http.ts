// An MCP server reached by streamable HTTP: 2026-07-28 when it speaks it, else 2025-11-25 with its handshake. Every request is made
// anew from the decided call; no header and no byte of the caller's request goes on.
import type { Dispatcher } from 'undici';
import { isJsonObject, writeJson, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { McpEra } from './call.ts';
import type { Channel } from './channel.ts';
import { LEGACY, MODERN, encodeHeader } from './mcp-decode.ts';
import { readJsonReply, readSse } from './reply-body.ts';
import type { McpUpstream, RpcOutcome, ToolCall } from './upstreams.ts';
import { allTools } from './mcp-tools.ts';

export interface McpHttpOptions {
  readonly channel: Channel;
  readonly path: string;
  /** Headers with the upstream's credential, injected here and seen by no agent. INVARIANT I8 */
  readonly credential: () => Readonly<Record<string, string>>;
  readonly bounds: JsonBounds;
  readonly client: { readonly name: string; readonly version: string };
}

interface Session {
  readonly era: McpEra;
  readonly id: string | undefined;
  readonly info: JsonObject;
}

type OnNotification = (params: JsonObject) => Promise<void>;
const ignore: OnNotification = () => Promise.resolve();

export function createMcpHttp(options: McpHttpOptions): McpUpstream {
  let session: Promise<Session> | undefined;
  let info: JsonObject = {};
  let nextId = 1;
  let nextToken = 1;

  const connected = (signal: AbortSignal): Promise<Session> => {
    session ??= negotiate(signal).catch((error: unknown) => {
      session = undefined;
      throw error;
    });
    return session;
  };

  async function negotiate(signal: AbortSignal): Promise<Session> {
    const modern: Session = { era: 'modern', id: undefined, info: {} };
    const discovered = await send(modern, 'server/discover', {}, ignore, signal).catch(() => undefined);
    const found = discovered !== undefined && 'result' in discovered.outcome ? discovered.outcome.result : undefined;
    const versions = found?.['supportedVersions'];
    if (found !== undefined && Array.isArray(versions) && versions.includes(MODERN)) {
      const meta = isJsonObject(found['_meta']) ? found['_meta']['io.modelcontextprotocol/serverInfo'] : undefined;
      info = isJsonObject(meta) ? meta : {};
      return { ...modern, info };
    }
    return handshake(signal);
  }

  async function handshake(signal: AbortSignal): Promise<Session> {
    const fresh: Session = { era: 'legacy', id: undefined, info: {} };
    const params = { protocolVersion: LEGACY[0] ?? '', capabilities: {}, clientInfo: { ...options.client } };
    const { outcome, sessionId } = await send(fresh, 'initialize', params, ignore, signal);
    if ('error' in outcome) throw new Refusal('CORDON-9010', 'the MCP server refuses `initialize`');
    const server = outcome.result['serverInfo'];
    info = isJsonObject(server) ? server : {};
    const made: Session = { era: 'legacy', id: sessionId, info };
    const reply = await options.channel.request(post(made, { jsonrpc: '2.0', method: 'notifications/initialized' }, undefined, signal));
    await reply.body.dump();
    return made;
  }

  function post(to: Session, message: JsonObject, name: string | undefined, signal: AbortSignal): Parameters<Channel['request']>[0] {
    const version = to.era === 'modern' ? MODERN : (LEGACY[0] ?? '');
    const method = message['method'];
    const mirrored =
      to.era === 'modern' && typeof method === 'string'
        ? { 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': encodeHeader(name) }) }
        : {};
    return {
      method: 'POST',
      path: options.path,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(method === 'initialize' ? {} : { 'mcp-protocol-version': version }),
        ...mirrored,
        ...(to.id === undefined ? {} : { 'mcp-session-id': to.id }),
        ...options.credential(),
      },
      body: writeJson(message),
      signal,
    };
  }

  async function send(to: Session, method: string, params: JsonObject, onNotification: OnNotification, signal: AbortSignal): Promise<{ outcome: RpcOutcome; sessionId: string | undefined }> {
    const id = nextId++;
    const name = method === 'tools/call' && typeof params['name'] === 'string' ? params['name'] : undefined;
    const body = to.era === 'modern' ? { ...params, _meta: { ...metaOf(params), ...envelope(options.client) } } : params;
    const reply = await options.channel.request(post(to, { jsonrpc: '2.0', id, method, params: body }, name, signal));
    const outcome = await readOutcome(reply, id, options.bounds, onNotification);
    const sessionId = reply.headers['mcp-session-id'];
    return { outcome, sessionId: typeof sessionId === 'string' ? sessionId : undefined };
  }

  const rpc = async (method: string, params: JsonObject, onNotification: OnNotification, signal: AbortSignal): Promise<RpcOutcome> =>
    (await send(await connected(signal), method, params, onNotification, signal)).outcome;

  return {
    serverInfo: () => info,
    listTools: (signal) => allTools((params) => rpc('tools/list', params, ignore, signal)),
    call: ({ tool, args, progress }: ToolCall, onNotification, signal) => {
      const meta = progress ? { _meta: { progressToken: `c${nextToken++}` } } : {};
      return rpc('tools/call', { name: tool, arguments: args, ...meta }, onNotification, signal);
    },
    close: () => options.channel.destroy(),
  };
}

const metaOf = (params: JsonObject): JsonObject => (isJsonObject(params['_meta']) ? params['_meta'] : {});

const envelope = (client: McpHttpOptions['client']): JsonObject => ({
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { ...client },
  'io.modelcontextprotocol/clientCapabilities': {},
});

/** Reads the answer with our id out of a JSON body or an event stream. @throws Refusal CORDON-9010 */
async function readOutcome(reply: Dispatcher.ResponseData, id: number, bounds: JsonBounds, onNotification: OnNotification): Promise<RpcOutcome> {
  const type = String(reply.headers['content-type'] ?? '').split(';', 1)[0];
  if (type === 'application/json') return outcomeOf(await readJsonReply(reply.body, bounds), id, reply.statusCode);
  if (type !== 'text/event-stream' || reply.statusCode !== 200) {
    await reply.body.dump();
    throw new Refusal('CORDON-9010', 'the MCP server does not answer as MCP', { observed: `status ${reply.statusCode}` });
  }
  for await (const message of readSse(reply.body, bounds)) {
    if (message['id'] === id) return outcomeOf(message, id, 200);
    if (message['id'] === undefined && isNotification(message)) await onNotification(message);
  }
  throw new Refusal('CORDON-9010', 'the MCP server ends its answer early');
}

/** Notifications that belong to a call; anything else a server says of its own accord is not handed on. */
export const isNotification = (message: JsonObject): boolean =>
  message['method'] === 'notifications/progress' || message['method'] === 'notifications/message';

export function outcomeOf(message: JsonObject, id: number, status: number): RpcOutcome {
  const { result, error } = message;
  if (isJsonObject(result) && message['id'] === id) return { result };
  if (isJsonObject(error)) return { error };
  throw new Refusal('CORDON-9010', 'the MCP server answers another request', { observed: `status ${status}` });
}
