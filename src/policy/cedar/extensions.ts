// Every extension function and method of Cedar 4.5. A method's receiver is its first argument.
import { Datetime, Duration } from './datetime.ts';
import { Decimal } from './decimal.ts';
import { EvaluationError } from './evaluation-error.ts';
import { IpAddr } from './ipaddr.ts';
import type { Long } from './long.ts';
import type { Extension, ExtensionName, Value } from './value.ts';

export interface ExtensionFunction {
  /** The type of each argument. */
  readonly parameters: readonly ParameterType[];
  /** @throws EvaluationError arity, type, extension, overflow */
  apply(args: readonly Value[]): Value;
}
export type ParameterType = 'string' | ExtensionName;

interface Parameter<T> {
  readonly type: ParameterType;
  /** @throws EvaluationError type */
  of(value: Value): T;
}

const text: Parameter<string> = { type: 'string', of: (value) => (typeof value === 'string' ? value : mistyped('string')) };
const decimal: Parameter<Decimal> = { type: 'decimal', of: (value) => (value instanceof Decimal ? value : mistyped('decimal')) };
const ip: Parameter<IpAddr> = { type: 'ip', of: (value) => (value instanceof IpAddr ? value : mistyped('ip')) };
const datetime: Parameter<Datetime> = { type: 'datetime', of: (value) => (value instanceof Datetime ? value : mistyped('datetime')) };
const duration: Parameter<Duration> = { type: 'duration', of: (value) => (value instanceof Duration ? value : mistyped('duration')) };

export const EXTENSIONS: ReadonlyMap<string, ExtensionFunction> = new Map([
  ['decimal', unary(text, (a) => Decimal.parse(a))],
  ['lessThan', binary(decimal, decimal, (a, b) => a.scaled < b.scaled)],
  ['lessThanOrEqual', binary(decimal, decimal, (a, b) => a.scaled <= b.scaled)],
  ['greaterThan', binary(decimal, decimal, (a, b) => a.scaled > b.scaled)],
  ['greaterThanOrEqual', binary(decimal, decimal, (a, b) => a.scaled >= b.scaled)],

  ['ip', unary(text, (a) => IpAddr.parse(a))],
  ['isIpv4', unary(ip, (a) => a.isIpv4())],
  ['isIpv6', unary(ip, (a) => a.isIpv6())],
  ['isLoopback', unary(ip, (a) => a.isLoopback())],
  ['isMulticast', unary(ip, (a) => a.isMulticast())],
  ['isInRange', binary(ip, ip, (a, b) => a.isInRange(b))],

  ['datetime', unary(text, (a) => Datetime.parse(a))],
  ['offset', binary(datetime, duration, (a, b) => a.offset(b))],
  ['durationSince', binary(datetime, datetime, (a, b) => a.since(b))],
  ['toDate', unary(datetime, (a) => a.toDate())],
  ['toTime', unary(datetime, (a) => a.toTime())],

  ['duration', unary(text, (a) => Duration.parse(a))],
  ['toMilliseconds', unary(duration, (a) => a.ms)],
  ['toSeconds', unary(duration, (a) => a.toSeconds())],
  ['toMinutes', unary(duration, (a) => a.toMinutes())],
  ['toHours', unary(duration, (a) => a.toHours())],
  ['toDays', unary(duration, (a) => a.toDays())],
]);

/** For `<` and its kin: negative, 0 or positive for two datetimes or two durations; undefined for values that have no order. */
export function compareExtensions(a: Extension, b: Extension): number | undefined {
  if (a instanceof Datetime && b instanceof Datetime) return compare(a.ms, b.ms);
  return a instanceof Duration && b instanceof Duration ? compare(a.ms, b.ms) : undefined;
}

const compare = (a: Long, b: Long): number => (a < b ? -1 : a > b ? 1 : 0);

function unary<A>(first: Parameter<A>, apply: (a: A) => Value): ExtensionFunction {
  return {
    parameters: [first.type],
    apply: ([a, ...more]) => (a === undefined || more.length > 0 ? miscounted(1) : apply(first.of(a))),
  };
}

function binary<A, B>(first: Parameter<A>, second: Parameter<B>, apply: (a: A, b: B) => Value): ExtensionFunction {
  return {
    parameters: [first.type, second.type],
    apply: ([a, b, ...more]) => (a === undefined || b === undefined || more.length > 0 ? miscounted(2) : apply(first.of(a), second.of(b))),
  };
}

function mistyped(expected: ParameterType): never {
  throw new EvaluationError('type', `expected a \`${expected}\``);
}

function miscounted(expected: number): never {
  throw new EvaluationError('arity', `expected ${expected === 1 ? 'one argument' : 'two arguments'}`);
}
