// `revoke`: how long a revoked run, and a token that was exchanged from its own, still do something at the gateway; and whether any of it
// comes back with a restart. Each trial revokes a run with idle connections, a stream of its own, and an agent that goes on with its task.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { Client } from 'undici';
import { streamCall } from '../test/support/call-stream.ts';
import { joinRun, startRun, type RunSvid } from '../test/support/join.ts';
import { openLine, type Line } from '../test/support/line.ts';
import { TYPE } from '../test/support/oauth-bed.ts';
import { bearer, codeOf, openTokenBed, type TokenBed } from '../test/support/token-bed.ts';
import { toolCall, type Answer, type Svid } from '../test/support/bed.ts';
import { percentile, rounded, type Bench, type Row } from './row.ts';

const TRIALS = { full: 200, quick: 8 };
const WARM_UP = 10;
const IDLE_CONNECTIONS = 4;
const WANTED_MS = 100;
const GIVE_UP_MS = 10_000;

/** Milliseconds from the order until it was seen. */
interface Trial {
  readonly run: RunSvid;
  /** Of the agent that was called on behalf of it. */
  readonly token: string;
  readonly closed: number;
  readonly refused: number;
  readonly answered: number;
}

export const revoke: Bench = async ({ quick }) => {
  await using bed = await openTokenBed();
  const operator = new Client(`https://127.0.0.1:${bed.ports.control}`, { connect: unnamed(bed.operator) });
  const line = openLine(bed.ports.gateway, bed.agent.svid);
  const trials: Trial[] = [];
  try {
    for (let n = 0; n < (quick ? 0 : WARM_UP); n++) await trial(bed, operator, line);
    for (let n = 0; n < (quick ? TRIALS.quick : TRIALS.full); n++) trials.push(await trial(bed, operator, line));
  } finally {
    await Promise.all([operator.destroy(), line.close()]);
  }
  await assertGone(bed, trials);
  const cases = {
    'connections and streams closed': 'closed',
    'token of its subtree refused': 'refused',
    'order answered': 'answered',
  } as const;
  const rows = Object.entries(cases).map(([name, which]) =>
    rowOf(
      name,
      trials.map((each) => each[which]),
    ),
  );
  const slowest = Math.max(...rows.slice(0, 2).map(({ p99_us }) => p99_us)) / 1000;
  return {
    rows,
    says: [
      `revoking a run: all of it is silent after ${rounded(slowest)} ms (p99 of ${trials.length} trials; wanted: at most ${WANTED_MS})`,
      `after a restart none of ${trials.length} runs and tokens came back`,
    ],
  };
};

const unnamed = ({ cert, key, ca }: Svid): object => ({ cert, key, ca, servername: '', checkServerIdentity: () => undefined });

function rowOf(name: string, milliseconds: readonly number[]): Row {
  const sorted = milliseconds.toSorted((a, b) => a - b).map((ms) => ms * 1000);
  const [p50_us, p99_us] = [rounded(percentile(sorted, 0.5)), rounded(percentile(sorted, 0.99))];
  return {
    bench: 'revoke',
    case: name,
    subject: 'cordon',
    p50_us,
    p99_us,
    per_s: rounded(1e6 / p50_us),
    cpu_us: null,
    rss_mb: null,
    ratios: {},
  };
}

async function trial(bed: TokenBed, operator: Client, line: Line): Promise<Trial> {
  const run = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
  await bed.message(run, 'go on', await bed.task(run));
  const token = await bed.exchange(bed.agent.svid, String(bed.agent.calls.at(-1)?.['txn-token']), TYPE.txn);
  const ask = askWith(line, token);
  if (codeOf(await ask()) !== undefined) throw new Error('the token of the subtree is refused before anything was revoked');
  const idle = await Promise.all(Array.from({ length: IDLE_CONNECTIONS }, () => openIdle(bed.ports.gateway, run)));
  const own = await streamCall(bed.ports.gateway, run, 'tick', {});
  const child = await streamCall(bed.ports.gateway, bed.agent.svid, 'tick', {}, 'bench', bearer(token));
  const ends = Promise.all([...idle, own.response, child.response].map(closed));

  const since = performance.now();
  const elapsed = (): number => performance.now() - since;
  const [answered, refused, end] = await Promise.all([order(operator, run).then(elapsed), refusal(ask).then(elapsed), ends.then(elapsed)]);
  return { run, token, answered, refused, closed: end };
}

const askWith = (line: Line, token: string): (() => Promise<Answer>) => {
  const { path, headers, body } = toolCall('echo', { text: 'x' });
  const all: Readonly<Record<string, string>> = {
    ...Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)])),
    ...bearer(token),
  };
  return () => line.post(path, all, String(body));
};

async function openIdle(port: number, svid: Svid): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ...unnamed(svid) });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** A stream that is cut says so as an error too; only the end of it counts. */
const closed = (end: TLSSocket | IncomingMessage): Promise<unknown> =>
  new Promise((resolve) => {
    end.resume().once('close', resolve);
  });

async function order(operator: Client, { run }: RunSvid): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const { body } = await operator.request({
    method: 'POST',
    path: '/v1/revocations',
    headers,
    body: JSON.stringify({ kind: 'run', id: run, reason: 'bench' }),
  });
  const { status } = (await body.json()) as { status?: string };
  if (status !== 'contained') throw new Error(`the run is not contained: ${String(status)}`);
}

/** Asks again and again until the call is refused for what was revoked; one that was under way is cut, and its connection with it. */
async function refusal(ask: () => Promise<Answer>): Promise<void> {
  const end = performance.now() + GIVE_UP_MS;
  for (;;) {
    if (performance.now() > end) throw new Error(`the token of the subtree still works after ${GIVE_UP_MS} ms`);
    const answer = await ask().catch(() => undefined);
    if (answer === undefined) continue;
    const code = codeOf(answer);
    if (code === 'CORDON-2007') return;
    if (code !== undefined) throw new Error(`refused for something else: ${code}`);
  }
}

/** @throws Error when anything that was revoked is served after a restart */
async function assertGone(bed: TokenBed, trials: readonly Trial[]): Promise<void> {
  await bed.stop('SIGKILL');
  await bed.start();
  await bed.ready();
  for (const { run, token } of trials) {
    const codes = [
      codeOf(await bed.tool(run, 'echo', { text: 'x' })),
      codeOf(await bed.tool(bed.agent.svid, 'echo', { text: 'x' }, token)),
    ];
    if (codes.join() !== 'CORDON-4005,CORDON-2007') throw new Error(`came back after a restart: ${codes.join(', ')}`);
  }
}
