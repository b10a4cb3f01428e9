// A data plane that is not ours (nginx, Caddy, HAProxy, Envoy): what it may ask about, and what it is handed for a call that is allowed.
import { SHOWS_BODY, type PlaneProtocol } from '../../domain/data-plane.ts';
import type { Enforcer } from '../record.ts';
import type { Callers } from './callers.ts';
import type { McpSessions } from './mcp-sessions.ts';

/** One callee that the data plane forwards to. */
export interface PlaneRoute {
  /** MCP by its headers alone, where the body is not shown. */
  readonly headersOnly: boolean;
  /** Is the callee told for whom it is called, in `Txn-Token`? */
  readonly txnToken: boolean;
  /** The credential of the callee, as headers; empty: the data plane is handed none. INVARIANT I8 */
  readonly credential: Readonly<Record<string, string>>;
}

export interface Plane {
  /** In cordon.yaml and on record. */
  readonly name: string;
  readonly protocol: PlaneProtocol;
  /** `https://host:port` that agents call. */
  readonly origin: string;
  /** By `mcp/ledger`, `a2a/clerk`. What is not in it does not exist for this data plane. */
  readonly routes: ReadonlyMap<string, PlaneRoute>;
  readonly callers: Callers;
  readonly sessions: McpSessions;
  /** Which callers it was told to forward, for what containment can say of it. */
  readonly allowed: Set<string>;
}

/** How the record names it. */
export const enforcerOf = ({ name, protocol }: Pick<Plane, 'name' | 'protocol'>): Enforcer => ({
  enforced_by: name,
  body: SHOWS_BODY[protocol] ? 'seen' : 'unseen',
});
