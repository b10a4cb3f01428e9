// Mutated bytes into each decoder: it refuses with a code or accepts, it never fails in another way, it takes no longer than its bound, and
// what it accepts means one thing.
import { readFileSync } from 'node:fs';
import { Failure } from '../../src/cli/errors.ts';
import { isCode } from '../../src/domain/codes.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { OAuthRefusal } from '../../src/sts/errors.ts';
import type { Random } from '../random.ts';
import { DECODERS, keepProofs, type Decoder } from './decoders.ts';
import { mutated } from './mutate.ts';

/** Far above what any input of these sizes takes on a busy machine. Milliseconds. */
const SLOW_MS = 2_000;

export interface Fuzzed {
  readonly accepted: number;
  readonly refused: number;
  /** With the input, so that it can be kept in the corpus. */
  readonly failures: readonly string[];
}

/** Inputs of a decoder that are kept: sound ones, and those that once broke it. */
export const corpusOf = (name: string): readonly Buffer[] => {
  const entries: unknown = JSON.parse(readFileSync(new URL(`corpus/${name}.json`, import.meta.url), 'utf8'));
  if (!Array.isArray(entries)) throw new Error(`the corpus of ${name} is no list`);
  return entries.map((entry: unknown) => {
    const text = String(entry);
    return text.startsWith('base64:') ? Buffer.from(text.slice(7), 'base64') : Buffer.from(text, 'latin1');
  });
};

export const DECODER_NAMES: readonly string[] = Object.keys(DECODERS);

/** The corpus as it is, then so many mutations of it. */
export async function fuzz(name: string, rounds: number, random: Random, decoder = DECODERS[name]): Promise<Fuzzed> {
  if (decoder === undefined) throw new Error(`no decoder is called \`${name}\``);
  const corpus = corpusOf(name);
  if (name === 'dpop') keepProofs(corpus);
  const counted = { accepted: 0, refused: 0 };
  const failures: string[] = [];
  for (let at = -corpus.length; at < rounds; at++) {
    const input = corpus[at + corpus.length] ?? mutated(corpus, random);
    const outcome = await outcomeOf(decoder, input);
    if (outcome === 'accepted' || outcome === 'refused') counted[outcome]++;
    else failures.push(`${name}: ${outcome}: base64:${input.toString('base64')}`);
  }
  return { ...counted, failures };
}

async function outcomeOf(decoder: Decoder, input: Buffer): Promise<string> {
  const started = performance.now();
  const outcome = await decided(decoder, input);
  const took = performance.now() - started;
  return took > SLOW_MS ? `took ${Math.round(took)} ms` : outcome;
}

async function decided(decoder: Decoder, input: Buffer): Promise<string> {
  try {
    return (await decoder(input)) ?? 'accepted';
  } catch (error) {
    const known = error instanceof OAuthRefusal || error instanceof Failure || (error instanceof Refusal && isCode(error.code));
    return known ? 'refused' : `threw ${error instanceof Error ? `${error.name} ${error.message}` : String(error)}`.slice(0, 300);
  }
}
