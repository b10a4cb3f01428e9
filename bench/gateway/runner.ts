// One subject of the gateway bench: a load generator of its own, and the processes whose CPU its calls are charged to.
import type { Sample } from '../row.ts';
import type { Target } from './connection.ts';
import type { LoadAnswer, LoadQuestion } from './load.ts';
import { cpuUs, rssMb, settled } from './proc.ts';
import { startWorker } from './worker.ts';

export interface RunnerOptions {
  readonly name: string;
  readonly target: Target;
  /** The task token of every call. */
  readonly token: string;
  readonly connections: number;
  /** Who is counted; empty when there is no proxy. */
  readonly pids: readonly number[];
  /** How long the proxy must be idle until everything that a round put off counts as done. */
  readonly quietMs: number;
  readonly warmUpMs: number;
}

export interface Runner {
  readonly name: string;
  /** What the connections are protected with. */
  readonly protection: string;
  /** Calls so far, warming up included. */
  readonly calls: number;
  /** `perS`: calls a second; absent: as fast as answers come. */
  round(connections: number, ms: number, perS?: number): Promise<Sample>;
  close(): Promise<void>;
}

const MAX_CALLS = 200_000;

/** Opens the connections, which stay open, and warms both sides up: a round finds a server that has been running for a while. */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { name, target, token, connections, pids, quietMs, warmUpMs } = options;
  const load = startWorker<LoadQuestion, LoadAnswer>(new URL('load.ts', import.meta.url));
  try {
    const opened = await load.ask({ open: target, connections, token });
    const warm = await load.ask({ connections, ms: warmUpMs, max: MAX_CALLS });
    await settled(pids, quietMs);
    let calls = opened.calls + warm.calls;
    return {
      name,
      protection: opened.protection,
      get calls() {
        return calls;
      },
      async round(count, ms, perS) {
        const before = cpuUs(pids);
        const done = await load.ask({ connections: count, ms, max: MAX_CALLS, perS });
        const rss_mb = pids.length === 0 ? null : rssMb(pids);
        await settled(pids, quietMs);
        calls += done.calls;
        const cpu_us = pids.length === 0 ? null : (cpuUs(pids) - before) / done.calls;
        return { p50_us: done.p50_us, p99_us: done.p99_us, per_s: done.per_s, cpu_us, rss_mb };
      },
      close: () => load.close(),
    };
  } catch (error) {
    await load.close();
    throw error;
  }
}
