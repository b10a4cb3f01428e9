// The `format`s of JSON Schema strings that Cedar has a type for, where the text says exactly one value of that type. Everything else
// stays text: a `duration` of ISO 8601 has months of no fixed length, a `time` no day.
import { Datetime } from '../cedar/datetime.ts';
import { Decimal } from '../cedar/decimal.ts';
import { IpAddr } from '../cedar/ipaddr.ts';
import type { Extension } from '../cedar/value.ts';

interface FormatRow {
  /** The extension type, as a Cedar schema names it. */
  readonly type: 'datetime' | 'decimal' | 'ipaddr';
  /** For messages. */
  readonly expected: string;
  /** Undefined for a text of another format. attacker-controlled. @throws EvaluationError for one that has no value: 30 February */
  readonly read: (text: string) => Extension | undefined;
}

export const FORMATS = {
  date: { type: 'datetime', expected: 'a date (RFC 3339): 2026-01-31', read: dateOf },
  'date-time': {
    type: 'datetime',
    expected: 'a date and time (RFC 3339), at most milliseconds: 2026-01-31T23:59:59.123Z',
    read: instantOf,
  },
  decimal: { type: 'decimal', expected: 'a number with at most 4 decimals', read: decimalOf },
  ipv4: { type: 'ipaddr', expected: 'an IPv4 address without leading zeros', read: ipv4Of },
  ipv6: { type: 'ipaddr', expected: 'an IPv6 address that is not an IPv4 one in disguise', read: ipv6Of },
} as const satisfies Record<string, FormatRow>;
export type Format = keyof typeof FORMATS;

export const isFormat = (word: unknown): word is Format => typeof word === 'string' && Object.hasOwn(FORMATS, word);

const DATE = /^\d{4}-\d{2}-\d{2}$/;
// a fraction beyond milliseconds is exact only when it is zeros
const INSTANT = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,3})0*)?(?:[Zz]|([+-]\d{2}):(\d{2}))$/;
const PLAIN = /^(-?(?:0|[1-9]\d*))(?:\.(\d{1,4}))?$/;

function dateOf(text: string): Extension | undefined {
  return DATE.test(text) ? Datetime.parse(text) : undefined;
}

function instantOf(text: string): Extension | undefined {
  const [, date, time, fraction = '', hours = '+00', minutes = '00'] = INSTANT.exec(text) ?? [];
  return date === undefined ? undefined : Datetime.parse(`${date}T${time}.${fraction.padEnd(3, '0')}${hours}${minutes}`);
}

/** Also the text of a JSON number: ECMAScript's shortest form. */
export function decimalOf(text: string): Extension | undefined {
  const [, whole, fraction = '0'] = PLAIN.exec(text) ?? [];
  return whole === undefined ? undefined : Decimal.parse(`${whole}.${fraction}`);
}

function ipv4Of(text: string): Extension | undefined {
  return /[:/]/.test(text) ? undefined : IpAddr.parse(text);
}

function ipv6Of(text: string): Extension | undefined {
  if (!text.includes(':') || text.includes('/')) return undefined;
  const ip = IpAddr.parse(text);
  // RFC 4291 §2.5.5: ::/96 and ::ffff:0:0/96 hold IPv4 addresses, which a policy on IPv4 ranges would not recognise
  const upper = ip.address >> 32n;
  const isIpv4 = upper === 0xffffn || (upper === 0n && ip.address > 1n);
  return isIpv4 ? undefined : ip;
}
