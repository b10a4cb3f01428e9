// `streams`: 5,000 event streams that are open and say nothing: the memory of each, the CPU of all; then each still gets an event, and all
// are closed in the end. Beside nginx with the same streams.
import { setTimeout as sleep } from 'node:timers/promises';
import { findNginx, INSTALL } from './gateway/nginx.ts';
import { cpuUs, rssMb, settled } from './gateway/proc.ts';
import { startWorker, type Worker } from './gateway/worker.ts';
import { rounded, type Bench, type BenchOptions, type Row } from './row.ts';
import { sharedNow } from './streams/call.ts';
import type { ClientAnswer, ClientQuestion, Target } from './streams/client.ts';
import { startCordonFor } from './streams/cordon.ts';
import { startStreamingNginx } from './streams/nginx.ts';
import type { UpstreamAnswer, UpstreamQuestion } from './streams/upstream.ts';

const SIZE = { full: { streams: 5000, warmUp: 500, idleMs: 10_000 }, quick: { streams: 100, warmUp: 20, idleMs: 300 } };
const WANTED_KB = 40;
const QUIET_MS = 500;

type Size = (typeof SIZE)['full'];
type Client = Worker<ClientQuestion, ClientAnswer>;
type Upstream = Worker<UpstreamQuestion, UpstreamAnswer>;

interface Held {
  /** Resident memory of the proxy before and with the streams, MB. */
  readonly before: number;
  readonly during: number;
  /** Each. */
  readonly kb: number;
  /** CPU while nothing happens, share of a core. */
  readonly idle: number;
  /** From the event at the upstream until each caller had it, milliseconds of all. */
  readonly heardMs: number;
  /** CPU of an event for each, microseconds a stream. */
  readonly eventUs: number;
}

export const streams: Bench = async (options) => {
  if (process.platform !== 'linux') throw new Error('the bench `streams` counts memory in /proc and needs Linux');
  const size = options.quick ? SIZE.quick : SIZE.full;
  const binary = peerOf(options);
  await using stack = new AsyncDisposableStack();
  const start = <Q, A>(name: string): Worker<Q, A> =>
    stack.adopt(startWorker<Q, A>(new URL(`streams/${name}.ts`, import.meta.url)), (it) => it.close());
  const upstream = start<UpstreamQuestion, UpstreamAnswer>('upstream');
  const { port } = await upstream.ask({ ask: 'state' });
  const bed = stack.adopt(await startCordonFor(port, size.streams + size.warmUp), (it) => it.stop().then(() => it.close()));
  const { cert, key, ca } = await bed.svid('caller');
  const subjects = [{ name: 'cordon', port: bed.ports.gateway, pids: [bed.process().pid ?? 0] }];
  if (binary !== undefined) {
    const nginx = stack.adopt(await startStreamingNginx(binary, await bed.svid('callee'), port), (it) => it.close());
    subjects.push({ name: 'nginx', port: nginx.port, pids: [...nginx.pids] });
  }
  const rows: Row[] = [];
  const held = new Map<string, Held>();
  for (const subject of subjects) {
    const client = start<ClientQuestion, ClientAnswer>('client');
    const target: Target = { port: subject.port, tls: { cert, key, ca } };
    const one = await hold({ client, upstream, target, pids: subject.pids, size });
    held.set(subject.name, one);
    options.onNotice(
      `  ${subject.name.padEnd(8)} ${rounded(one.before)} MB before, ${rounded(one.during)} MB with ${size.streams} streams`,
    );
    rows.push(rowOf(subject.name, size.streams, one));
  }
  return { rows, says: sayings(held, size.streams) };
};

/** @throws Error in CI, where a bench without its peer would pass for one with it */
function peerOf({ onNotice }: BenchOptions): string | undefined {
  const binary = findNginx();
  if (binary !== undefined) return binary;
  const missing = `nginx is missing, so there is nothing to compare with: install it with \`${INSTALL}\``;
  if (process.env['CI'] === 'true') throw new Error(missing);
  onNotice(`!\n! ${missing}\n!`);
  return undefined;
}

interface Holding {
  readonly client: Client;
  readonly upstream: Upstream;
  readonly target: Target;
  readonly pids: readonly number[];
  readonly size: Size;
}

/** @throws Error when a stream is missing, hears nothing, or does not end at both ends */
async function hold({ client, upstream, target, pids, size }: Holding): Promise<Held> {
  // what the first streams bring with them (code, contexts, pools) is no part of one more
  await client.ask({ ask: 'open', target, count: size.warmUp });
  await client.ask({ ask: 'abort' });
  await upstream.ask({ ask: 'gone' });
  await settled(pids, QUIET_MS);
  const before = rssMb(pids);
  await client.ask({ ask: 'open', target, count: size.streams });
  await settled(pids, QUIET_MS);
  const during = rssMb(pids);
  const since = { cpu: cpuUs(pids), at: sharedNow() };
  await sleep(size.idleMs);
  const idle = (cpuUs(pids) - since.cpu) / 1000 / (sharedNow() - since.at);

  await client.ask({ ask: 'mark' });
  await upstream.ask({ ask: 'mark' });
  const [cpu, told] = [cpuUs(pids), sharedNow()];
  await upstream.ask({ ask: 'tick' });
  const heard = await client.ask({ ask: 'heard' });
  const heardMs = sharedNow() - told;
  await settled(pids, QUIET_MS);
  const eventUs = (cpuUs(pids) - cpu) / size.streams;
  if (heard.heard !== size.streams || heard.open !== size.streams)
    throw new Error(`of ${size.streams} streams ${heard.open} were open and ${heard.heard} had an event`);

  await client.ask({ ask: 'abort' });
  const { ended, open } = await upstream.ask({ ask: 'gone' });
  if (ended.length !== size.streams || open !== 0) throw new Error(`the upstream saw ${ended.length} of ${size.streams} streams end`);
  return { before, during, kb: ((during - before) * 1024) / size.streams, idle, heardMs, eventUs };
}

function rowOf(subject: string, count: number, { during, heardMs, eventUs }: Held): Row {
  const all = rounded(heardMs * 1000);
  return {
    bench: 'streams',
    case: `${count} idle, an event for each`,
    subject,
    p50_us: all,
    p99_us: all,
    per_s: rounded((count * 1000) / heardMs),
    cpu_us: rounded(eventUs),
    rss_mb: rounded(during),
    ratios: {},
  };
}

function sayings(held: ReadonlyMap<string, Held>, count: number): readonly string[] {
  const each = [...held].map(
    ([name, { kb, before, during, idle }]) =>
      `${name}: ${rounded(kb)} KB for each of ${count} idle streams (${rounded(before)} MB before, ${rounded(during)} MB with them), ${rounded(idle * 100)} % of a core while nothing happens`,
  );
  const [own, peer] = [held.get('cordon'), held.get('nginx')];
  const ratio =
    own === undefined || peer === undefined
      ? []
      : [`a stream held by cordon takes ${rounded(own.kb / peer.kb)} x the memory of one held by nginx`];
  return [...each, ...ratio, `wanted: at most ${WANTED_KB} KB for each; every stream had an event and was ended at both ends`];
}
