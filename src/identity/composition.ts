// What an agent is made of, as digests: its binary, prompt and tool manifest, and the name of its model. What was registered is expected;
// what an attestor saw or a workload reported is held against it.
import { Refusal } from '../domain/refusal.ts';

export const COMPOSITION_PARTS = ['binary', 'prompt', 'tools', 'model'] as const;
export type CompositionPart = (typeof COMPOSITION_PARTS)[number];

/** Hex SHA-256 of each part, lower case; `model` is a name. A part that is absent is not known, or not asked for. */
export type Composition = { readonly [part in CompositionPart]?: string };

const DIGEST = /^[0-9a-f]{64}$/;
const MODEL = /^[\x21-\x7e][\x20-\x7e]{0,199}$/;

/** attacker-controlled @throws Refusal CORDON-9011 a part that is no digest, a member that is no part */
export function parseComposition(parts: Readonly<Record<string, unknown>>): Composition {
  const read: Partial<Record<CompositionPart, string>> = {};
  for (const [name, value] of Object.entries(parts)) {
    const part = COMPOSITION_PARTS.find((known) => known === name);
    if (part === undefined) throw malformed(`\`${name.slice(0, 40)}\` is no part of a composition`, COMPOSITION_PARTS.join(', '));
    const form = part === 'model' ? MODEL : DIGEST;
    if (typeof value !== 'string' || !form.test(value))
      throw malformed(`\`${part}\` does not fit`, part === 'model' ? 'a name' : '64 hex digits');
    read[part] = value;
  }
  return read;
}

const malformed = (message: string, expected: string): Refusal => new Refusal('CORDON-9011', message, { expected });

/** The parts in which what was seen is not what is expected. A part that was not seen does not differ. */
export const driftOf = (expected: Composition, seen: Composition): readonly CompositionPart[] =>
  COMPOSITION_PARTS.filter((part) => expected[part] !== undefined && seen[part] !== undefined && expected[part] !== seen[part]);

/** The parts that are expected and that nobody has seen. */
export const unseenOf = (expected: Composition, seen: Composition): readonly CompositionPart[] =>
  COMPOSITION_PARTS.filter((part) => expected[part] !== undefined && seen[part] === undefined);

/** `prompt 9c1e41d0.., model m-2`, for a message. */
export const compositionText = (composition: Composition, parts: readonly CompositionPart[]): string =>
  parts.map((part) => `${part} ${shortOf(composition[part])}`).join(', ');

const shortOf = (value = 'unknown'): string => (DIGEST.test(value) ? `${value.slice(0, 8)}..` : value);
