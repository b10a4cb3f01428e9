// What policy sees of a request to a route, and the target that is made of the same values. A parameter that the route does not name is
// refused; a value has one reading and one spelling. INVARIANT I2
import type { HttpParameter, HttpRoute, ParameterType } from '../domain/http-route.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { MatchedRoute } from './http-routes.ts';
import { type QueryPair, writeQuery, writeSegment } from './http-target.ts';

export interface ReadParameters {
  /** By name, as policy sees them. */
  readonly values: ReadonlyMap<string, Json>;
  /** As it is sent on: path and query below the base of the API. */
  readonly target: string;
}

/** @throws Refusal CORDON-3006 */
export function readParameters({ route, path }: MatchedRoute, query: readonly QueryPair[]): ReadParameters {
  checkNames(route, query);
  const values = new Map<string, Json>();
  const sent: QueryPair[] = [];
  for (const parameter of route.parameters) {
    const { name, required } = parameter;
    const texts = parameter.in === 'path' ? [path.get(name) ?? ''] : query.flatMap(([key, text]) => (key === name ? [text] : []));
    if (texts.length === 0) {
      if (required) throw misfit(parameter, 'is missing');
      continue;
    }
    const value = readValue(parameter, texts);
    values.set(name, value);
    if (parameter.in === 'query') sent.push(...writtenValue(parameter, value));
  }
  const written = writeQuery(sent);
  return { values, target: `${writtenPath(route, values)}${written === '' ? '' : `?${written}`}` };
}

function checkNames({ parameters }: HttpRoute, query: readonly QueryPair[]): void {
  const known = new Set(parameters.flatMap((parameter) => (parameter.in === 'query' ? [parameter.name] : [])));
  const stray = query.find(([name]) => !known.has(name));
  if (stray === undefined) return;
  throw new Refusal('CORDON-3006', 'the query has a parameter that the route does not declare', {
    expected: [...known].join(', ').slice(0, 300) || 'no query',
  });
}

function readValue(parameter: HttpParameter, texts: readonly string[]): Json {
  if (parameter.list !== 'repeated' && texts.length > 1) throw misfit(parameter, 'is there more than once');
  const read = (text: string): Json => readText(parameter, text);
  if (parameter.list === undefined) return read(texts[0] ?? '');
  return (parameter.list === 'commas' ? (texts[0] ?? '').split(',') : texts).map(read);
}

function readText(parameter: HttpParameter, text: string): Json {
  const value = READERS[parameter.type](text);
  if (value === undefined) throw misfit(parameter, `is no ${parameter.type}`);
  return value;
}

/** One text for one value: `007`, `+1`, `1e3` and `TRUE` are refused. */
const READERS: Readonly<Record<ParameterType, (text: string) => Json | undefined>> = {
  string: (text) => text,
  integer: (text) => (/^(?:0|-?[1-9]\d{0,18})$/.test(text) ? integerOf(text) : undefined),
  number: (text) => (/^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,4})?$/.test(text) ? Number(text) : undefined),
  boolean: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
};

const integerOf = (text: string): number | bigint => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text));

const misfit = (parameter: HttpParameter, what: string): Refusal =>
  new Refusal('CORDON-3006', `the ${parameter.in} parameter \`${parameter.name}\` ${what}`);

const textOf = (value: Json): string => (typeof value === 'string' ? value : writeJson(value));

function writtenValue({ name, list }: HttpParameter, value: Json): readonly QueryPair[] {
  if (!isJsonArray(value)) return [[name, textOf(value)]];
  const texts = value.map(textOf);
  return list === 'commas' ? [[name, texts.join(',')]] : texts.map((text) => [name, text] as const);
}

const writtenPath = ({ path }: HttpRoute, values: ReadonlyMap<string, Json>): string =>
  path.replaceAll(/\{([^{}]+)\}/g, (_all, name: string) => writeSegment(textOf(values.get(name) ?? '')));

/** `context.input`: parameters, and the members of the body beside them or the body as a whole. @throws Refusal CORDON-3006 */
export function inputOf(route: HttpRoute, values: ReadonlyMap<string, Json>, body: Json | undefined): JsonObject {
  if (body === undefined) return Object.fromEntries(values);
  if (route.body?.kind === 'json' && route.body.input === 'body') return Object.fromEntries([...values, ['body', body]]);
  if (!isJsonObject(body)) throw new Refusal('CORDON-3006', 'the body is no object');
  const twice = Object.keys(body).find((name) => values.has(name));
  // the body would speak for the parameter, or the parameter for the body
  if (twice !== undefined) throw new Refusal('CORDON-3006', 'the body has a member that is called as a parameter is');
  return Object.fromEntries([...values, ...Object.entries(body)]);
}
