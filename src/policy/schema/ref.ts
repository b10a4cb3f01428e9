// `$ref` of an input schema: a JSON Pointer (RFC 6901) in URI fragment form, into the same document. Nothing is ever fetched.
import { isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';

/** Longest chain of a reference that is itself a reference. */
const MAX_HOPS = 8;

/** The sub-schema that `ref` names, or undefined: remote, an anchor, dangling, or a chain without an end. attacker-controlled */
export function localTarget(root: JsonObject, ref: Json | undefined): JsonObject | undefined {
  let next = ref;
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const target = resolve(root, next);
    if (target === undefined || !Object.hasOwn(target, '$ref')) return target;
    next = target['$ref'];
  }
  return undefined;
}

function resolve(root: JsonObject, ref: Json | undefined): JsonObject | undefined {
  if (typeof ref !== 'string' || (ref !== '#' && !ref.startsWith('#/'))) return undefined;
  let at: Json = root;
  for (const token of ref.split('/').slice(1)) {
    const key = unescape(token);
    if (key === undefined || typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    const step: Json | undefined = isJsonObject(at) ? at[key] : at[Number(key)];
    if (step === undefined) return undefined;
    at = step;
  }
  return isJsonObject(at) ? at : undefined;
}

function unescape(token: string): string | undefined {
  try {
    return decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return undefined; // not a percent-encoding, so not a pointer
  }
}
