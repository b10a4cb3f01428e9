// What processes used, from /proc (Linux): the kernel's own count, of all threads, also of those that are gone.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** USER_HZ: /proc counts in hundredths of a second on every architecture that Node runs on. */
const TICK_US = 10_000;
const SETTLE_LIMIT_MS = 20_000;

/** Fields of /proc/<pid>/stat from the third on; the second, the name, may hold blanks and brackets. */
function statOf(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** User and system time of these processes, microseconds, in steps of 10,000. */
export const cpuUs = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const stat = statOf(pid);
    return sum + (Number(stat[11]) + Number(stat[12])) * TICK_US;
  }, 0);

export const rssMb = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024, 0);

export function childrenOf(parent: number): readonly number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => {
    try {
      return Number(statOf(pid)[1]) === parent;
    } catch {
      return false; // gone meanwhile
    }
  });
}

/** Waits until the processes did nothing for `quietMs`: what a call puts off (publishing, indexing) is part of its price. */
export async function settled(pids: readonly number[], quietMs: number): Promise<void> {
  const limit = performance.now() + SETTLE_LIMIT_MS;
  let used = cpuUs(pids);
  for (let since = performance.now(); performance.now() - since < quietMs;) {
    await sleep(100);
    const now = cpuUs(pids);
    if (now - used > TICK_US) since = performance.now();
    used = now;
    if (performance.now() > limit) throw new Error('the proxy does not come to rest after a round');
  }
}
