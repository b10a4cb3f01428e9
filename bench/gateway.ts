// `gateway`: an MCP call over mTLS through Cordon with everything on, beside nginx that forwards and does nothing else, to one upstream.
import { join } from 'node:path';
import { freePorts, type Svid } from '../test/support/bed.ts';
import { missing, startHaproxy } from '../test/support/data-planes.ts';
import { keysOf, logSize, startCordon, taskToken } from './gateway/cordon.ts';
import type { GlueQuestion, GlueState } from './gateway/glue.ts';
import { findNginx, INSTALL, startNginx } from './gateway/nginx.ts';
import { startRunner, type Runner, type RunnerOptions } from './gateway/runner.ts';
import type { UpstreamState } from './gateway/upstream.ts';
import { startWorker } from './gateway/worker.ts';
import type { Bench, BenchOptions, Report } from './row.ts';
import { interleave, type Plan } from './rounds.ts';

const CONNECTIONS = 32;
/** HAProxy that forwards what Cordon decides, over SPOE and with the body. */
const SPOE = 'haproxy+spoe';

interface Pace {
  /** Cordon's code is compiled while it runs; nginx and the rest are warm after a round. */
  readonly warmUpMs: number;
  readonly roundMs: number;
  /** Without a proxy between, fewer milliseconds make as many calls. */
  readonly directMs: number;
  /** Cordon signs a checkpoint within a second of the last entry; nginx puts nothing off. */
  readonly quietMs: { readonly cordon: number; readonly nginx: number };
  readonly rounds: { readonly many: number; readonly one: number };
}

const FULL: Pace = { warmUpMs: 9000, roundMs: 1200, directMs: 300, quietMs: { cordon: 1200, nginx: 200 }, rounds: { many: 5, one: 3 } };
const QUICK: Pace = { warmUpMs: 300, roundMs: 300, directMs: 100, quietMs: { cordon: 300, nginx: 100 }, rounds: { many: 2, one: 1 } };

export const gateway: Bench = async (options) => {
  if (process.platform !== 'linux') throw new Error('the bench `gateway` counts CPU in /proc and needs Linux');
  const binary = peerOf(options);
  const pace = options.quick ? QUICK : FULL;
  await using stack = new AsyncDisposableStack();
  const upstream = stack.adopt(startWorker<object, UpstreamState>(new URL('gateway/upstream.ts', import.meta.url)), (it) => it.close());
  const { port } = await upstream.ask({});
  const haproxy = findHaproxy(options);
  const [edge = 0] = await freePorts(1);
  const bed = stack.adopt(await startCordon(port, haproxy ? { haproxy: edge } : {}), (it) => it.stop().then(() => it.close()));
  const caller = await bed.svid('caller');
  const tls = onlyTls(caller);
  const token = await taskToken(bed, caller);
  const recordedBefore = await logSize(bed);
  const start = async (subject: Pick<RunnerOptions, 'name' | 'target' | 'pids' | 'quietMs'>): Promise<Runner> => {
    const runner = await startRunner({
      ...subject,
      token,
      connections: CONNECTIONS,
      warmUpMs: subject.name === 'cordon' ? pace.warmUpMs : pace.roundMs,
    });
    options.onNotice(`  ${runner.name.padEnd(12)} ${CONNECTIONS} connections, ${runner.protection}`);
    return stack.adopt(runner, (it) => it.close());
  };

  const target = { port: bed.ports.gateway, tls };
  const own = bed.process().pid ?? 0;
  const cordon = await start({ name: 'cordon', target, pids: [own], quietMs: pace.quietMs.cordon });
  const runners = [cordon];
  let glued: (() => Promise<void>) | undefined;
  if (binary !== undefined) {
    const svid = await bed.svid('callee');
    const nginx = stack.adopt(await startNginx(binary, svid, port), (it) => it.close());
    runners.push(await start({ name: 'nginx', target: { port: nginx.port, tls }, pids: nginx.pids, quietMs: pace.quietMs.nginx }));
    const glue = stack.adopt(startWorker<GlueQuestion, GlueState>(new URL('gateway/glue.ts', import.meta.url)), (it) => it.close());
    const [socket, audit] = [join(bed.dir, 'glue.sock'), join(bed.dir, 'glue.ndjson')];
    await glue.ask({ socket, audit, jwks: await keysOf(bed, caller), audience: `https://127.0.0.1:${bed.ports.gateway}` });
    const asking = stack.adopt(await startNginx(binary, svid, port, socket), (it) => it.close());
    const pids = [...asking.pids, glue.pid];
    const runner = await start({ name: 'auth_request', target: { port: asking.port, tls }, pids, quietMs: pace.quietMs.nginx });
    runners.push(runner);
    glued = async () => {
      const { decided } = await glue.ask({});
      if (decided !== runner.calls) throw new Error(`${runner.calls} calls went through auth_request, ${decided} were decided`);
    };
  }
  if (haproxy) {
    const parts = { bed, svid: await bed.svid('bench', 'resource'), port: edge, upstream: port };
    const plane = stack.adopt(await startHaproxy(parts), (it) => it.close());
    runners.push(await start({ name: SPOE, target: { port: edge, tls }, pids: [own, plane.pid], quietMs: pace.quietMs.cordon }));
  }
  runners.push(await start({ name: 'direct', target: { port }, pids: [], quietMs: 0 }));

  const many = await interleave(planOf(runners, CONNECTIONS, pace.rounds.many, pace));
  const one = await interleave(planOf(runners, 1, pace.rounds.one, pace));
  const perS = Math.round((many.rows.find(({ subject }) => subject === cordon.name)?.per_s ?? 0) / 2);
  const half = await interleave(halfOf(runners, perS, pace));
  await glued?.();
  const asked = runners.filter(({ name }) => name === cordon.name || name === SPOE).reduce((sum, { calls }) => sum + calls, 0);
  verify(runners, await upstream.ask({}), (await logSize(bed)) - recordedBefore, asked);
  const reports = [many, one, half];
  return { rows: reports.flatMap(({ rows }) => rows), says: reports.flatMap(({ says }) => says) } satisfies Report;
};

