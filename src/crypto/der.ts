// Writing DER (ITU-T X.690 §10), as far as certificates need it. Promises: every length is definite and minimal.
import { Refusal } from '../domain/refusal.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag of a context-specific element: constructed, or primitive (`[6] IMPLICIT IA5String` of a URI name). */
export const context = (number: number, form: 'constructed' | 'primitive'): number => (form === 'constructed' ? 0xa0 : 0x80) | number;

/** One element around its parts. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > 0xffff) throw new Refusal('CORDON-9006', 'too long for a certificate', { observed: `${length} bytes` });
  let at = length < 0x80 ? 2 : length < 0x100 ? 3 : 4;
  const bytes = Buffer.allocUnsafe(at + length); // from the pool: a leaf is made of thirty of these
  bytes[0] = tag;
  if (at === 2) bytes[1] = length;
  else bytes.writeUIntBE(length, bytes.writeUInt8(0x7e + at, 1), at - 2);
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A non-negative INTEGER of big-endian hex digits. @throws Refusal CORDON-9006 for what is no number or has a sign bit after 20 bytes */
export function positiveInteger(hex: string): Uint8Array {
  const digits = hex.replace(/^(?:00)+(?=..)/, '');
  if (!/^(?:[0-9a-f]{2}){1,20}$/i.test(digits))
    throw new Refusal('CORDON-9006', 'not a serial number', { expected: '1 to 20 bytes in hex' });
  const bytes = Buffer.from(digits, 'hex');
  return (bytes[0] ?? 0) < 0x80 ? tlv(TAG.integer, bytes) : tlv(TAG.integer, Uint8Array.of(0), bytes);
}

const YEAR_2050 = Date.UTC(2050, 0, 1);
const YEAR_10000 = Date.UTC(10_000, 0, 1);

/**
 * A moment of Unix milliseconds, cut to its second: UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5).
 * @throws Refusal CORDON-9006 before 1970 and after 9999
 */
export function time(ms: number): Uint8Array {
  if (!(ms >= 0 && ms < YEAR_10000)) throw new Refusal('CORDON-9006', 'not a time that a certificate can hold', { observed: String(ms) });
  const at = new Date(ms);
  let digits = String(at.getUTCFullYear());
  for (const part of [at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]) {
    digits += part < 10 ? `0${part}` : part;
  }
  return ms < YEAR_2050
    ? tlv(TAG.utcTime, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : tlv(TAG.generalizedTime, Buffer.from(`${digits}Z`, 'latin1'));
}

/** Bytes of a DER element that stands here in hex. */
export const fromHex = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');

/** The text form of DER (RFC 7468 §3). `label`: `CERTIFICATE`. */
export function pem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let text = `-----BEGIN ${label}-----\n`;
  for (let at = 0; at < base64.length; at += 64) text += `${base64.slice(at, at + 64)}\n`;
  return `${text}-----END ${label}-----\n`;
}

export interface PemBlock {
  /** `CERTIFICATE` */
  readonly label: string;
  readonly der: Uint8Array;
}

/** The blocks of a PEM text; what stands around them does not matter. attacker-controlled */
export const blocksOf = (text: string): readonly PemBlock[] =>
  [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)].map(([, label = '', base64 = '']) => ({
    label,
    der: Uint8Array.from(Buffer.from(base64, 'base64')),
  }));

/** The DER of each block of a PEM text, whatever their labels. attacker-controlled */
export const dersOf = (text: string): readonly Uint8Array[] => blocksOf(text).map(({ der }) => der);

/** The DER of the first block of a PEM text; empty when there is none. */
export const derOf = (text: string): Uint8Array => dersOf(text)[0] ?? new Uint8Array();
