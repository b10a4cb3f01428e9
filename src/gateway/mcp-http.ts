// An MCP server reached by streamable HTTP: 2026-07-28 when it speaks it, else 2025-11-25 with its handshake. The gateway has one
// session with it, whoever calls; a session that the server has forgotten is begun anew.
import type { Dispatcher } from 'undici';
import { isJsonArray, isJsonObject, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Channel } from './channel.ts';
import { LEGACY, MODERN } from './mcp-headers.ts';
import { envelopeOf, postOf, readOutcome, type McpSession, type RpcMessage } from './mcp-post.ts';
import { allTools } from './mcp-tools.ts';
import {
  ignoreNotifications,
  type Asked as AskedOf,
  type ClientInfo,
  type McpUpstream,
  type OnNotification,
  type RpcOutcome,
  type ToolCall,
} from './upstreams.ts';
import { orAborted } from './waiting.ts';

export interface McpHttpOptions {
  readonly channel: Channel;
  readonly path: string;
  /** Headers with the upstream's credential, injected here and seen by no agent. INVARIANT I8 */
  readonly credential: () => Readonly<Record<string, string>>;
  readonly bounds: JsonBounds;
  readonly client: ClientInfo;
  readonly takesTxnToken: boolean;
}

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
}

type Posting = Pick<Asked, 'signal' | 'txnToken' | 'retry'>;

interface Sent {
  readonly id: number;
  readonly reply: Dispatcher.ResponseData;
}

class McpHttp implements McpUpstream {
  readonly #options: McpHttpOptions;
  #session: Promise<McpSession> | undefined;
  /** What `#session` came to. */
  #agreed: McpSession | undefined;
  #info: JsonObject = {};
  #offers: ReadonlySet<string> = new Set();
  #nextId = 1;
  #nextToken = 1;

  constructor(options: McpHttpOptions) {
    this.#options = options;
  }

  get takesTxnToken(): boolean {
    return this.#options.takesTxnToken;
  }

  readonly serverInfo = (): JsonObject => this.#info;
  readonly offers = (): ReadonlySet<string> => this.#offers;

  listTools(signal: AbortSignal): Promise<readonly JsonObject[]> {
    return allTools((params) => this.#rpc({ method: 'tools/list', params, onNotification: ignoreNotifications, signal, retry: true }));
  }

  call({ tool, args, progress, txnToken, retry }: ToolCall, onNotification: OnNotification, signal: AbortSignal): Promise<RpcOutcome> {
    const asked = { method: 'tools/call', onNotification, signal, txnToken, retry };
    const meta = progress ? { _meta: { progressToken: `c${this.#nextToken++}` } } : {};
    return this.#rpc({ ...asked, params: { name: tool, arguments: args, ...meta } });
  }

  ask({ method, params, txnToken, retry }: AskedOf, signal: AbortSignal): Promise<RpcOutcome> {
    return this.#rpc({ method, params, onNotification: ignoreNotifications, signal, txnToken, retry });
  }

  close(): Promise<void> {
    return this.#options.channel.destroy();
  }

  async #rpc(asked: Asked): Promise<RpcOutcome> {
    const session = await this.#connected(asked.signal);
    const sent = await this.#send(session, asked);
    if (sent.reply.statusCode !== 404 || session.id === undefined) return this.#outcome(sent, asked);
    // MCP 2025-11-25, session management: 404 says that the session is gone and the request was not looked at
    await sent.reply.body.dump();
    this.#forget(session);
    return this.#outcome(await this.#send(await this.#connected(asked.signal), asked), asked);
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
    // an older server refuses in ways of its own; one that cannot be reached is met again by the handshake, which says so
    const discovered = await this.#ask(modern, asked).catch(() => undefined);
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
    this.#offers = new Set(isJsonObject(capabilities) ? Object.keys(capabilities) : []);
  }

  async #ask(session: McpSession, asked: Asked): Promise<RpcOutcome> {
    return this.#outcome(await this.#send(session, asked), asked);
  }

  async #send(session: McpSession, { method, params, ...posting }: Asked): Promise<Sent> {
    const id = this.#nextId++;
    const own = isJsonObject(params['_meta']) ? params['_meta'] : {};
    const full = session.era === 'modern' ? { ...params, _meta: { ...own, ...envelopeOf(this.#options.client) } } : params;
    return { id, reply: await this.#post(session, { jsonrpc: '2.0', id, method, params: full }, posting) };
  }

  #post(session: McpSession, message: RpcMessage, { signal, txnToken, retry = false }: Posting): Promise<Dispatcher.ResponseData> {
    const { channel, path, credential } = this.#options;
    return channel.request({ ...postOf({ path, session, message, credential: credential(), signal, txnToken }), retry });
  }

  #outcome({ id, reply }: Sent, { onNotification }: Asked): Promise<RpcOutcome> {
    return readOutcome(reply, { id, bounds: this.#options.bounds, onNotification });
  }
}
