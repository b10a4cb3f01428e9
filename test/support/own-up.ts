// A `cordon up` of a bed under conditions of the test's own: another clock, SVIDs of another lifetime, a limit on the size of files.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { API_KEY, type Bed } from './bed.ts';

const HERE = import.meta.dirname;

export interface UpConditions {
  /** 512-byte blocks that the process may write to any one file. */
  readonly fileLimit?: number;
  /** Milliseconds that its clock is behind. */
  readonly behindMs?: number;
  /** Lifetime of SVIDs, milliseconds; shorter than the configuration allows. */
  readonly svidTtlMs?: number;
}

export interface OwnUp {
  readonly child: ChildProcess;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts it on the bed's configuration and data, while the bed's own is stopped. Rejects with what it said when it does not start. */
export async function startUp(
  bed: Pick<Bed, 'dir' | 'data'>,
  { fileLimit, behindMs = 0, svidTtlMs = 900_000 }: UpConditions = {},
): Promise<OwnUp> {
  const command = [
    process.execPath,
    join(HERE, 'clock-up.ts'),
    join(bed.dir, 'cordon.yaml'),
    bed.data,
    String(behindMs),
    String(svidTtlMs),
  ] as const;
  const [file, ...args] =
    fileLimit === undefined ? command : (['sh', '-c', `ulimit -f ${fileLimit}; exec "$@"`, 'sh', ...command] as const);
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, BENCH_KEY: API_KEY } });
  const notices: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => notices.push(line));
  const ready = once(createInterface({ input: child.stdout }), 'line');
  const gone = once(child, 'close').then(() => {
    throw new Error(notices.join('\n'));
  });
  gone.catch(() => undefined);
  await Promise.race([ready, gone]);
  return {
    child,
    async stop(signal = 'SIGTERM'): Promise<void> {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, 'close');
      child.kill(signal);
      await closed;
    },
  };
}
