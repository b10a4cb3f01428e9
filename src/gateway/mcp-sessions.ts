// Sessions of callers (MCP 2025-11-25, session management): each is one caller's, with one server, over one session that the server has with
// it, so that what the server asks in the middle of a call reaches who made the call. A session id is no credential: it is good for the run
// and user that began it, on the route it was begun on, and every request in it is decided anew (GHSA-mvgg-jvj2-4frq). INVARIANTS I5, I10
import { randomId } from '../crypto/random.ts';
import { Refusal } from '../domain/refusal.ts';
import type { RpcId, McpSession } from './mcp-words.ts';

/** A request of the server that its caller has not answered. */
export interface AskedOfCaller {
  /** As the server named it. */
  readonly id: RpcId;
  readonly method: string;
}

export interface CallerSession {
  readonly id: string;
  readonly server: string;
  readonly run: string;
  /** For whom it was begun. */
  readonly user: string | undefined;
  /** The server's own. */
  readonly upstream: McpSession;
  /** By the id under which it went to the caller. */
  readonly asked: Map<string, AskedOfCaller>;
  usedAt: number;
}

export interface McpSessions {
  /** `now`: Unix milliseconds. @throws Refusal CORDON-4003 when there are more than can be kept */
  open(of: Pick<CallerSession, 'server' | 'run' | 'user' | 'upstream'>, now: number): CallerSession;
  /** The session, if it is this run's with this server. */
  find(id: string, server: string, run: string, now: number): CallerSession | undefined;
  close(session: CallerSession): void;
}

const MOST = 4_096;
const MOST_OF_RUN = 64;
/** Without a request. Milliseconds. */
const IDLE = 3_600_000;

export function createMcpSessions(): McpSessions {
  const sessions = new Map<string, CallerSession>();
  const dropIdle = (now: number): void => {
    for (const [id, { usedAt }] of sessions) if (now - usedAt > IDLE) sessions.delete(id);
  };
  return {
    open(of, now): CallerSession {
      dropIdle(now);
      const own = [...sessions.values()].filter(({ run }) => run === of.run);
      if (own.length >= MOST_OF_RUN || sessions.size >= MOST) throw new Refusal('CORDON-4003', 'more sessions than are kept at once');
      const session: CallerSession = { ...of, id: randomId(26), asked: new Map(), usedAt: now };
      sessions.set(session.id, session);
      return session;
    },
    find(id, server, run, now): CallerSession | undefined {
      const session = sessions.get(id);
      if (session?.server !== server || session.run !== run || now - session.usedAt > IDLE) return undefined;
      session.usedAt = now;
      return session;
    },
    close: ({ id }) => void sessions.delete(id),
  };
}
