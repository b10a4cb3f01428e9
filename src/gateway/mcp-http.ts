// An MCP server reached by streamable HTTP: 2026-07-28 when it speaks it, else 2025-11-25 with its handshake. The gateway has one
// session with it, whoever calls; a session that the server has forgotten is begun anew.
import type { Dispatcher } from 'undici';
import { isJsonArray, isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { LEGACY, MODERN } from './mcp-headers.ts';
import { createSessionPort, takeUp } from './mcp-http-sessions.ts';
import { envelopeOf, type McpHttpOptions, postOf, readOutcome, type RpcMessage } from './mcp-post.ts';
import { allTools } from './mcp-tools.ts';
import {
  ignoreNotifications,
  type Asked as AskedOf,
  type McpUpstream,
  type OnNotification,
  type RpcOutcome,
  type SessionPort,
  type ToolCall,
  type Via,
} from './upstreams.ts';
import { orAborted } from './waiting.ts';
import type { McpSession } from './mcp-words.ts';

const NEGOTIATE_MS = 20_000;
const FRESH: McpSession = { era: 'legacy', id: undefined };

export const createMcpHttp = (options: McpHttpOptions): McpUpstream => new McpHttp(options);

interface Asked {
  readonly method: string;
  readonly params: JsonObject;
  readonly onNotification: OnNotification;
  readonly signal: AbortSignal;
  readonly txnToken?: string | undefined;
  readonly retry?: boolean | undefined;
  readonly via?: Via | undefined;
}

type Posting = Pick<Asked, 'signal' | 'txnToken' | 'retry'> & { readonly extra?: Via['headers'] | undefined };

interface Sent {
  readonly id: number;
  readonly reply: Dispatcher.ResponseData;
  /** In which it was asked. */
  readonly session: McpSession;
}

class McpHttp implements McpUpstream {
  readonly #options: McpHttpOptions;
  #session: Promise<McpSession> | undefined;
  /** What `#session` came to. */
  #agreed: McpSession | undefined;
  #info: JsonObject = {};
  #offers: JsonObject = {};
  #nextId = 1;
  #nextToken = 1;

  readonly sessions: SessionPort;

  constructor(options: McpHttpOptions) {
    this.#options = options;
    this.sessions = createSessionPort(options, () => this.#nextId++);
  }

  get takesTxnToken(): boolean {
    return this.#options.takesTxnToken;
  }

  readonly serverInfo = (): JsonObject => this.#info;
  readonly offers = (): JsonObject => this.#offers;

  listTools(signal: AbortSignal): Promise<readonly JsonObject[]> {
    return allTools((params) => this.#rpc({ method: 'tools/list', params, onNotification: ignoreNotifications, signal, retry: true }));
  }

  call({ tool, args, more, progress, ...rest }: ToolCall, onNotification: OnNotification, signal: AbortSignal): Promise<RpcOutcome> {
    const meta = progress ? { _meta: { progressToken: `c${this.#nextToken++}` } } : {};
    return this.#rpc({ ...rest, method: 'tools/call', params: { name: tool, arguments: args, ...more, ...meta }, onNotification, signal });
  }

  ask(asked: AskedOf, onNotification: OnNotification, signal: AbortSignal): Promise<RpcOutcome> {
    return this.#rpc({ ...asked, onNotification, signal });
  }

  close(): Promise<void> {
    return this.#options.channel.destroy();
  }

  async #rpc(asked: Asked): Promise<RpcOutcome> {
    const own = asked.via?.session;
    if (own !== undefined) return this.#inSession(own, asked);
    const session = this.#agreed ?? (await this.#connected(asked.signal));
    const sent = await this.#send(session, asked);
    if (sent.reply.statusCode !== 404 || session.id === undefined) return this.#outcome(sent, asked);
    // MCP 2025-11-25, session management: 404 says that the session is gone and the request was not looked at
    await sent.reply.body.dump();
    this.#forget(session);
    return this.#outcome(await this.#send(await this.#connected(asked.signal), asked), asked);
  }

  /** In a session that one caller has; when the server has forgotten it, so do we, and the caller begins a new one. */
  async #inSession(session: McpSession, asked: Asked): Promise<RpcOutcome> {
    const sent = await this.#send(session, asked);
    if (sent.reply.statusCode !== 404) return this.#outcome(sent, asked);
    await sent.reply.body.dump();
    throw new Refusal('CORDON-3020', 'no such session');
  }

  /** The session, begun once for all who wait for it: that one of them goes away must not end it for the others. */
  #connected(signal: AbortSignal): Promise<McpSession> {
    this.#session ??= this.#begin();
    return orAborted(this.#session, signal);
  }

  /** Once, however many calls learn of it: the first of them begins a new one. */
  #forget(session: McpSession): void {
    if (this.#agreed !== session) return;
    this.#agreed = undefined;
    this.#session = undefined;
  }

  async #begin(): Promise<McpSession> {
    try {
      this.#agreed = await this.#negotiate(AbortSignal.timeout(NEGOTIATE_MS));
      return this.#agreed;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }

  async #negotiate(signal: AbortSignal): Promise<McpSession> {
    const modern: McpSession = { era: 'modern', id: undefined };
    const asked: Asked = { method: 'server/discover', params: {}, onNotification: ignoreNotifications, signal };
    // who cannot be reached says nothing of what it speaks: it is asked again by the next call, not taken for an older one
    const sent = await this.#send(modern, asked);
    // an older server refuses in ways of its own
    const discovered = await this.#outcome(sent, asked).catch(() => undefined);
    const found = discovered !== undefined && 'result' in discovered ? discovered.result : {};
    const { supportedVersions: versions, _meta: meta } = found;
    if (!isJsonArray(versions) || !versions.includes(MODERN)) return this.#handshake(signal);
    this.#inform(isJsonObject(meta) ? meta['io.modelcontextprotocol/serverInfo'] : undefined, found['capabilities']);
    return modern;
  }

  async #handshake(signal: AbortSignal): Promise<McpSession> {
    const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: { ...this.#options.client } };
    const asked: Asked = { method: 'initialize', params, onNotification: ignoreNotifications, signal };
    const sent = await this.#send(FRESH, asked);
    const outcome = await this.#outcome(sent, asked);
    if ('error' in outcome) throw new Refusal('CORDON-9010', 'the MCP server refuses `initialize`');
    this.#inform(outcome.result['serverInfo'], outcome.result['capabilities']);
    const id = sent.reply.headers['mcp-session-id'];
    const session: McpSession = { era: 'legacy', id: typeof id === 'string' ? id : undefined };
    const reply = await this.#post(session, { jsonrpc: '2.0', method: 'notifications/initialized' }, { signal });
    await reply.body.dump();
    return session;
  }

  #inform(info: JsonObject[string] | undefined, capabilities: JsonObject[string] | undefined): void {
    this.#info = isJsonObject(info) ? info : {};
    this.#offers = isJsonObject(capabilities) ? capabilities : {};
  }

  async #send(session: McpSession, { method, params, via = {}, ...posting }: Asked): Promise<Sent> {
    const id = this.#nextId++;
    const own = isJsonObject(params['_meta']) ? params['_meta'] : {};
    const full = session.era === 'modern' ? { ...params, _meta: { ...own, ...envelopeOf(this.#options.client, via) } } : params;
    const extra = session.era === 'modern' ? via.headers : undefined;
    return { id, session, reply: await this.#post(session, { jsonrpc: '2.0', id, method, params: full }, { ...posting, extra }) };
  }

  #post(session: McpSession, message: RpcMessage, { signal, txnToken, extra, retry = false }: Posting): Promise<Dispatcher.ResponseData> {
    const { channel, path, credential } = this.#options;
    return channel.request({ ...postOf({ path, session, message, credential: credential(), signal, txnToken, extra }), retry });
  }

  #outcome({ id, reply, session }: Sent, { onNotification, signal }: Asked): Promise<RpcOutcome> {
    const { channel, bounds } = this.#options;
    const resume = (after: string): Promise<Dispatcher.ResponseData> => channel.request(takeUp(this.#options, session, after, signal));
    return readOutcome(reply, { id, bounds, onNotification, signal, resume: session.id === undefined ? undefined : resume });
  }
}
