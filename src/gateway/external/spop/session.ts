// One connection of HAProxy to its agent: a handshake, then questions and answers in any order (SPOE.txt §3.2.3). Fragments are not announced, so
// none may come. Whatever does not fit ends the connection, and HAProxy then has no answer: its configuration denies.
import type { Duplex } from 'node:stream';
import { asRefusal, type Refusal } from '../../../domain/refusal.ts';
import { ack, agentDisconnect, agentHello, FRAME, FrameSplitter, readFrame, readList, readMessage, type Frame } from './frame.ts';
import { SpopError, STATUS, type Typed } from './typed.ts';

export interface SpopSessionParts {
  readonly socket: Duplex;
  /** Bytes that a frame may have here. */
  readonly maxFrameSize: number;
  /** Answers one message with variables of the transaction. */
  readonly onMessage: (name: string, args: ReadonlyMap<string, Typed>) => Promise<Readonly<Record<string, string | number>>>;
  /** The connection was ended for this. */
  readonly onRefused: (refusal: Refusal) => void;
}

/** Milliseconds from the connection to its HELLO, and between frames. */
const HELLO_MS = 5_000;
const IDLE_MS = 600_000;
/** For the other end to take the last frame and to end too. */
const LINGER_MS = 2_000;
/** Questions that have no answer yet, and answered ones that are remembered: none comes twice. */
const MOST_WAITING = 1_024;
const REMEMBERED = 16_384;
const LEAST_FRAME = 256;
const MOST_KEYS = 16;

export function serveSpop(parts: SpopSessionParts): void {
  const session = new SpopSession(parts);
  const { socket } = parts;
  const hello = setTimeout(() => session.fail(new SpopError('timeout', 'no HELLO')), HELLO_MS).unref();
  const idle = setTimeout(() => socket.destroy(), IDLE_MS).unref();
  socket.on('data', (chunk: Uint8Array) => {
    session.take(chunk);
    if (!session.ended) idle.refresh();
    if (session.greeted) clearTimeout(hello);
  });
  socket.on('drain', () => socket.resume());
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.once('close', () => {
    clearTimeout(hello);
    clearTimeout(idle);
  });
}

class SpopSession {
  readonly #parts: SpopSessionParts;
  readonly #frames: FrameSplitter;
  /** Stream and frame of each question. */
  readonly #seen = new Set<string>();
  #waiting = 0;
  #pipelining = false;
  ended = false;
  greeted = false;

  constructor(parts: SpopSessionParts) {
    this.#parts = parts;
    this.#frames = new FrameSplitter(parts.maxFrameSize);
  }

  take(chunk: Uint8Array): void {
    if (this.ended) return;
    try {
      for (const bytes of this.#frames.push(chunk)) {
        if (this.#isEnded()) return;
        this.#frame(readFrame(bytes));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Says why, and ends. */
  fail(error: unknown): void {
    if (this.ended) return;
    const refusal = asRefusal(error, 'CORDON-9001', 'the SPOE agent failed');
    this.#parts.onRefused(refusal);
    this.#end(agentDisconnect(error instanceof SpopError ? error.status : STATUS.unknown, refusal.message));
  }

  #isEnded(): boolean {
    return this.ended;
  }

  /** What still comes is not read, and one that does not end its side is not waited for. */
  #end(last?: Uint8Array): void {
    const { socket } = this.#parts;
    this.ended = true;
    socket.end(last);
    const lingering = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(lingering));
  }

  #frame(frame: Frame): void {
    if (frame.type === FRAME.disconnect && this.greeted) return this.#end(agentDisconnect(STATUS.normal, 'normal'));
    if (frame.type === FRAME.hello && !this.greeted) return this.#hello(frame);
    if (frame.type === FRAME.notify && this.greeted) return this.#notify(frame);
    throw new SpopError('invalid', `a frame of type ${frame.type}${this.greeted ? '' : ' before HELLO'}`);
  }

  #hello({ stream, frame, payload }: Frame): void {
    if (stream !== 0 || frame !== 0) throw new SpopError('invalid', 'a HELLO of a stream');
    const { size, pipelining, healthcheck } = helloOf(readList(payload, MOST_KEYS));
    this.#frames.most = Math.min(size, this.#parts.maxFrameSize);
    this.#pipelining = pipelining;
    this.greeted = true;
    this.#parts.socket.write(agentHello(this.#frames.most, pipelining ? 'pipelining' : ''));
    if (healthcheck) this.#end();
  }

  #notify(frame: Frame): void {
    const name = `${frame.stream} ${frame.frame}`;
    if (this.#seen.has(name)) throw new SpopError('invalid', 'a frame that came before');
    if (this.#waiting > 0 && !this.#pipelining) throw new SpopError('interlaced', 'a question before the answer to the last');
    if (this.#waiting >= MOST_WAITING) throw new SpopError('resources', 'too many questions at once');
    const message = readMessage(frame.payload, MOST_KEYS);
    this.#remember(name);
    this.#waiting++;
    this.#answer(frame, message.name, message.args).catch((error: unknown) => this.fail(error));
  }

  #remember(name: string): void {
    const [oldest] = this.#seen;
    if (this.#seen.size >= REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
    this.#seen.add(name);
  }

  async #answer(frame: Frame, name: string, args: ReadonlyMap<string, Typed>): Promise<void> {
    const bytes = ack(frame, await this.#parts.onMessage(name, args));
    this.#waiting--;
    if (this.ended) return;
    if (bytes.length - 4 > this.#frames.most) throw new SpopError('tooBig', 'an answer that does not fit a frame');
    this.#send(bytes);
  }

  /** Answers that are ready together go out together. */
  #send(bytes: Uint8Array): void {
    const { socket } = this.#parts;
    socket.cork();
    if (!socket.write(bytes)) socket.pause();
    process.nextTick(() => socket.uncork());
  }
}

interface Hello {
  readonly size: number;
  readonly pipelining: boolean;
  readonly healthcheck: boolean;
}

/** §3.2.4. @throws SpopError with the status of what is missing */
function helloOf(said: ReadonlyMap<string, Typed>): Hello {
  const [versions, size, capabilities] = [said.get('supported-versions'), said.get('max-frame-size'), said.get('capabilities')];
  if (typeof versions !== 'string') throw new SpopError('noVersion', 'no `supported-versions`');
  if (!words(versions).some((version) => /^2\.\d{1,3}$/.test(version))) throw new SpopError('badVersion', 'no version 2');
  if (typeof size !== 'number') throw new SpopError('noFrameSize', 'no `max-frame-size`');
  if (size < LEAST_FRAME) throw new SpopError('badFrameSize', `${size} bytes`);
  if (typeof capabilities !== 'string') throw new SpopError('noCapabilities', 'no `capabilities`');
  return { size, pipelining: words(capabilities).includes('pipelining'), healthcheck: said.get('healthcheck') === true };
}

const words = (list: string): readonly string[] => list.split(',').map((word) => word.trim());
