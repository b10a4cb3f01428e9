// What a mandate says of the arguments of a call: by name, the values that it lets pass. A named argument must be there, and must satisfy
// every member of its limit; what no value can satisfy is refused when it is read.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';
import { Refusal } from './refusal.ts';

export type Scalar = string | number | bigint | boolean;

/** One of: values, a range of numbers, a beginning and an end of a text, or nothing but that it is there. */
export type Limit = {
  readonly in?: readonly Scalar[];
  readonly min?: number | bigint;
  readonly max?: number | bigint;
  readonly prefix?: string;
  readonly suffix?: string;
};

/** By the name of an argument. */
export type Limits = { readonly [name: string]: Limit };

const MOST = { arguments: 16, values: 64, name: 128, text: 512 };
const MEMBERS = new Set(['in', 'min', 'max', 'prefix', 'suffix']);

/** Reads the `arguments` of an entry. attacker-controlled @throws Refusal CORDON-9011 */
export function parseLimits(json: Json): Limits {
  const named = isJsonObject(json) ? Object.entries(json) : [];
  if (!isJsonObject(json) || named.length > MOST.arguments) throw bad(`\`arguments\` is an object of at most ${MOST.arguments} members`);
  return Object.fromEntries(
    named.map(([name, limit]) => {
      if (name === '' || name.length > MOST.name) throw bad('the name of an argument');
      return [name, parseLimit(limit)];
    }),
  );
}

function parseLimit(json: Json): Limit {
  if (!isJsonObject(json) || Object.keys(json).some((member) => !MEMBERS.has(member)))
    throw bad(`expected \`${[...MEMBERS].join('`, `')}\` of an argument`);
  const { min, max, prefix, suffix } = json;
  const limit: Limit = {
    ...(json['in'] === undefined ? {} : { in: parseValues(json['in']) }),
    ...(min === undefined ? {} : { min: number(min) }),
    ...(max === undefined ? {} : { max: number(max) }),
    ...(prefix === undefined ? {} : { prefix: text(prefix) }),
    ...(suffix === undefined ? {} : { suffix: text(suffix) }),
  };
  const simple = simplest(limit);
  if (simple === undefined) throw bad('no value satisfies the limit of an argument');
  return simple;
}

function parseValues(json: Json): readonly Scalar[] {
  if (!isJsonArray(json) || json.length === 0 || json.length > MOST.values) throw bad(`\`in\` is a list of 1 to ${MOST.values}`);
  return json.map((value) => {
    if (typeof value === 'string') return text(value);
    if (typeof value === 'boolean' || isNumber(value)) return value;
    throw bad('`in` holds texts, numbers and booleans');
  });
}

function number(json: Json): number | bigint {
  if (isNumber(json)) return json;
  throw bad('`min` and `max` are numbers');
}

function text(json: Json): string {
  if (typeof json === 'string' && json.length <= MOST.text) return json;
  throw bad(`a text of a limit has at most ${MOST.text} characters`);
}

const bad = (why: string): Refusal => new Refusal('CORDON-9011', `not a mandate: ${why}`);

/** Are all the named arguments there, with values that pass? */
export function satisfiesLimits(limits: Limits, input: JsonObject): boolean {
  return Object.entries(limits).every(([name, limit]) => satisfies(limit, Object.hasOwn(input, name) ? input[name] : undefined));
}

function satisfies({ in: values, min, max, prefix, suffix }: Limit, value: Json | undefined): boolean {
  if (value === undefined) return false;
  if (values !== undefined && !values.some((one) => isSame(one, value))) return false;
  if ((min !== undefined || max !== undefined) && !isBetween(value, min, max)) return false;
  if (prefix === undefined && suffix === undefined) return true;
  return typeof value === 'string' && value.startsWith(prefix ?? '') && value.endsWith(suffix ?? '');
}

const isNumber = (value: Json | undefined): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

/** Numbers of both kinds by what they are worth. */
const isSame = (a: Json, b: Json): boolean => (isNumber(a) && isNumber(b) ? isBetween(a, b, b) : a === b);

