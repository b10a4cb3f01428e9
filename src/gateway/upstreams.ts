// The callees behind the gateway: one MCP upstream per resource, one A2A upstream per agent. INVARIANT: nothing else opens a connection.
import type { VerificationKey } from '../crypto/jwk.ts';
import type { JsonObject } from '../domain/json.ts';
import type { A2aBinding, PartKind } from '../domain/registry.ts';
import type { Channel } from './channel.ts';
import type { HostPort } from './egress-host.ts';
import type { EgressTable, Outside } from './egress-table.ts';
import type { Guards } from './guards.ts';
import type { RouteTable } from './http-routes.ts';
import type { McpSession } from './mcp-words.ts';

/** What goes with a request besides what it asks. */
export interface Via {
  /** Of a caller that has a session of its own: the server's. */
  readonly session?: McpSession;
  /** What the caller can be asked (2026-07-28). */
  readonly capabilities?: JsonObject;
  readonly logLevel?: string;
  /** `mcp-param-*` */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ToolCall {
  readonly tool: string;
  readonly args: JsonObject;
  /** Members of `params` beside: the answers of a call that is made again. */
  readonly more?: JsonObject;
  readonly via?: Via;
  /** Did the caller ask for progress notifications? */
  readonly progress: boolean;
  /** May it be made again when no answer came? */
  readonly retry?: boolean;
  /** Sent along in `Txn-Token`. */
  readonly txnToken?: string;
}

/** The JSON-RPC outcome of an upstream call. */
export type RpcOutcome = { readonly result: JsonObject } | { readonly error: JsonObject };

/** Takes one message that is no answer, a notification or a request of the server; resolves when the caller has taken it. */
export type OnNotification = (message: JsonObject, eventId?: string) => Promise<void>;

export const ignoreNotifications: OnNotification = () => Promise.resolve();

/** A request that goes to the server as it is. */
export interface Asked {
  readonly method: string;
  readonly params: JsonObject;
  /** May it be asked again when no answer came? */
  readonly retry?: boolean;
  readonly via?: Via;
  /** Sent along in `Txn-Token`. */
  readonly txnToken?: string;
}

export interface McpUpstream {
  /** Is it a workload of this trust domain, which may be told for whom it is called? */
  readonly takesTxnToken: boolean;
  /** What the server says of itself; never a policy input. */
  readonly serverInfo: () => JsonObject;
  /** What the server says that it offers; empty before it has answered. */
  readonly offers: () => JsonObject;
  /** All tools, all pages. @throws Refusal CORDON-9010 */
  listTools(signal: AbortSignal): Promise<readonly JsonObject[]>;
  /** Calls one tool; progress and log notifications go to `onNotification` in order. @throws Refusal CORDON-9010 */
  call(call: ToolCall, onNotification: OnNotification, signal: AbortSignal): Promise<RpcOutcome>;
  /** Asks what is no tool call. @throws Refusal CORDON-9010 */
  ask(asked: Asked, onNotification: OnNotification, signal: AbortSignal): Promise<RpcOutcome>;
  /** Where each caller can have a session of its own (MCP 2025-11-25 over HTTP). */
  readonly sessions?: SessionPort;
  close(): Promise<void>;
}

/** Sessions of callers with a server. */
export interface SessionPort {
  /** Undefined: the server does not speak a revision that has sessions. @throws Refusal CORDON-9010 */
  begin(version: string, capabilities: JsonObject, signal: AbortSignal): Promise<Begun | undefined>;
  /** Sends what is no request: a notification, or an answer to one of the server's. @throws Refusal CORDON-9010, CORDON-3020 */
  send(session: McpSession, message: JsonObject, signal: AbortSignal): Promise<void>;
  /** The server's own stream, until it ends. @returns the status: 200 when there was one */
  stream(session: McpSession, listener: StreamListener): Promise<number>;
  end(session: McpSession, signal: AbortSignal): Promise<void>;
}

export interface Begun {
  readonly session: McpSession;
  /** What the server offers. */
  readonly capabilities: JsonObject;
}

export interface StreamListener {
  /** The stream is there. */
  readonly opened: () => void;
  readonly onMessage: OnNotification;
  /** The stream can be taken up again after this, and nothing is said yet. */
  readonly onId: (eventId: string) => Promise<void>;
  /** The last event that came, as the server called it: what came after it is said again. */
  readonly after: string | undefined;
  readonly signal: AbortSignal;
}

/** How Cordon names itself to a server. */
export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

export interface A2aUpstream {
  readonly channel: Channel;
  /** Keys of which one must have signed the agent's card, by `kid`; absent: it need not be signed. */
  readonly cardKeys?: ReadonlyMap<string, VerificationKey>;
  /** Does it make the contexts of messages that name none, and refuse others' (A2A 1.0 §3.4.1)? */
  readonly makesContexts: boolean;
  /** How it names the gateway to deliver push notifications there; absent: it delivers none. */
  readonly pushBase?: string;
  /** Parts of messages that it takes. */
  readonly accepts: ReadonlySet<PartKind>;
  /** What it speaks. */
  readonly binding: A2aBinding;
  /** Of its endpoint, or what its paths begin with. */
  readonly path: string;
}

/** An HTTP API. */
export interface HttpUpstream {
  readonly channel: Channel;
  readonly routes: RouteTable;
  readonly origin: URL;
  /** Before the path of each route; empty, or begins with a slash and does not end with one. */
  readonly base: string;
  /** The credential of the API, as headers. */
  readonly credential: () => Readonly<Record<string, string>>;
  /** Request headers that are handed on besides those that always are. */
  readonly headers: readonly string[];
  /** Is it a workload of this trust domain, which may be told for whom it is called? */
  readonly takesTxnToken: boolean;
  /** Of an answer that is no event stream. */
  readonly maxReplyBytes: number;
}

export interface Upstreams {
  mcp(server: string): McpUpstream | undefined;
  http(api: string): HttpUpstream | undefined;
  outside(to: HostPort): Outside | undefined;
  a2a(agent: string): A2aUpstream | undefined;
  readonly guards: Guards;
  close(): Promise<void>;
}

export interface UpstreamsByName {
  readonly mcp: ReadonlyMap<string, McpUpstream>;
  readonly a2a: ReadonlyMap<string, A2aUpstream>;
  readonly http: ReadonlyMap<string, HttpUpstream>;
  readonly egress: EgressTable;
  readonly guards: Guards;
}

export const createUpstreams = ({ mcp, a2a, http, egress, guards }: UpstreamsByName): Upstreams => ({
  guards,
  mcp: (server) => mcp.get(server),
  http: (api) => http.get(api),
  outside: (to) => egress.find(to),
  a2a: (agent) => a2a.get(agent),
  async close(): Promise<void> {
    await Promise.all([...mcp.values()].map((upstream) => upstream.close()));
    await Promise.all([...a2a.values(), ...http.values()].map(({ channel }) => channel.destroy()));
    await egress.destroy();
  },
});
