// What the official engine complains about, as the rest of the code reads it: UTF-16 positions, and never a value of a request.
import type { DetailedError } from '@cedar-policy/cedar-wasm/nodejs';

export interface OfficialIssue {
  readonly message: string;
  readonly help: string | undefined;
  /** UTF-16 range in the text that was given; 0, 0 when the engine names no place. */
  readonly at: number;
  readonly length: number;
}

/** Tells issues from the answer that there would be without them. */
export const isIssues = (answer: unknown): answer is readonly OfficialIssue[] => Array.isArray(answer);

export function issueOf({ message, help, sourceLocations }: DetailedError, text: string): OfficialIssue {
  const [place = { start: 0, end: 0 }] = sourceLocations ?? [];
  const at = unitsBefore(text, place.start);
  return { message: bare(message), help: help ?? undefined, at, length: unitsBefore(text, place.end) - at };
}

export const sentences = (errors: readonly DetailedError[]): string => errors.map(({ message }) => message).join('; ');

/** An evaluation error quotes the values it met, and values of arguments stay out of records (INVARIANT I8). */
export const withoutValues = (message: string): string => bare(message).replace(/`.*`/s, '`…`').slice(0, 300);

/** The engine's sentence without the policy's id, which stands beside it. */
const bare = (message: string): string =>
  message.replace(/^(?:for (?:policy|template) `[^`]*`, |failed to parse (?:policy|template) (?:with id `[^`]*` )?from string: )/, '');

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The engine counts UTF-8 bytes. */
const unitsBefore = (text: string, bytes: number): number =>
  bytes === 0 ? 0 : decoder.decode(new TextEncoder().encode(text).subarray(0, bytes)).length;
