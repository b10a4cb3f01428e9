// A decoded call: what is asked (for the decision), how to carry it out (the plan) and how to answer in its protocol (the wire).
import type { AccessRequest } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import type { HttpMethod, HttpRoute } from '../domain/http-route.ts';
import type { JsonObject } from '../domain/json.ts';
import type { A2aBinding } from '../domain/registry.ts';
import type { HostPort } from './egress-host.ts';
import type { TaskToken } from '../sts/task-token.ts';
import type { PushReference } from './a2a-push-address.ts';
import type { MessagePush, PushAsked, PushMethodName, PushSecrets, WebhookTarget } from './a2a-push-params.ts';
import type { TaskMethodName } from './a2a-task-methods.ts';
import type { Answers } from './mcp-answers.ts';
import type { CallerSession } from './mcp-sessions.ts';
import type { McpEra, RpcId } from './mcp-words.ts';
import type { Before } from './shared-sessions.ts';

/** What a request of 2026-07-28 says of its caller; never a policy input. */
export interface CallerEnvelope {
  /** What the caller can be asked. */
  readonly capabilities: JsonObject;
  readonly logLevel?: string;
}

interface McpRequest {
  readonly server: string;
  readonly id: RpcId;
  readonly era: McpEra;
  /** Of 2025-11-25, in a session. */
  readonly session?: CallerSession;
  /** Of 2026-07-28. */
  readonly envelope?: CallerEnvelope;
}
export type McpRequestPlan = McpRequest;

interface McpSession extends McpRequest {
  readonly method: 'initialize' | 'server/discover' | 'ping';
  /** Answered to `initialize`: a version of the caller's era. */
  readonly version: string;
  /** Of `initialize`: what the caller can be asked. */
  readonly capabilities?: JsonObject;
}

interface McpNotification {
  readonly server: string;
  readonly method: string;
  /** The caller's request that it gives up. */
  readonly cancels?: RpcId;
  readonly session?: CallerSession;
}

/** A list of what a server offers besides tools. */
interface McpBrowse extends McpRequest {
  readonly method: 'prompts/list' | 'resources/list' | 'resources/templates/list';
}

/** A request that goes to the server as it was decided. */
interface McpAsk extends McpRequest {
  readonly method: AskedMethod;
  /** Made of the members that were read, and of no others. INVARIANT I2 */
  readonly params: JsonObject;
  readonly progressToken?: RpcId;
  /** Of a request that is made again with what the server needs. */
  readonly answers?: Answers;
}

/** Requests that go to the server as they were decided, besides `tools/call`. */
export type AskedMethod =
  | 'prompts/get'
  | 'resources/read'
  | 'completion/complete'
  | 'logging/setLevel'
  | 'resources/subscribe'
  | 'resources/unsubscribe';

/** The server's stream of a session. */
interface McpStream {
  readonly server: string;
  readonly session: CallerSession;
}

/** An answer to a request of the server. */
interface McpAnswer extends McpStream {
  /** The id under which the caller was asked. */
  readonly askedAs: string;
  /** `result` or `error`. */
  readonly answer: JsonObject;
}

/** A stream of notices (2026-07-28). */
interface McpListen extends McpRequest {
  readonly notifications: JsonObject;
}

interface McpCall extends McpRequest {
  readonly tool: string;
  readonly args: JsonObject;
  readonly progressToken?: RpcId;
  readonly answers?: Answers;
  /** It was told just now where a person answers. */
  readonly toldOfPage?: boolean;
}

interface A2aRequest {
  readonly agent: string;
  readonly binding: A2aBinding;
  readonly id: RpcId;
  /** Made of the members that were read, and of no others; in the ids of the caller. INVARIANT I2 */
  readonly params: JsonObject;
  /** The same in the ids of the callee: what goes on. Without it nothing does. */
  readonly onward?: JsonObject;
}

interface A2aSend extends A2aRequest {
  /** The webhook that stands in it. */
  readonly push?: MessagePush;
  readonly method: 'SendMessage' | 'SendStreamingMessage';
}

/** About tasks that an agent works on. */
interface A2aTask extends A2aRequest {
  readonly method: TaskMethodName;
}

/** About webhooks of a task. */
interface A2aPushConfig extends A2aRequest {
  readonly params: PushAsked;
  readonly method: PushMethodName;
  readonly webhook?: WebhookTarget;
  readonly secrets: PushSecrets;
}

