// Strict JSON (I-JSON, RFC 7493): duplicate keys, lone surrogates, invalid UTF-8, over-deep and over-long input are refused, and
// integers beyond ±(2^53−1) stay exact as bigint, where JSON.parse would keep the last key and round the number without a word.
import { Refusal } from './refusal.ts';

export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface JsonBounds {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses one JSON text. attacker-controlled. @throws Refusal CORDON-9011 */
export function parseJson(bytes: Uint8Array, bounds: JsonBounds): Json {
  if (bytes.byteLength > bounds.maxBytes) {
    throw new Refusal('CORDON-9011', 'body too large', { observed: `${bytes.byteLength} bytes`, expected: `at most ${bounds.maxBytes}` });
  }
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new Refusal('CORDON-9011', 'body is not UTF-8', { cause });
  }
  return unambiguous(text, bounds.maxDepth) ?? new Reader(text, bounds.maxDepth).document();
}

/**
 * What JSON.parse reads, where that is beyond doubt: written again it is the same text. A key said twice, a number that was rounded, another
 * spelling of anything would not come back as it was. Whatever does not (white space is enough) is for the reader below.
 */
function unambiguous(text: string, maxDepth: number): Json | undefined {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-assignment -- what JSON.parse returns is Json
    const value: Json = JSON.parse(text);
    // a lone surrogate comes back as the escape that it was
    return !text.includes('\\ud') && isPlain(value, maxDepth) && JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined; // the reader says what is wrong
  }
}

/** Is nothing nested deeper than that, and every whole number one that stays a number? */
function isPlain(value: Json, depth: number): boolean {
  if (depth < 0 || (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))) return false;
  return typeof value !== 'object' || value === null || Object.values<Json>(value).every((member) => isPlain(member, depth - 1));
}

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#bad('text after the end of the JSON value');
    return value;
  }

  #bad(what: string): Refusal {
    return new Refusal('CORDON-9011', `malformed JSON: ${what}`, { observed: `at character ${this.#at}`, reason: 'not-json' });
  }

  #space(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.#at++;
    }
  }

  #value(depth: number): Json {
    if (depth > this.#maxDepth) throw this.#bad(`nested deeper than ${this.#maxDepth}`);
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #word<T extends Json>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#bad('unexpected token');
    this.#at += word.length;
    return value;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#bad('unexpected token');
    this.#at = NUMBER.lastIndex;
    const value = Number(match[0]);
    if (!Number.isFinite(value)) throw this.#bad('number out of range');
    const integer = match[1] === undefined && match[2] === undefined;
    if (!integer || Number.isSafeInteger(value)) return value;
    if (match[0].length > 40) throw this.#bad('number out of range');
    return BigInt(match[0]);
  }

  #string(): string {
    let out = '';
    this.#at++;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      PLAIN.exec(this.#text);
      out += this.#text.slice(this.#at, PLAIN.lastIndex);
      this.#at = PLAIN.lastIndex;
      const c = this.#text[this.#at];
      if (c === '"') break;
      if (c !== '\\') throw this.#bad(c === undefined ? 'unterminated string' : 'control character in string');
      out += this.#escape();
    }
    this.#at++;
    if (!out.isWellFormed()) throw this.#bad('lone surrogate in string');
    return out;
  }

  #escape(): string {
    const c = this.#text[this.#at + 1];
    if (c === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#bad('bad escape');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const plain = c === undefined ? undefined : ESCAPES.get(c);
    if (plain === undefined) throw this.#bad('bad escape');
    this.#at += 2;
    return plain;
  }

  #array(depth: number): Json[] {
    const out: Json[] = [];
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return out;
    }
    for (;;) {
      out.push(this.#value(depth + 1));
      if (this.#separator(']')) return out;
    }
  }

  #object(depth: number): JsonObject {
    const out: Record<string, Json> = {};
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return out;
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#bad('expected a key');
      const key = this.#string();
      // INVARIANT I2: two readers of a duplicate key may disagree on what was authorised
      if (Object.hasOwn(out, key)) throw this.#bad('duplicate key');
      this.#space();
      if (this.#text[this.#at] !== ':') throw this.#bad('expected `:`');
      this.#at++;
      const value = this.#value(depth + 1);
      // a key `__proto__` is data and nothing else; defining costs ten times an assignment, so only this key is defined
      if (key === '__proto__') Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true });
      else out[key] = value;
      if (this.#separator('}')) return out;
    }
  }

  #separator(close: string): boolean {
    this.#space();
    const c = this.#text[this.#at++];
    if (c === close) return true;
    if (c !== ',') throw this.#bad(`expected \`,\` or \`${close}\``);
    return false;
  }
}

const ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

export const isJsonArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

declare global {
  interface JSON {
    /** ECMAScript JSON.rawJSON (Node 22 and later); not yet in TypeScript's library. */
    rawJSON(text: string): unknown;
  }
}

/** Serialises what `parseJson` read; bigint as an exact integer literal. */
export function writeJson(value: Json): string {
  try {
    return JSON.stringify(value);
  } catch {
    // a bigint made it throw; asking about every value would cost all others twice the time
    return JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? JSON.rawJSON(String(v)) : v));
  }
}

/** The same with the members of each object in the order of their names: equal texts are equal values. */
export const writeSorted = (value: Json): string => writeJson(sorted(value));

function sorted(json: Json): Json {
  if (isJsonArray(json)) return json.map((each) => sorted(each));
  if (!isJsonObject(json)) return json;
  return Object.fromEntries(
    Object.entries(json)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, sorted(value)]),
  );
}
