// A decoded call: what is asked (for the decision), how to carry it out (the plan) and how to answer in its protocol (the wire).
import type { AccessRequest } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import type { JsonObject } from '../domain/json.ts';

/** 2026-07-28 is stateless with `_meta` and mirrored headers; 2025-11-25 and older have the `initialize` handshake. */
export type McpEra = 'modern' | 'legacy';
export type RpcId = string | number;

export type Plan =
  | { readonly kind: 'mcp/session'; readonly server: string; readonly id: RpcId; readonly era: McpEra; readonly method: 'initialize' | 'server/discover' | 'ping'; readonly version: string }
  | { readonly kind: 'mcp/notification'; readonly server: string; readonly method: string; readonly cancels?: RpcId }
  | { readonly kind: 'mcp/list'; readonly server: string; readonly id: RpcId; readonly era: McpEra }
  | { readonly kind: 'mcp/call'; readonly server: string; readonly id: RpcId; readonly era: McpEra; readonly tool: string; readonly args: JsonObject; readonly progressToken?: RpcId }
  | { readonly kind: 'a2a/send'; readonly agent: string; readonly id: RpcId; readonly method: 'SendMessage' | 'SendStreamingMessage'; readonly params: JsonObject }
  | { readonly kind: 'a2a/card'; readonly agent: string };

export interface Call {
  readonly request: AccessRequest;
  readonly plan: Plan;
}

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
export interface No {
  readonly code: Code;
  /** Absent when nothing of the call's existence may be disclosed. */
  readonly decisionId: string | undefined;
  /** Text of the policy's author (`@reason`) or of Cordon; never of the caller or an upstream. */
  readonly reason: string | undefined;
}

/** How one protocol says no. Set as soon as the route is known, replaced when more of the message is. */
export type Wire = (no: No) => Reply;

/** Codes that must look like the absence of the thing, so that nothing is learned across a segment boundary. INVARIANT I9 */
export const HIDDEN: ReadonlySet<Code> = new Set(['CORDON-3007', 'CORDON-3003']);
