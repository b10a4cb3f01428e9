// Values on the wire of SPOP (HAProxy, SPOE.txt §3.1): integers of variable length, texts, typed data; read strictly and written. A value is
// read only where all of it is there, and no length reaches beyond what was received. attacker-controlled: a data plane sends what its
// clients send. INVARIANT I10
import { Refusal } from '../../../domain/refusal.ts';

export type Typed = null | boolean | number | string | Uint8Array;

/** What is wrong with a frame, as SPOP numbers it (§3.5). */
export const STATUS = {
  normal: 0,
  timeout: 2,
  tooBig: 3,
  invalid: 4,
  noVersion: 5,
  noFrameSize: 6,
  noCapabilities: 7,
  badVersion: 8,
  badFrameSize: 9,
  fragments: 10,
  interlaced: 11,
  resources: 13,
  unknown: 99,
} as const;

/** A frame that is not one, with the status that its sender is told. */
export class SpopError extends Refusal {
  readonly status: number;

  constructor(status: keyof typeof STATUS, observed: string) {
    super('CORDON-9011', 'the SPOP frame is malformed', { observed });
    this.status = STATUS[status];
  }
}

/** Bytes from a place on. */
export class SpopReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new SpopError('invalid', 'it ends early');
    this.#at++;
    return byte;
  }

  /** Four bytes, network byte order. */
  uint32(): number {
    return this.byte() * 0x1000000 + (this.byte() << 16) + (this.byte() << 8) + this.byte();
  }

  /** Peers encoding: every number has one form. Beyond 2^53 it is none that is used here. */
  varint(): number {
    const first = this.byte();
    if (first < 240) return first;
    let value = first;
    for (let factor = 16; ; factor *= 128) {
      const byte = this.byte();
      value += byte * factor;
      if (value > Number.MAX_SAFE_INTEGER) throw new SpopError('invalid', 'a number beyond 2^53');
      if (byte < 128) return value;
    }
  }

  bytes(): Uint8Array {
    const length = this.varint();
    if (length > this.#bytes.length - this.#at) throw new SpopError('invalid', 'a length beyond its end');
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** One character a byte: no encoding is said, and no client of HAProxy can end a connection with bytes that do not decode. */
  text(): string {
    return Buffer.from(this.bytes()).toString('latin1');
  }

  typed(): Typed {
    const byte = this.byte();
    const [type, flags] = [byte & 0x0f, byte >> 4];
    if (flags > (type === TYPE.boolean ? 1 : 0)) throw new SpopError('invalid', 'flags of a value that has none');
    switch (type) {
      case TYPE.null:
        return null;
      case TYPE.boolean:
        return flags === 1;
      case TYPE.int32:
      case TYPE.uint32:
      case TYPE.int64:
      case TYPE.uint64:
        return this.varint();
      case TYPE.ipv4:
        return this.#take(4);
      case TYPE.ipv6:
        return this.#take(16);
      case TYPE.string:
        return this.text();
      case TYPE.binary:
        return this.bytes();
      default:
        throw new SpopError('invalid', `a value of type ${type}`);
    }
  }

  #take(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.byte());
  }
}

const TYPE = { null: 0, boolean: 1, int32: 2, uint32: 3, int64: 4, uint64: 5, ipv4: 6, ipv6: 7, string: 8, binary: 9 } as const;

export function varint(value: number): Uint8Array {
  if (value < 240) return Uint8Array.of(value);
  const bytes = [240 | (value % 16)];
  let rest = (value - 240 - (value % 16)) / 16;
  while (rest >= 128) {
    bytes.push(128 | (rest % 128));
    rest = (rest - 128 - (rest % 128)) / 128;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

export function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(bytes.length), bytes]);
}

/** A text or a 32-bit number, typed. */
export const typed = (value: string | number): Uint8Array =>
  typeof value === 'string'
    ? Buffer.concat([Uint8Array.of(TYPE.string), text(value)])
    : Buffer.concat([Uint8Array.of(TYPE.uint32), varint(value)]);
