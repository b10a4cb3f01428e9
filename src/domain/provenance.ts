// What a session knows of the arguments of one call: names of arguments and numbers, never values. It stands beside the request, is what
// policy sees as `context.session`, and is on record with the decision.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';

/** Arguments, in sets. `sinks` say where something goes or what is acted on; the others say where their values were, or were not, found. */
export const ARGUMENT_SETS = ['sinks', 'untrusted', 'unseen', 'ambiguous', 'excess'] as const;
export const SESSION_FLAGS = ['known', 'unplanned', 'exhausted'] as const;
export const SESSION_COUNTS = ['calls', 'writes', 'same'] as const;
/** Of this tool, the calls in the last so much time. */
export const WINDOWS = ['minute', 'hour'] as const;

/** What nobody knows any more is taken to be beyond any limit. */
export const UNCOUNTED = Number.MAX_SAFE_INTEGER;

/** @see Facts of `trust/`, whose words these are */
export type SessionFacts = { readonly effect: 'read' | 'write' } & { readonly [S in (typeof ARGUMENT_SETS)[number]]: readonly string[] } & {
  readonly [F in (typeof SESSION_FLAGS)[number]]: boolean;
} & { readonly [C in (typeof SESSION_COUNTS)[number]]: number } & {
  /** Of this tool, by the name of an argument: what its whole numbers come to. Values, so they are kept with the arguments and not on record. */
  readonly sums: Readonly<Record<string, number>>;
  readonly recent: { readonly [W in (typeof WINDOWS)[number]]: number };
};

/** Arguments that say where something goes and that nothing trusted explains. */
export const unexplained = ({ sinks, untrusted, unseen, excess }: SessionFacts): readonly string[] =>
  sinks.filter((name) => [untrusted, unseen, excess].some((those) => those.includes(name)));

/** Reads back what was kept; undefined when it is anything else. */
export function parseSessionFacts(json: Json | undefined): SessionFacts | undefined {
  if (!isJsonObject(json) || (json['effect'] !== 'read' && json['effect'] !== 'write')) return undefined;
  const whole = { same: UNCOUNTED, sums: {}, recent: { minute: UNCOUNTED, hour: UNCOUNTED }, ...json };
  return isWhole(whole) ? whole : undefined;
}

const isWhole = (json: JsonObject): json is SessionFacts =>
  ARGUMENT_SETS.every((name) => isNames(json[name])) &&
  SESSION_FLAGS.every((name) => typeof json[name] === 'boolean') &&
  SESSION_COUNTS.every((name) => Number.isSafeInteger(json[name])) &&
  isJsonObject(json['sums']) &&
  Object.values(json['sums']).every((sum) => Number.isSafeInteger(sum)) &&
  hasWindows(json['recent']);

const hasWindows = (json: Json | undefined): boolean => isJsonObject(json) && WINDOWS.every((name) => Number.isSafeInteger(json[name]));

const isNames = (json: Json | undefined): boolean => isJsonArray(json) && json.every((name) => typeof name === 'string');
