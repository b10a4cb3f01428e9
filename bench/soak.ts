// `soak`: the calls of `gateway` without a pause, and the resident memory of Cordon while it lasts: it must not grow. A minute, unless
// `--minutes` says otherwise.
import { startCordon, taskToken } from './gateway/cordon.ts';
import { startRunner } from './gateway/runner.ts';
import type { UpstreamState } from './gateway/upstream.ts';
import { startWorker } from './gateway/worker.ts';
import { median, rounded, type Bench, type Sample } from './row.ts';

const CONNECTIONS = 32;
const WANTED_MB = 200;
const MINUTE_MS = 60_000;
/** Of how many parts the time is made: each prints its memory. */
const PARTS = 20;

export const soak: Bench = async ({ quick, minutes = 1, onNotice }) => {
  if (process.platform !== 'linux') throw new Error('the bench `soak` counts memory in /proc and needs Linux');
  const [parts, partMs] = quick ? [4, 300] : [PARTS, (minutes * MINUTE_MS) / PARTS];
  await using stack = new AsyncDisposableStack();
  const upstream = stack.adopt(startWorker<object, UpstreamState>(new URL('gateway/upstream.ts', import.meta.url)), (it) => it.close());
  const { port } = await upstream.ask({});
  const bed = stack.adopt(await startCordon(port), (it) => it.stop().then(() => it.close()));
  const svid = await bed.svid('caller');
  const { cert, key, ca } = svid;
  const runner = await startRunner({
    name: 'cordon',
    target: { port: bed.ports.gateway, tls: { cert, key, ca } },
    token: await taskToken(bed, svid),
    pids: [bed.process().pid ?? 0],
    connections: CONNECTIONS,
    quietMs: 300,
    warmUpMs: quick ? 300 : 5000,
  });
  stack.adopt(runner, (it) => it.close());
  const samples: Sample[] = [];
  for (let part = 0; part < parts; part++) {
    const sample = await runner.round(CONNECTIONS, partMs);
    samples.push(sample);
    onNotice(`  ${rounded(((part + 1) * partMs) / 1000)} s  ${rounded(sample.rss_mb ?? 0)} MB`);
  }
  const rss = samples.flatMap(({ rss_mb }) => rss_mb ?? []);
  const half = rss.length >> 1;
  const [first, second] = [median(rss.slice(0, half)), median(rss.slice(half))];
  const of = (figure: keyof Sample): number => rounded(median(samples.flatMap((sample) => sample[figure] ?? [])));
  const row = {
    bench: 'soak',
    case: `${CONNECTIONS} connections, ${rounded((parts * partMs) / MINUTE_MS)} min`,
    subject: 'cordon',
    p50_us: of('p50_us'),
    p99_us: of('p99_us'),
    per_s: of('per_s'),
    cpu_us: of('cpu_us'),
    rss_mb: of('rss_mb'),
    ratios: {},
  };
  return {
    rows: [row],
    says: [
      `resident memory under load: ${rss.map(rounded).join(', ')} MB (wanted: at most ${WANTED_MB})`,
      `median of the second half over that of the first: ${rounded(second / first)} x`,
    ],
  };
};