/** What an agent delivers to the webhook of its caller. */
interface A2aPush {
  /** The registered host. */
  readonly server: string;
  readonly reference: PushReference;
  readonly webhook: WebhookTarget;
  readonly contentType: string;
  /** In the ids of the caller. */
  readonly body: string;
}

/** A request to a route of an HTTP API, made of what was read and of nothing else. INVARIANT I2 */
interface HttpCall {
  readonly server: string;
  readonly route: HttpRoute;
  /** Path and query, below the base of the API. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** What a caller asks for in the opening handshake of a WebSocket (RFC 6455 §4.1). */
export interface WebSocketOffer {
  readonly key: string;
  readonly protocols: readonly string[];
}

interface HttpUpgrade {
  readonly server: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly offer: WebSocketOffer;
}

/** A tunnel to a registered host. */
interface EgressConnect {
  readonly server: string;
  readonly to: HostPort;
}

/** A request to a registered host, made of what was read and of nothing else. INVARIANT I2 */
interface EgressRequest extends EgressConnect {
  readonly scheme: 'http' | 'https';
  readonly method: HttpMethod;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** What each kind of plan carries; the forwarder of a kind takes exactly this. */
interface Plans {
  readonly 'mcp/session': McpSession;
  readonly 'mcp/notification': McpNotification;
  readonly 'mcp/list': McpRequest;
  readonly 'mcp/browse': McpBrowse;
  readonly 'mcp/ask': McpAsk;
  readonly 'mcp/call': McpCall;
  readonly 'mcp/stream': McpStream;
  readonly 'mcp/answer': McpAnswer;
  readonly 'mcp/end': McpStream;
  readonly 'mcp/listen': McpListen;
  readonly 'a2a/send': A2aSend;
  readonly 'a2a/task': A2aTask;
  readonly 'a2a/push-config': A2aPushConfig;
  readonly 'a2a/push': A2aPush;
  readonly 'a2a/card': { readonly agent: string };
  readonly 'a2a/extended-card': A2aRequest & { readonly method: 'GetExtendedAgentCard' };
  readonly 'http/call': HttpCall;
  readonly 'http/upgrade': HttpUpgrade;
  readonly 'egress/connect': EgressConnect;
  readonly 'egress/request': EgressRequest;
}

export type PlanKind = keyof Plans;
export type PlanOf<K extends PlanKind> = { readonly kind: K } & Plans[K];
export type Plan = { readonly [K in PlanKind]: PlanOf<K> }[PlanKind];

export interface Call {
  readonly request: AccessRequest;
  readonly plan: Plan;
  /** Of a call that came with one; verified. */
  readonly task?: TaskToken;
  /** What its session came to before it, where one counts for several gateways. */
  readonly before?: Before;
  /** Labels that it brought to its run and task, where all gateways had to know them first: none of its own decision's business. */
  readonly brought?: readonly string[];
}

/** How a task token is shown: RFC 6750, RFC 9449 §7.1. */
export type TokenScheme = 'Bearer' | 'DPoP';

/** What became of a call that was forwarded. */
export interface Forwarded {
  readonly upstreamStatus: number;
}

/** An answer that is sent whole. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A no, as the edge is told of it. */
/** Where a person answers a call that needs approval. */
export interface ApprovalPage {
  readonly url: string;
}

export interface No {
  readonly code: Code;
  /** Absent when nothing of the call's existence may be disclosed. */
  readonly decisionId: string | undefined;
  /** Text of the policy's author (`@reason`) or of Cordon; never of the caller or an upstream. */
  readonly reason: string | undefined;
  /** `WWW-Authenticate` of a 401, where a task token would help. */
  readonly challenge?: string | undefined;
  /** Arguments of the call that nothing trusted explains, by name: what the caller may leave out and go on. */
  readonly unexplained?: readonly string[] | undefined;
  /** Seconds until it is worth another try; of a callee that is in trouble. */
  readonly retryAfter?: number | undefined;
  /** Arguments with which a person approved the call in place of its own. */
  readonly narrowed?: JsonObject | undefined;
  /** Of a call that needs approval, for a caller that opens pages for its user. */
  readonly page?: ApprovalPage | undefined;
}

/** How one protocol says no. Set as soon as the route is known, replaced when more of the message is. */
export type Wire = (no: No) => Reply;

/** Codes that must look like the absence of the thing, so that nothing is learned across a segment boundary. INVARIANT I9 */
export const HIDDEN: ReadonlySet<Code> = new Set(['CORDON-3007', 'CORDON-3003']);
