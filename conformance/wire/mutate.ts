// Bytes near those of a corpus: what a decoder reads almost to the end is where it errs.
import type { Random } from '../random.ts';

/** What breaks readers: ends, signs, counts, names. */
const TOKENS: readonly string[] = [
  '\0',
  '\r\n',
  '\n',
  '\r',
  '\t',
  ' ',
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  '\\u0061',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '/',
  '..',
  '%2e',
  '%00',
  '\xef\xbb\xbf',
  '\xff',
  '\xc0\xaf',
  '\xed\xa0\x80',
  '\xe2\x80\xae',
  '-0',
  '1e400',
  '9007199254740993',
  '-1',
  'NaN',
  'null',
  'true',

  '__proto__',
  'constructor',
  '"id":1,',
  '"method":"x",',
  '=?base64?',
  '?=',
  'data: ',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  '=',
  '.',
  '-',
  '&',
  '*',
  '!',
  '<<: *a',
  '${x}',
  '\x30\x80',
  '\x02\x01\xff',
  'spiffe://',
  '@',
  '#',
  '?',
];

type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

const at = (bytes: Buffer, random: Random): number => random.below(bytes.length + 1);

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    const place = random.below(Math.max(1, copy.length));
    if (copy.length > 0) copy[place] = (copy[place] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  (bytes, random) => inserted(bytes, at(bytes, random), Buffer.from(random.pick(TOKENS), 'latin1')),
  (bytes, random) => {
    const from = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + random.between(1, 8))]);
  },
  (bytes, random) => {
    const from = at(bytes, random);
    return inserted(bytes, at(bytes, random), bytes.subarray(from, from + random.between(1, 40)));
  },
  (bytes, random) => bytes.subarray(0, at(bytes, random)),
  (bytes, random, other) => Buffer.concat([bytes.subarray(0, at(bytes, random)), other.subarray(at(other, random))]),
];

const inserted = (bytes: Buffer, place: number, more: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, place), more, bytes.subarray(place)]);

/** Changed at one to four places. */
export function mutated(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = random.pick(corpus);
  for (let left = random.between(1, 4); left > 0; left--) bytes = random.pick(MUTATIONS)(bytes, random, random.pick(corpus));
  return bytes;
}