const onlyTls = ({ cert, key, ca }: Svid): Svid => ({ cert, key, ca });

/** Cordon behind another data plane is measured where that one is installed. @throws Error in CI, where it must be */
function findHaproxy({ onNotice }: BenchOptions): boolean {
  const why = missing('haproxy');
  if (why !== false) onNotice(`!\n! ${why}\n!`);
  return why === false;
}

/** @throws Error in CI, where a bench without its peer would pass for one with it */
function peerOf({ onNotice }: BenchOptions): string | undefined {
  const binary = findNginx();
  if (binary !== undefined) return binary;
  const why = `nginx is missing, so there is nothing to compare with: install it with \`${INSTALL}\``;
  if (process.env['CI'] === 'true') throw new Error(why);
  onNotice(`!\n! ${why}\n!`);
  return undefined;
}

function planOf(runners: readonly Runner[], connections: number, rounds: number, pace: Pace): Plan {
  const name = connections === 1 ? '1 connection' : `${connections} connections`;
  const compared = runners.some((runner) => runner.name === 'nginx');
  const subject = 'cordon';
  const cpu = (ratio: string): string => `${name}: cordon uses ${ratio} the CPU of nginx per call (nginx decides nothing, records nothing)`;
  const time = (ratio: string): string => `${name}: a call through cordon takes ${ratio} the time of one through nginx (p50)`;
  const glue = (ratio: string): string =>
    `${name}: cordon uses ${ratio} the CPU of nginx with auth_request and a service that decides (target: 1)`;
  const spoe = (ratio: string): string => `${name}: HAProxy that asks cordon over SPOE uses, both together, ${ratio} of it`;
  return {
    bench: 'gateway',
    case: name,
    rounds,
    subjects: runners.map((runner) => ({
      name: runner.name,
      ...(compared && [subject, 'auth_request', SPOE].includes(runner.name) ? { over: 'nginx' } : {}),
      run: () => runner.round(connections, runner.name === 'direct' ? pace.directMs : pace.roundMs),
    })),
    says: [
      { subject, figure: 'cpu_us', text: cpu },
      { subject, figure: 'p50_us', text: time },
      { subject, over: 'auth_request', figure: 'cpu_us', text: glue },
      { subject: SPOE, over: 'auth_request', figure: 'cpu_us', text: spoe },
    ],
  };
}

/** The same number of calls a second for each: half of what Cordon answers at most. */
function halfOf(runners: readonly Runner[], perS: number, pace: Pace): Plan {
  const late = (ratio: string): string =>
    `at ${perS} calls a second, half of what cordon answers: its p99 is ${ratio} that of auth_request (target: 1.5)`;
  return {
    bench: 'gateway',
    case: `${perS}/s`,
    rounds: pace.rounds.one,
    subjects: runners.map((runner) => ({
      name: runner.name,
      ...(runner.name === 'cordon' ? { over: 'auth_request' } : {}),
      run: () => runner.round(CONNECTIONS, pace.roundMs, perS),
    })),
    says: [{ subject: 'cordon', over: 'auth_request', figure: 'p99_us', text: late }],
  };
}

/** The figures are only printed when the calls really went the way that the bench says. */
function verify(runners: readonly Runner[], upstream: UpstreamState, recorded: number, decided: number): void {
  const calls = runners.reduce((sum, runner) => sum + runner.calls, 0);
  if (upstream.calls !== calls) throw new Error(`${calls} calls were answered, the upstream saw ${upstream.calls}`);
  if (recorded < decided) throw new Error(`cordon recorded ${recorded} entries for ${decided} calls, expected a decision for each`);
  const few = 10 * CONNECTIONS;
  if (upstream.connections > few) throw new Error(`${upstream.connections} connections to the upstream: a proxy does not keep them open`);
}
