// The strict comparator: everything that AuthZEN 1.0 demands of a reply is held against it, and what it allows (`context`, `page`) is
// allowed. Each function returns what is wrong, in words; nothing wrong is an empty list.
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson } from '../../src/domain/json.ts';
import type { InteropCase } from './authzen-vectors.ts';

export interface Reply {
  readonly status: number;
  /** Lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

export interface Read {
  readonly body: JsonObject;
  readonly problems: readonly string[];
}

/** A reply that carries an answer: 200, JSON, an object, no key twice, no null. */
export function readReply({ status, headers, text }: Reply): Read {
  if (status !== 200) return { body: {}, problems: [`status ${status}`] };
  const type = String(headers['content-type']).split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') return { body: {}, problems: [`content type ${type}`] };
  let body: Json;
  try {
    body = parseJson(Buffer.from(text), { maxBytes: 10_000_000, maxDepth: 32 });
  } catch (error) {
    return { body: {}, problems: [error instanceof Error ? error.message : 'no JSON'] };
  }
  if (!isJsonObject(body)) return { body: {}, problems: ['the body is no object'] };
  return { body, problems: hasNull(body) ? ['a null'] : [] };
}

function hasNull(json: Json): boolean {
  if (json === null) return true;
  if (isJsonArray(json)) return json.some(hasNull);
  return isJsonObject(json) && Object.values(json).some(hasNull);
}

/** `expected` undefined: any decision. */
export function decisionProblems(answer: Json | undefined, expected?: boolean): string[] {
  if (!isJsonObject(answer)) return ['no decision object'];
  const { decision, context } = answer;
  const problems: string[] = [];
  if (typeof decision !== 'boolean') problems.push('the decision is no boolean');
  else if (expected !== undefined && decision !== expected) problems.push(`decision ${decision}, expected ${expected}`);
  if (context !== undefined && !isJsonObject(context)) problems.push('the context is no object');
  return problems;
}

/** As many decisions as expected, in order; of an entry that is no boolean, any. */
export function batchProblems({ evaluations }: JsonObject, expected: readonly Json[]): string[] {
  if (!isJsonArray(evaluations)) return ['no evaluations'];
  if (evaluations.length !== expected.length) return [`${evaluations.length} evaluations, expected ${expected.length}`];
  return expected.flatMap((one, at) => {
    const decision = isJsonObject(one) ? one['decision'] : undefined;
    return decisionProblems(evaluations[at], typeof decision === 'boolean' ? decision : undefined).map((problem) => `${at}: ${problem}`);
  });
}

/** One result as text: `record 101`, `edit`; undefined for what is none. `type`: what was searched for. */
function keyOf(result: Json, type: string | undefined): string | undefined {
  if (!isJsonObject(result)) return undefined;
  const { name, id } = result;
  if (type === undefined) return typeof name === 'string' ? name : undefined;
  return result['type'] === type && typeof id === 'string' ? `${type} ${id}` : undefined;
}

/** The form of a search reply; `keys` are its results. `type`: undefined in an action search. */
export function searchProblems({ results, page, context }: JsonObject, type: string | undefined): { keys: string[]; problems: string[] } {
  if (!isJsonArray(results)) return { keys: [], problems: ['no results'] };
  const keys = results.flatMap((result) => keyOf(result, type) ?? []);
  const problems = pageProblems(page);
  if (keys.length !== results.length) problems.push('a result that is none');
  if (new Set(keys).size !== keys.length) problems.push('a result twice');
  if (context !== undefined && !isJsonObject(context)) problems.push('the context is no object');
  return { keys, problems };
}

export function pageProblems(page: Json | undefined): string[] {
  if (page === undefined) return [];
  if (!isJsonObject(page)) return ['the page is no object'];
  const { next_token: next, count = 0, total = 0, properties = {} } = page;
  const fits = typeof next === 'string' && typeof count === 'number' && typeof total === 'number' && isJsonObject(properties);
  return fits ? [] : ['a page that is none'];
}

/** Every result that is expected, nothing else, on one page. */
function resultProblems(body: JsonObject, expected: JsonObject, type: string | undefined): string[] {
  const { keys, problems } = searchProblems(body, type);
  const wanted = isJsonArray(expected['results']) ? expected['results'].flatMap((result) => keyOf(result, type) ?? []) : [];
  const missing = wanted.filter((key) => !keys.includes(key));
  const extra = keys.filter((key) => !wanted.includes(key));
  const more = isJsonObject(body['page']) && body['page']['next_token'] !== '' ? ['more pages than one'] : [];
  return [...problems, ...more, ...missing.map((key) => `missing ${key}`), ...extra.map((key) => `unexpected ${key}`)];
}

/** What is wrong with the reply to an interop case. */
export function interopProblems({ api, request, expected }: InteropCase, reply: Reply): readonly string[] {
  const { body, problems } = readReply(reply);
  if (problems.length > 0) return problems;
  if (typeof expected === 'boolean') return decisionProblems(body, expected);
  if (isJsonArray(expected)) return batchProblems(body, expected);
  if (!isJsonObject(expected)) throw new Error('an expectation that is not known');
  return resultProblems(body, expected, searchedType(api, request));
}

/** The type of what a search is for; undefined for actions. */
export function searchedType(api: string, request: JsonObject): string | undefined {
  const side = request[api.replace('search/', '')];
  const type = isJsonObject(side) ? side['type'] : undefined;
  return typeof type === 'string' ? type : undefined;
}
