// The first message of TLS, as far as it says which host is meant. A tunnel that was decided for one host and opens TLS for another leads
// around the decision (domain fronting). Read strictly and within bounds: what is not understood is not let through. Standards: RFC 8446 §4.1.2,
// §5.1; RFC 6066 §3. attacker-controlled
import { Refusal } from '../domain/refusal.ts';

export interface ClientHello {
  /** The host name that it asks for; absent when it names none. */
  readonly serverName?: string;
}

const MOST_BYTES = 32_768;
/** With every chunk all records are read again, so their number bounds what a caller that sends single bytes costs. */
const MOST_RECORDS = 128;
const EXTENSION = { serverName: 0, encryptedClientHello: 0xfe0d } as const;

/** @returns undefined while more bytes are needed @throws Refusal CORDON-3010 when it is no ClientHello, or hides what it asks for */
export function readClientHello(bytes: Buffer): ClientHello | undefined {
  if (bytes.byteLength > MOST_BYTES) throw bad('longer than any');
  const message = handshakeIn(bytes);
  return message && helloIn(new Cursor(message));
}

const bad = (what: string): Refusal => new Refusal('CORDON-3010', `the tunnel does not begin with a ClientHello that can be read: ${what}`);

const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;

/** The handshake message, put together of its records. */
function handshakeIn(bytes: Buffer): Buffer | undefined {
  let message = Buffer.alloc(0);
  for (let [at, records] = [0, 1]; ; records++) {
    if (records > MOST_RECORDS) throw bad('in too many pieces');
    if (at < bytes.byteLength && bytes[at] !== 22) throw bad('no handshake record');
    if (at + RECORD_HEAD > bytes.byteLength) return undefined;
    const [major, minor, length] = [bytes[at + 1], bytes[at + 2] ?? 0, bytes.readUInt16BE(at + 3)];
    if (major !== 3 || minor < 1 || minor > 3 || length === 0 || length > 16_384) throw bad('record malformed');
    const end = at + RECORD_HEAD + length;
    message = Buffer.concat([message, bytes.subarray(at + RECORD_HEAD, Math.min(end, bytes.byteLength))]);
    if (message.byteLength > 0 && message[0] !== 1) throw bad('another message');
    if (message.byteLength >= MESSAGE_HEAD) {
      const size = message.readUIntBE(1, 3);
      if (size > MOST_BYTES) throw bad('too long');
      if (message.byteLength > MESSAGE_HEAD + size) throw bad('something follows it');
      if (message.byteLength === MESSAGE_HEAD + size) return end <= bytes.byteLength ? message.subarray(MESSAGE_HEAD) : undefined;
    }
    if (end > bytes.byteLength) return undefined;
    at = end;
  }
}

/** Reads from the front and never beyond the end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.byteLength) throw bad('cut short');
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  number(length: number): number {
    return this.take(length).readUIntBE(0, length);
  }

  /** A vector whose length stands before it in so many bytes. */
  vector(length: number): Buffer {
    return this.take(this.number(length));
  }
}

function helloIn(cursor: Cursor): ClientHello {
  if (cursor.number(2) !== 0x0303) throw bad('a version before TLS 1.2');
  cursor.take(32); // random
  if (cursor.vector(1).byteLength > 32) throw bad('session id too long');
  const suites = cursor.vector(2).byteLength;
  if (suites < 2 || suites % 2 !== 0) throw bad('cipher suites');
  if (cursor.vector(1).byteLength < 1) throw bad('compression methods');
  const extensions = new Cursor(cursor.vector(2));
  if (!cursor.done) throw bad('something follows the extensions');
  return namesIn(extensions);
}

function namesIn(extensions: Cursor): ClientHello {
  const seen = new Set<number>();
  let serverName: string | undefined;
  while (!extensions.done) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (seen.has(type)) throw bad('an extension that is there twice');
    seen.add(type);
    if (type === EXTENSION.encryptedClientHello) throw bad('it is encrypted (ECH)');
    if (type === EXTENSION.serverName) serverName = nameIn(new Cursor(data));
  }
  return serverName === undefined ? {} : { serverName };
}

/** RFC 6066 §3: one name, of type host_name. */
function nameIn(data: Cursor): string {
  const list = new Cursor(data.vector(2));
  if (list.number(1) !== 0) throw bad('a name that is no host name');
  const name = list.vector(2).toString('latin1');
  if (!list.done || !data.done) throw bad('several names');
  if (!/^[A-Za-z0-9.-]{1,253}$/.test(name)) throw bad('a name that is none');
  return name.toLowerCase();
}
