// How large an input schema may be at all, looked at before anything reads it. attacker-controlled: no recursion, and it stops at the bound.
import { isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';

const MAX_DEPTH = 64;
/** Values in it, at any depth: schemas, keywords, listed values. */
const MAX_VALUES = 20_000;
/** UTF-16 units of all names and strings. */
const MAX_TEXT = 262_144;

/** @throws Refusal CORDON-3006 */
export function checkSize(inputSchema: JsonObject): void {
  let values = 0;
  let text = 0;
  for (let level: readonly Json[] = [inputSchema], depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw tooLarge('is nested too deep', `at most ${MAX_DEPTH} levels`);
    const below: Json[] = [];
    for (const value of level) {
      if (typeof value === 'string') text += value.length;
      if (typeof value !== 'object' || value === null) continue;
      const names = isJsonObject(value) ? Object.keys(value) : [];
      values += isJsonObject(value) ? names.length : value.length;
      if (values > MAX_VALUES) throw tooLarge('is too large', `at most ${MAX_VALUES} values in it`);
      for (const name of names) text += name.length;
      for (const child of isJsonObject(value) ? Object.values(value) : value) below.push(child);
    }
    if (text > MAX_TEXT) throw tooLarge('is too long', `at most ${MAX_TEXT} characters of names and texts`);
    level = below;
  }
}

const tooLarge = (what: string, expected: string): Refusal => new Refusal('CORDON-3006', `the input schema ${what}`, { expected });
