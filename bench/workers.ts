// `workers`: the same calls through one process and through two, in the same rounds. What two are worth is bounded by the cores that the
// machine has for them: the load and the upstream need one or two of their own.
import { availableParallelism } from 'node:os';
import { startCordon, taskToken } from './gateway/cordon.ts';
import { startRunner, type Runner } from './gateway/runner.ts';
import type { UpstreamState } from './gateway/upstream.ts';
import { startWorker } from './gateway/worker.ts';
import type { Bench } from './row.ts';
import { interleave } from './rounds.ts';

const CONNECTIONS = 32;
/** The processes under load, and one core each for the load and the upstream. */
const CORES = 4;

export const workers: Bench = async (options) => {
  if (process.platform !== 'linux') throw new Error('the bench `workers` shares a port between processes and needs Linux');
  const [warmUpMs, roundMs, rounds] = options.quick ? [300, 300, 2] : [3000, 2000, 5];
  const cores = availableParallelism();
  const tooFew = `${cores} cores: two workers beside the load and the upstream need ${CORES}, so the ratio says nothing about them here`;
  if (cores < CORES) options.onNotice(`! ${tooFew}`);
  await using stack = new AsyncDisposableStack();
  const upstream = stack.adopt(startWorker<object, UpstreamState>(new URL('gateway/upstream.ts', import.meta.url)), (it) => it.close());
  const { port } = await upstream.ask({});
  const start = async (count: number): Promise<Runner> => {
    const bed = stack.adopt(await startCordon(port, { workers: count }), (it) => it.stop().then(() => it.close()));
    const svid = await bed.svid('caller');
    const { cert, key, ca } = svid;
    const { workers: own = [] } = (await bed.control('GET', '/v1/status')).json as { workers?: readonly { pid: number }[] };
    const runner = await startRunner({
      name: `${count} worker${count === 1 ? '' : 's'}`,
      target: { port: bed.ports.gateway, tls: { cert, key, ca } },
      token: await taskToken(bed, svid),
      pids: [bed.process().pid ?? 0, ...own.map(({ pid }) => pid)],
      connections: CONNECTIONS,
      quietMs: 1200,
      warmUpMs,
    });
    return stack.adopt(runner, (it) => it.close());
  };
  const [one, two] = [await start(1), await start(2)];
  const report = await interleave({
    bench: 'workers',
    case: `${CONNECTIONS} connections`,
    rounds,
    subjects: [
      { name: one.name, run: () => one.round(CONNECTIONS, roundMs) },
      { name: two.name, over: one.name, run: () => two.round(CONNECTIONS, roundMs) },
    ],
    says: [{ subject: two.name, figure: 'per_s', text: (ratio) => `two workers answer ${ratio} the calls of one (aim: 1.7x and more)` }],
  });
  return cores < CORES ? { ...report, says: [...report.says, tooFew] } : report;
};
