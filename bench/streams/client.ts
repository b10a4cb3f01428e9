// The callers of the streams, in a process of their own: each is one connection with one open call. It takes note of when the last byte of
// each came and when the end of each was seen; its own half is closed later, so that this work is not in the figures of what it watches.
import { once } from 'node:events';
import { connect, createSecureContext, type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls';
import { answerQuestions } from '../gateway/worker.ts';
import { ownCpuMs, sharedNow, streamRequestOf } from './call.ts';

export interface Target {
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
}

/** `heard`: waits until each stream has had an event since the mark. `gone`: waits until the end of each was seen. `abort`: goes away from all. */
export type ClientQuestion =
  | { readonly ask: 'open'; readonly target: Target; readonly count: number }
  | { readonly ask: 'mark' | 'heard' | 'gone' | 'abort' };

export interface ClientAnswer {
  /** Streams whose end was not seen. */
  readonly open: number;
  /** Streams that had an event since the mark. */
  readonly heard: number;
  /** Since the mark, of the clock that processes share: when the end of each was seen, and when the last byte of all came. */
  readonly closed: readonly number[];
  readonly lastByte: number;
  /** CPU since the mark, milliseconds. */
  readonly cpuMs: number;
}

const PATIENCE_MS = 60_000;
const AT_ONCE = 16;
const streams = new Set<TLSSocket>();
/** Those whose end was seen; closed before others are opened. */
const over: TLSSocket[] = [];
const waiting = new Set<() => void>();
let heard = new Set<TLSSocket>();
let closed: number[] = [];
let lastByte = 0;
let cpu = ownCpuMs();
let nextId = 1;

const changed = (): void => waiting.forEach((look) => look());

function until(what: string, isSo: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${what}: ${heard.size} heard, ${streams.size} open`)), PATIENCE_MS);
    const look = (): void => {
      if (!isSo()) return;
      clearTimeout(late);
      waiting.delete(look);
      resolve();
    };
    waiting.add(look);
    look();
  });
}

/** Resolves when the first event is there. */
async function openStream(port: number, secureContext: SecureContext): Promise<void> {
  const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    host: '127.0.0.1',
    port,
    secureContext,
    servername: '',
    checkServerIdentity: () => undefined,
    allowHalfOpen: true,
  };
  const socket = connect(options);
  socket.on('error', () => undefined); // only that it ended counts
  await once(socket, 'secureConnect');
  socket.write(streamRequestOf(nextId++));
  let head = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.includes('"notifications/progress"')) return;
      socket.off('data', onData);
      resolve();
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error(`a stream did not begin: ${head.slice(0, 300)}`)));
  });
  streams.add(socket);
  socket.on('data', () => {
    lastByte = sharedNow();
    if (heard.has(socket)) return;
    heard.add(socket);
    changed();
  });
  const seen = (): void => {
    if (!streams.delete(socket)) return;
    closed.push(sharedNow());
    over.push(socket);
    if (streams.size === 0) changed();
  };
  socket.once('end', seen).once('close', seen);
}

async function open({ port, tls }: Target, count: number): Promise<void> {
  const context = createSecureContext({ ...tls, minVersion: 'TLSv1.3' });
  for (const socket of over.splice(0)) socket.destroy();
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await openStream(port, context);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function mark(): void {
  [heard, closed, lastByte, cpu] = [new Set(), [], 0, ownCpuMs()];
}

await answerQuestions(async (asked): Promise<ClientAnswer> => {
  const question = asked as ClientQuestion;
  if (question.ask === 'open') await open(question.target, question.count);
  if (question.ask === 'mark') mark();
  if (question.ask === 'heard') await until('not each stream had an event', () => [...streams].every((socket) => heard.has(socket)));
  if (question.ask === 'gone') await until('not each stream was closed', () => streams.size === 0);
  if (question.ask === 'abort') for (const socket of streams) socket.destroy();
  return { open: streams.size, heard: heard.size, closed, lastByte, cpuMs: ownCpuMs() - cpu };
});