const isBetween = (value: Json, min: number | bigint | undefined, max: number | bigint | undefined): boolean =>
  isNumber(value) && (min === undefined || value >= min) && (max === undefined || value <= max);

/** Does every input that satisfies `narrower` satisfy `wider`? Says no where that cannot be seen argument by argument. */
export const coversLimits = (wider: Limits, narrower: Limits): boolean =>
  Object.entries(wider).every(([name, limit]) => {
    const own = limitOf(narrower, name);
    return own !== undefined && coversLimit(limit, own);
  });

const limitOf = (limits: Limits, name: string): Limit | undefined => (Object.hasOwn(limits, name) ? limits[name] : undefined);

function coversLimit(wider: Limit, narrower: Limit): boolean {
  if (narrower.in !== undefined) return narrower.in.every((value) => satisfies(wider, value));
  if (wider.in !== undefined) return false;
  const { min, max, prefix = '', suffix = '' } = narrower;
  return (
    (wider.min === undefined || (min !== undefined && min >= wider.min)) &&
    (wider.max === undefined || (max !== undefined && max <= wider.max)) &&
    (wider.prefix === undefined || (narrower.prefix !== undefined && prefix.startsWith(wider.prefix))) &&
    (wider.suffix === undefined || (narrower.suffix !== undefined && suffix.endsWith(wider.suffix)))
  );
}

/** What satisfies both; undefined when nothing does, or when it cannot be said in as many arguments as a mandate may name. */
export function sharedLimits(a: Limits, b: Limits): Limits | undefined {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const shared = names.flatMap((name) => {
    const limit = sharedLimit(limitOf(a, name) ?? {}, limitOf(b, name) ?? {});
    return limit === undefined ? [] : [[name, limit] as const];
  });
  return shared.length < names.length || names.length > MOST.arguments ? undefined : Object.fromEntries(shared);
}

function sharedLimit(a: Limit, b: Limit): Limit | undefined {
  const values = a.in === undefined ? b.in : a.in.filter((value) => b.in?.some((one) => isSame(one, value)) ?? true);
  const [prefix, suffix] = [
    longer(a.prefix, b.prefix, (long, short) => long.startsWith(short)),
    longer(a.suffix, b.suffix, (long, short) => long.endsWith(short)),
  ];
  if (prefix === undefined || suffix === undefined) return undefined;
  const [min, max] = [extreme(a.min, b.min, (one, other) => one > other), extreme(a.max, b.max, (one, other) => one < other)];
  return simplest({
    ...(values === undefined ? {} : { in: values }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...prefix.map((of) => ({ prefix: of }))[0],
    ...suffix.map((of) => ({ suffix: of }))[0],
  });
}

/** The longer of two that agree, none when there is none; undefined when they contradict each other. */
function longer(
  a: string | undefined,
  b: string | undefined,
  agree: (long: string, short: string) => boolean,
): readonly string[] | undefined {
  if (a === undefined || b === undefined) return [a ?? b].filter((one) => one !== undefined);
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  return agree(long, short) ? [long] : undefined;
}

const extreme = <T>(a: T | undefined, b: T | undefined, isFurther: (one: T, other: T) => boolean): T | undefined =>
  a === undefined || b === undefined ? (a ?? b) : isFurther(a, b) ? a : b;

/** The same in the fewest members: values alone where there are values. Undefined when nothing satisfies it. */
function simplest(limit: Limit): Limit | undefined {
  const { in: values, min, max, prefix, suffix } = limit;
  if (values !== undefined) {
    const { in: _all, ...others } = limit;
    const left = values.filter((value) => satisfies(others, value));
    return left.length === 0 ? undefined : { in: left };
  }
  const ofNumbers = min !== undefined || max !== undefined;
  if (ofNumbers && (prefix !== undefined || suffix !== undefined)) return undefined;
  return min !== undefined && max !== undefined && min > max ? undefined : limit;
}
