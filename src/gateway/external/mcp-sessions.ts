// MCP sessions of 2025-11-25 behind another data plane: there they end at the server, which may know a session by its id alone. So an id belongs
// to the run that first shows it, on the server that it shows it to, and to no other (GHSA-mvgg-jvj2-4frq). No run can push out what
// another holds. INVARIANTS I5, I10
import { Refusal } from '../../domain/refusal.ts';

export interface McpSessions {
  /** `isLive`: of a run; when there is no room for another, those of the dead are forgotten. @throws Refusal CORDON-3011 when it is not that of the run */
  check(server: string, session: string, run: string, isLive: (run: string) => boolean): void;
}

/** Sessions of one run, the oldest goes; and runs, the dead go. */
const MOST_OF_ONE = 64;
const MOST_RUNS = 4_096;
/** MCP 2025-11-25, transports: visible ASCII. */
const SESSION = /^[\x21-\x7e]{1,256}$/;

export function createMcpSessions(): McpSessions {
  const owners = new Map<string, string>();
  const byRun = new Map<string, Set<string>>();

  const forget = (run: string): void => {
    for (const name of byRun.get(run) ?? []) owners.delete(name);
    byRun.delete(run);
  };

  const bind = (name: string, run: string): void => {
    const held = byRun.get(run) ?? new Set();
    byRun.set(run, held.add(name));
    owners.set(name, run);
    const [oldest] = held;
    if (held.size <= MOST_OF_ONE || oldest === undefined) return;
    held.delete(oldest);
    owners.delete(oldest);
  };

  return {
    check(server, session, run, isLive): void {
      if (!SESSION.test(session)) throw new Refusal('CORDON-3011', 'the MCP session has no id of one');
      const name = `${server} ${session}`;
      const owner = owners.get(name);
      if (owner === run) return;
      if (owner !== undefined) throw new Refusal('CORDON-3011', 'the MCP session is that of another run');
      if (byRun.size >= MOST_RUNS) for (const each of byRun.keys()) if (!isLive(each)) forget(each);
      if (byRun.size >= MOST_RUNS && !byRun.has(run)) throw new Refusal('CORDON-4003', 'more runs with MCP sessions than are kept apart');
      bind(name, run);
    },
  };
}
