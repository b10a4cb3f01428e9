// The path and query of a request to an HTTP API, decoded once. What two readers could take for two things is refused, not repaired, so
// what policy sees, what is matched and what the API receives are one thing. Standards: RFC 3986 §3.3, §3.4, §6.2. INVARIANTS I2, I10
// attacker-controlled
import { Refusal } from '../domain/refusal.ts';

export interface HttpTarget {
  /** Decoded; the last is empty when the path ends with a slash. */
  readonly segments: readonly string[];
  /** Decoded, in order. */
  readonly query: readonly QueryPair[];
}

export type QueryPair = readonly [name: string, value: string];

const MOST = { characters: 8192, segments: 64, pairs: 256 };

/** `pchar` without `;`: parameters of a path segment are nothing to one server and a part of the name to another. */
const SEGMENT = /^(?:[\w.~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*$/;
const QUERY = /^(?:[\w.~!$&'()*+,=:@/?-]|%[0-9A-Fa-f]{2})*$/;

/** `text`: origin-form, `/invoices/7?page=2`. @throws Refusal CORDON-9011 */
export function readTarget(text: string): HttpTarget {
  if (text.length > MOST.characters) throw bad('too long', `at most ${MOST.characters} characters`);
  const mark = text.indexOf('?');
  const path = mark < 0 ? text : text.slice(0, mark);
  return { segments: readPath(path), query: mark < 0 ? [] : readQuery(text.slice(mark + 1)) };
}

/** @throws Refusal CORDON-9011 */
export function readPath(path: string): readonly string[] {
  if (!path.startsWith('/')) throw bad('the path does not begin with `/`');
  const segments = path.slice(1).split('/');
  if (segments.length > MOST.segments) throw bad('too many segments', `at most ${MOST.segments}`);
  if (segments.slice(0, -1).includes('')) throw bad('empty path segment');
  return segments.map(readSegment);
}

function readSegment(raw: string): string {
  if (!SEGMENT.test(raw)) throw bad('character not accepted in a path', 'what else is meant is percent-encoded, and `;` not used');
  const text = decoded(raw);
  for (const form of [text, text.normalize('NFKC')]) {
    const flaw = FLAWS.find(([pattern]) => pattern.test(form));
    if (flaw !== undefined) throw bad(flaw[1]);
  }
  return text;
}

/** What a server, a file system or a second decoding could take for structure. */
const FLAWS: readonly (readonly [RegExp, string])[] = [
  [/[/\\\u2044\u2215\u2216\u29f5\u29f8]/, 'encoded slash or backslash in a path segment'],
  [/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, 'control character in a path segment'],
  [/;/, '`;` in a path segment'],
  [/%[0-9a-f]{2}/i, 'a path segment that is encoded twice'],
  [/^[. ]*\.[. ]*$/, 'dot segment'],
];

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Percent-decoded, once; overlong and broken UTF-8 is refused. */
function decoded(raw: string): string {
  if (!raw.includes('%')) return raw;
  const bytes = Buffer.from(
    raw.replaceAll(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Refusal('CORDON-9011', 'target malformed: percent-encoded bytes are not UTF-8', { cause });
  }
}

function readQuery(text: string): readonly QueryPair[] {
  if (text === '') return [];
  if (!QUERY.test(text)) throw bad('character not accepted in a query', 'what else is meant is percent-encoded, and `;` not used');
  const pairs = text.split('&');
  if (pairs.length > MOST.pairs) throw bad('too many query parameters', `at most ${MOST.pairs}`);
  return pairs.map(readPair);
}

function readPair(pair: string): QueryPair {
  const mark = pair.indexOf('=');
  const name = valueOf(mark < 0 ? pair : pair.slice(0, mark));
  if (name === '' || name.length > 128 || /\p{C}/u.test(name)) throw bad('query parameter without a name that can be read');
  const value = mark < 0 ? '' : valueOf(pair.slice(mark + 1));
  if (value.includes('\0')) throw bad('NUL in a query parameter');
  return [name, value];
}

/** `+` is a space to forms and itself to RFC 3986: it is read as the former and written as neither. */
const valueOf = (raw: string): string => decoded(raw.replaceAll('+', ' '));

const bad = (what: string, expected?: string): Refusal =>
  new Refusal('CORDON-9011', `target malformed: ${what}`, expected === undefined ? {} : { expected });

/** One spelling for one text. */
export const writeSegment = (text: string): string => writeText(text).replaceAll('%40', '@').replaceAll('%3A', ':');

const writeText = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

export const writePath = (segments: readonly string[]): string => `/${segments.map(writeSegment).join('/')}`;

/** Without the `?`. */
export const writeQuery = (query: readonly QueryPair[]): string =>
  query.map(([name, value]) => `${writeText(name)}=${writeText(value)}`).join('&');
