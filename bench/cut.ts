// `cut`: how long after `cordon off` the last byte comes on 1,000 live event streams of one run, as both ends of the streams see it.
import { readdirSync } from 'node:fs';
import { Client } from 'undici';
import type { Bed, Svid } from '../test/support/bed.ts';
import { startWorker, type Worker } from './gateway/worker.ts';
import { percentile, rounded, type Bench, type Row } from './row.ts';
import { sharedNow } from './streams/call.ts';
import type { ClientAnswer, ClientQuestion, Target } from './streams/client.ts';
import { operatorOf, startCordonFor } from './streams/cordon.ts';
import type { UpstreamAnswer, UpstreamQuestion } from './streams/upstream.ts';

const SIZE = { full: { streams: 1000, trials: 25, warmUp: 3 }, quick: { streams: 50, trials: 4, warmUp: 0 } };
const WANTED_MS = 50;
/** Connections that the operator and the log have open besides. */
const FEW = 20;

interface Parts {
  readonly bed: Bed;
  readonly operator: Client;
  readonly target: Target;
  readonly client: Worker<ClientQuestion, ClientAnswer>;
  readonly upstream: Worker<UpstreamQuestion, UpstreamAnswer>;
}

/** Milliseconds from the order. */
interface Trial {
  /** Each stream, as its caller saw it end, and as the upstream did. */
  readonly callers: readonly number[];
  readonly upstreams: readonly number[];
  readonly lastByte: number;
  readonly answered: number;
  /** CPU that both ends of the streams used meanwhile. */
  readonly clientCpu: number;
  readonly upstreamCpu: number;
}

export const cut: Bench = async ({ quick }) => {
  const { streams, trials: many, warmUp } = quick ? SIZE.quick : SIZE.full;
  await using stack = new AsyncDisposableStack();
  const start = <Q, A>(name: string): Worker<Q, A> =>
    stack.adopt(startWorker<Q, A>(new URL(`streams/${name}.ts`, import.meta.url)), (it) => it.close());
  const upstream = start<UpstreamQuestion, UpstreamAnswer>('upstream');
  const client = start<ClientQuestion, ClientAnswer>('client');
  const { port } = await upstream.ask({ ask: 'state' });
  const bed = stack.adopt(await startCordonFor(port, streams + 10), (it) => it.stop().then(() => it.close()));
  const { cert, key, ca } = await bed.svid('caller');
  const operator = stack.adopt(new Client(`https://127.0.0.1:${bed.ports.control}`, { connect: unnamed(await operatorOf(bed)) }), (it) =>
    it.destroy(),
  );
  const parts: Parts = { bed, operator, client, upstream, target: { port: bed.ports.gateway, tls: { cert, key, ca } } };
  await upstream.ask({ ask: 'beat' });
  const descriptors = openFiles(bed);
  const trials: Trial[] = [];
  for (let n = 0; n < warmUp + many; n++) {
    const done = await trial(parts, streams);
    if (n >= warmUp) trials.push(done);
  }
  const left = openFiles(bed) - descriptors;
  if (left > FEW) throw new Error(`${left} file descriptors more are open than before the trials`);
  return reportOf(trials, streams, left);
};

const unnamed = ({ cert, key, ca }: Svid): object => ({ cert, key, ca, servername: '', checkServerIdentity: () => undefined });

const openFiles = (bed: Bed): number => readdirSync(`/proc/${bed.process().pid ?? 0}/fd`).length;

