// The same call with less: what a person approves in place of what was asked. Numbers may become smaller, lists may lose elements, and nothing
// else changes, so an approver cannot write a call of their own into the mouth of an agent. That less is less is for the person to judge: a
// smaller `limit` is, a smaller `delay` is not. INVARIANTS I2, I4
import type { AccessRequest } from '../domain/access.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

/** `changes`: arguments that take the place of those of the same name. @throws Refusal CORDON-9011 where that is not less of the same */
export function narrowed(request: AccessRequest, changes: JsonObject): AccessRequest {
  const { input } = request.context;
  if (input === undefined || request.resource.type !== 'tool')
    throw bad('only the arguments of a tool can be narrowed', request.action.name);
  for (const [name, to] of Object.entries(changes)) {
    const from = Object.hasOwn(input, name) ? input[name] : undefined;
    if (from === undefined) throw bad('the call has no such argument', name);
    if (isSame(from, to) || !isNoMore(from, to))
      throw bad('not less of what was asked: a smaller number, or fewer elements of a list', name);
  }
  if (Object.keys(changes).length === 0) throw bad('nothing is narrowed', '');
  return { ...request, context: { ...request.context, input: { ...input, ...changes } } };
}

const bad = (message: string, observed: string): Refusal =>
  new Refusal('CORDON-9011', message, { observed, fix: 'see what is asked: `cordon grant get`' });

const isSame = (a: Json, b: Json): boolean => writeJson(a) === writeJson(b);
const isNumber = (json: Json): json is number | bigint => typeof json === 'number' || typeof json === 'bigint';

function isNoMore(from: Json, to: Json): boolean {
  if (isNumber(from) && isNumber(to)) return (to >= 0 && to <= from) || isSame(from, to);
  if (isJsonArray(from) && isJsonArray(to)) return isPartOf(from, to);
  if (isJsonObject(from) && isJsonObject(to))
    return haveSameNames(from, to) && Object.keys(from).every((name) => isNoMore(from[name] ?? null, to[name] ?? null));
  return isSame(from, to);
}

/** A member that is left out may mean more: none at all of it is left out. */
const haveSameNames = (from: JsonObject, to: JsonObject): boolean =>
  Object.keys(from).length === Object.keys(to).length && Object.keys(from).every((name) => Object.hasOwn(to, name));

/** The same elements in the same order, some of them gone, but not all: no elements at all may mean every one. */
function isPartOf(from: readonly Json[], to: readonly Json[]): boolean {
  let at = 0;
  for (const one of from) {
    const next = to[at];
    if (next !== undefined && isSame(one, next)) at += 1;
  }
  return at === to.length && (to.length > 0 || from.length === 0);
}
