// `gateway`: an MCP call over mTLS through Cordon with everything on, beside nginx that forwards and does nothing else, to one upstream.
import type { Svid } from '../test/support/bed.ts';
import { logSize, startCordon } from './gateway/cordon.ts';
import type { Target } from './gateway/connection.ts';
import type { LoadAnswer, LoadQuestion } from './gateway/load.ts';
import { findNginx, INSTALL, startNginx } from './gateway/nginx.ts';
import { cpuUs, rssMb, settled } from './gateway/proc.ts';
import type { UpstreamState } from './gateway/upstream.ts';
import { startWorker, type Worker } from './gateway/worker.ts';
import type { Bench, BenchOptions, Report } from './row.ts';
import { interleave, type Subject } from './rounds.ts';

const CONNECTIONS = 32;
const MAX_CALLS = 200_000;
/** Cordon signs a checkpoint within a second of the last entry; nginx puts nothing off. */
const QUIET_MS = { cordon: 1200, nginx: 200 };

const CASES = [
  { name: `${CONNECTIONS} connections`, connections: CONNECTIONS },
  { name: '1 connection', connections: 1 },
] as const;
type Case = (typeof CASES)[number];

/** A process under load: who is loaded, who is counted. */
interface Runner {
  readonly name: string;
  readonly over?: string;
  readonly load: Worker<LoadQuestion, LoadAnswer>;
  readonly pids: readonly number[];
  readonly quietMs: number;
  /** Milliseconds of load in a round. */
  readonly ms: number;
  calls: number;
}

export const gateway: Bench = async (options) => {
  if (process.platform !== 'linux') throw new Error('the bench `gateway` counts CPU in /proc and needs Linux');
  const binary = peerOf(options);
  await using stack = new AsyncDisposableStack();
  const upstream = stack.adopt(startWorker<object, UpstreamState>(new URL('gateway/upstream.ts', import.meta.url)), (it) => it.close());
  const { port } = await upstream.ask({});
  const bed = stack.adopt(await startCordon(port), (it) => it.stop().then(() => it.close()));
  const svid = await bed.svid('caller');
  const add = (runner: Omit<Runner, 'calls' | 'load'>, target: Target): Promise<Runner> =>
    startRunner(stack, runner, target, options.onNotice);
  const ms = options.quick ? 400 : 2000;
  const cordon = { name: 'cordon', pids: [bed.process().pid ?? 0], quietMs: QUIET_MS.cordon, ms };
  const runners = [
    await add(binary === undefined ? cordon : { ...cordon, over: 'nginx' }, { port: bed.ports.gateway, tls: onlyTls(svid) }),
  ];
  if (binary !== undefined) {
    const nginx = stack.adopt(await startNginx(binary, await bed.svid('callee'), port), (it) => it.close());
    runners.push(await add({ name: 'nginx', pids: nginx.pids, quietMs: QUIET_MS.nginx, ms }, { port: nginx.port, tls: onlyTls(svid) }));
  }
  runners.push(await add({ name: 'direct', pids: [], quietMs: 0, ms: ms / 4 }, { port }));

  const recordedBefore = await logSize(bed);
  const callsBefore = runners[0]?.calls ?? 0;
  const reports: Report[] = [];
  for (const each of CASES) reports.push(await runCase(each, runners, options));
  verify(runners, await upstream.ask({}), (await logSize(bed)) - recordedBefore, (runners[0]?.calls ?? 0) - callsBefore);
  return { rows: reports.flatMap(({ rows }) => rows), says: reports.flatMap(({ says }) => says) };
};

const onlyTls = ({ cert, key, ca }: Svid): Svid => ({ cert, key, ca });

/** @throws Error in CI, where a bench without its peer would pass for one with it */
function peerOf({ onNotice }: BenchOptions): string | undefined {
  const binary = findNginx();
  if (binary !== undefined) return binary;
  const missing = `nginx is missing: no ratio can be formed. Install it: ${INSTALL}`;
  if (process.env['CI'] === 'true') throw new Error(missing);
  onNotice(`!\n! ${missing}\n!`);
  return undefined;
}

/** Opens the connections and warms both sides up, so that rounds find them as a server is found that runs for a while. */
async function startRunner(
  stack: AsyncDisposableStack,
  runner: Omit<Runner, 'calls' | 'load'>,
  target: Target,
  onNotice: (line: string) => void,
): Promise<Runner> {
  const load = stack.adopt(startWorker<LoadQuestion, LoadAnswer>(new URL('gateway/load.ts', import.meta.url)), (it) => it.close());
  const opened = await load.ask({ open: target, connections: CONNECTIONS });
  onNotice(`  ${runner.name.padEnd(8)} ${CONNECTIONS} connections, ${opened.protection}`);
  const warm = await load.ask({ connections: CONNECTIONS, ms: runner.ms, max: MAX_CALLS });
  await settled(runner.pids, runner.quietMs);
  return { ...runner, load, calls: opened.calls + warm.calls };
}

const runCase = ({ name, connections }: Case, runners: readonly Runner[], { quick }: BenchOptions): Promise<Report> =>
  interleave({
    bench: 'gateway',
    case: name,
    rounds: quick ? 1 : 5,
    subjects: runners.map((runner) => subjectOf(runner, connections)),
    says: [
      {
        subject: 'cordon',
        figure: 'cpu_us',
        text: (ratio) => `${name}: cordon uses ${ratio} the CPU of nginx per call (nginx decides nothing, records nothing)`,
      },
      {
        subject: 'cordon',
        figure: 'p50_us',
        text: (ratio) => `${name}: a call through cordon takes ${ratio} the time of one through nginx (p50)`,
      },
    ],
  });

function subjectOf(runner: Runner, connections: number): Subject {
  const { name, over, load, pids, quietMs, ms } = runner;
  return {
    name,
    ...(over === undefined ? {} : { over }),
    async run() {
      const before = cpuUs(pids);
      const { calls, p50_us, p99_us, per_s } = await load.ask({ connections, ms, max: MAX_CALLS });
      runner.calls += calls;
      const rss_mb = pids.length === 0 ? null : rssMb(pids);
      await settled(pids, quietMs);
      return { p50_us, p99_us, per_s, cpu_us: pids.length === 0 ? null : (cpuUs(pids) - before) / calls, rss_mb };
    },
  };
}

/** The figures are only printed when the calls really went the way that the bench says. */
function verify(runners: readonly Runner[], upstream: UpstreamState, recorded: number, decided: number): void {
  const calls = runners.reduce((sum, runner) => sum + runner.calls, 0);
  if (upstream.calls !== calls) throw new Error(`${calls} calls were answered, the upstream saw ${upstream.calls}`);
  if (recorded < 2 * decided)
    throw new Error(`cordon recorded ${recorded} entries for ${decided} calls, expected a decision and an outcome for each`);
  const few = 10 * CONNECTIONS;
  if (upstream.connections > few) throw new Error(`${upstream.connections} connections to the upstream: a proxy does not keep them open`);
}