/** @throws Error when either end saw another number of streams than there were, or the order was not carried out whole */
async function trial({ operator, client, upstream, target }: Parts, streams: number): Promise<Trial> {
  const opened = await client.ask({ ask: 'open', target, count: streams });
  if (opened.open !== streams) throw new Error(`${opened.open} streams are open, not ${streams}`);
  await client.ask({ ask: 'mark' });
  await client.ask({ ask: 'heard' }); // live: each has had an event since it was opened
  await Promise.all([client.ask({ ask: 'mark' }), upstream.ask({ ask: 'mark' })]);
  const since = sharedNow();
  const ordered = order(operator, 'off').then((seen) => ({ seen, at: sharedNow() }));
  const [{ seen, at }, near, far] = await Promise.all([ordered, client.ask({ ask: 'gone' }), upstream.ask({ ask: 'gone' })]);
  const [pep] = seen.peps;
  if (seen.status !== 'contained' || pep?.calls !== streams || pep.connections !== streams)
    throw new Error(`not all was contained: ${JSON.stringify(seen)}`);
  if (near.closed.length !== streams || far.ended.length !== streams)
    throw new Error(`of ${streams} streams the callers saw ${near.closed.length} closed, the upstream ${far.ended.length}`);
  await order(operator, 'normal');
  const after = (time: number): number => Math.max(0, time - since);
  return {
    callers: near.closed.map(after),
    upstreams: far.ended.map(after),
    lastByte: after(near.lastByte),
    answered: after(at),
    clientCpu: near.cpuMs,
    upstreamCpu: far.cpuMs,
  };
}

interface Seen {
  readonly status: string;
  readonly peps: readonly { readonly calls: number; readonly connections: number }[];
}

async function order(operator: Client, level: 'off' | 'normal'): Promise<Seen> {
  const { body, statusCode } = await operator.request({
    method: 'POST',
    path: '/v1/agents/caller/level',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ level, reason: 'bench' }),
  });
  const seen = (await body.json()) as Seen;
  if (statusCode !== 200) throw new Error(`the order was refused: ${JSON.stringify(seen)}`);
  return seen;
}

const CASES: Readonly<Record<string, (trial: Trial) => readonly number[]>> = {
  'first stream closed at its caller': ({ callers }) => [Math.min(...callers)],
  'each stream closed at its caller': ({ callers }) => callers,
  'each stream ended at the upstream': ({ upstreams }) => upstreams,
  'last byte at a caller': ({ lastByte }) => [lastByte],
  'last stream closed at its caller': ({ callers }) => [Math.max(...callers)],
  'last stream ended at the upstream': ({ upstreams }) => [Math.max(...upstreams)],
  'order answered': ({ answered }) => [answered],
};

function reportOf(trials: readonly Trial[], streams: number, descriptors: number): Awaited<ReturnType<Bench>> {
  const rows = Object.entries(CASES).map(([name, of]) => rowOf(name, trials.flatMap(of)));
  const spread = (of: (trial: Trial) => number): string => {
    const sorted = trials.map(of).toSorted((a, b) => a - b);
    const [p50, p99, max] = [percentile(sorted, 0.5), percentile(sorted, 0.99), sorted.at(-1) ?? 0].map(rounded);
    return `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
  };
  const mean = (of: (one: Trial) => number): number => rounded(trials.reduce((sum, one) => sum + of(one), 0) / trials.length);
  return {
    rows,
    says: [
      `cordon off, ${streams} live streams of one run, ${trials.length} trials: last byte at a caller after ${spread(({ lastByte }) => lastByte)} (wanted: p99 at most ${WANTED_MS} ms; 0: none came after the order)`,
      `every caller sees its stream closed after ${spread(({ callers }) => Math.max(...callers))}; the upstream sees every request ended after ${spread(({ upstreams }) => Math.max(...upstreams))}`,
      `meanwhile the process of the callers used ${mean(({ clientCpu }) => clientCpu)} ms of CPU to see them close, the upstream ${mean(({ upstreamCpu }) => upstreamCpu)} ms, on the same cores`,
      `in every trial the callers saw ${streams} streams closed and the upstream saw ${streams} ended; ${descriptors} file descriptors more than before the first`,
    ],
  };
}

function rowOf(name: string, milliseconds: readonly number[]): Row {
  const sorted = milliseconds.toSorted((a, b) => a - b).map((ms) => ms * 1000);
  const [p50_us, p99_us] = [rounded(percentile(sorted, 0.5)), rounded(percentile(sorted, 0.99))];
  return {
    bench: 'cut',
    case: name,
    subject: 'cordon',
    p50_us,
    p99_us,
    per_s: p50_us === 0 ? 0 : rounded(1e6 / p50_us),
    cpu_us: null,
    rss_mb: null,
    ratios: {},
  };
}
