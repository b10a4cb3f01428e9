// An operation of this process, again and again for a while: latency of each, CPU and wall time of all, what they left to do included.
import { setImmediate as turn } from 'node:timers/promises';
import { percentile, type Sample } from './row.ts';

export interface Loop {
  /** For how long, milliseconds, and at most how often. */
  readonly ms: number;
  readonly max: number;
  readonly operate: (index: number) => void;
  /** What the operations put off, such as publishing: counted as their time, not as anybody's latency. */
  readonly finish?: () => Promise<void>;
}

/** Between two turns of the event loop, so that what runs off the path gets to run. */
const BATCH_MS = 5;

export async function measure({ ms, max, operate, finish }: Loop): Promise<Sample> {
  const latencies = new Float64Array(max);
  let count = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  while (count < max && performance.now() - started < ms) {
    const until = performance.now() + BATCH_MS;
    for (let now = performance.now(); count < max && now < until;) {
      operate(count);
      const after = performance.now();
      latencies[count++] = (after - now) * 1000;
      now = after;
    }
    await turn();
  }
  await finish?.();
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = latencies.subarray(0, count).sort();
  return {
    p50_us: percentile(sorted, 0.5),
    p99_us: percentile(sorted, 0.99),
    per_s: (count * 1000) / wall,
    cpu_us: (user + system) / count,
    rss_mb: process.memoryUsage.rss() / 1_048_576,
  };
}
