// Frames of SPOP (SPOE.txt §3.2): cut out of a stream of bytes within a bound, taken apart, and written.
import { SpopError, SpopReader, text, typed, varint, type Typed } from './typed.ts';

export const FRAME = { hello: 1, disconnect: 2, notify: 3, agentHello: 101, agentDisconnect: 102, ack: 103 } as const;

/** Bits of the flags. */
const FIN = 1;

export interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly frame: number;
  readonly payload: SpopReader;
}

/** Cuts frames out of what comes; `most`: bytes that a frame may have. */
export class FrameSplitter {
  most: number;
  #held: Uint8Array = new Uint8Array();

  constructor(most: number) {
    this.most = most;
  }

  /** @returns the frames that are whole now @throws SpopError when one is longer than it may be */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (this.#held.length >= 4) {
      const length = new DataView(this.#held.buffer, this.#held.byteOffset).getUint32(0);
      if (length > this.most) throw new SpopError('tooBig', `${length} bytes`);
      if (this.#held.length < 4 + length) return;
      const frame = this.#held.subarray(4, 4 + length);
      this.#held = this.#held.subarray(4 + length);
      yield frame;
    }
  }
}

/** @throws SpopError for what is no whole frame: fragments are not taken */
export function readFrame(bytes: Uint8Array): Frame {
  const payload = new SpopReader(bytes);
  const type = payload.byte();
  const flags = payload.uint32();
  const [stream, frame] = [payload.varint(), payload.varint()];
  if (type === 0 || (flags & FIN) === 0) throw new SpopError('fragments', 'a part of a frame');
  if (flags !== FIN) throw new SpopError('invalid', `flags ${flags}`);
  return { type, stream, frame, payload };
}

/** Keys and values, each key once, until the end. @throws SpopError */
export function readList(payload: SpopReader, most: number): ReadonlyMap<string, Typed> {
  const found = new Map<string, Typed>();
  while (!payload.done) {
    const key = payload.text();
    if (found.has(key) || found.size >= most) throw new SpopError('invalid', 'a key twice, or too many');
    found.set(key, payload.typed());
  }
  return found;
}

/** One message of a NOTIFY, and nothing after it: `most` arguments. @throws SpopError */
export function readMessage(payload: SpopReader, most: number): { readonly name: string; readonly args: ReadonlyMap<string, Typed> } {
  const name = payload.text();
  const count = payload.byte();
  const args = readList(payload, most);
  if (args.size !== count) throw new SpopError('invalid', 'not as many arguments as it says');
  return { name, args };
}

function frameOf(type: number, stream: number, frame: number, payload: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([Uint8Array.of(type, 0, 0, 0, FIN), varint(stream), varint(frame), ...payload]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

const listOf = (pairs: Readonly<Record<string, string | number>>): readonly Uint8Array[] =>
  Object.entries(pairs).flatMap(([key, value]) => [text(key), typed(value)]);

export const agentHello = (maxFrameSize: number, capabilities: string): Buffer =>
  frameOf(FRAME.agentHello, 0, 0, listOf({ version: '2.0', 'max-frame-size': maxFrameSize, capabilities }));

export const agentDisconnect = (status: number, message: string): Buffer =>
  frameOf(FRAME.agentDisconnect, 0, 0, listOf({ 'status-code': status, message }));

const SET_VAR = 1;
const TRANSACTION = 2;

/** Sets variables of the transaction. */
export const ack = ({ stream, frame }: Pick<Frame, 'stream' | 'frame'>, variables: Readonly<Record<string, string | number>>): Buffer =>
  frameOf(
    FRAME.ack,
    stream,
    frame,
    Object.entries(variables).flatMap(([name, value]) => [Uint8Array.of(SET_VAR, 3, TRANSACTION), text(name), typed(value)]),
  );
