// The official engine as the judge of ours: which expressions it finds true, which it cannot evaluate, and what it does not take at all.
import { ok } from 'node:assert/strict';
import type { Json } from '../../src/domain/json.ts';
import { EngineTrap, Official, type OfficialUid } from '../../src/policy/cedar/official.ts';
import { JsonText } from '../../src/policy/cedar/official-json.ts';
import { CedarInputError } from '../../src/policy/cedar/input-error.ts';

export const official = new Official();
export const NOBODY = { type: 'A', id: '' };

/** What is not given is empty, or nobody. */
interface Given {
  readonly request?: { readonly principal: OfficialUid; readonly action: OfficialUid; readonly resource: OfficialUid };
  readonly context?: Json;
  readonly entities?: Json;
}

/** Expressions. */
export interface Found {
  readonly held: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
}

let sets = 0;

/** Asks about these expressions; undefined when the engine refuses what it is given. With a schema, it is given what is valid by that. */
export function asking(expressions: readonly string[], schema?: string): (given: Given) => Found | undefined {
  const name = schema === undefined ? 'plain' : `guided-${sets++}`;
  const policies = expressions.map((text, at) => [`p${at}`, `permit(principal, action, resource) when { ${text} };`] as const);
  official.prepare(name, { static: new Map(policies) }, schema);
  const named = (ids: readonly string[]): ReadonlySet<string> => new Set(ids.map((id) => expressions[Number(id.slice(1))] ?? id));
  return ({ request, context = {}, entities = [] }) => {
    const asked = { principal: NOBODY, action: NOBODY, resource: NOBODY, ...request, context };
    try {
      const { reasons, errors } = official.authorize(name, JsonText.of(asked), JsonText.of(entities));
      return { held: named(reasons), failed: named(errors.map(({ policy }) => policy)) };
    } catch (error) {
      ok(!(error instanceof EngineTrap), 'the engine refuses, it does not throw');
      return undefined;
    }
  };
}

/** Is what this gives refused, plainly? */
export const isRefused = (given: Given): boolean => asking([])(given) === undefined;

/** What `read` gives, or undefined when it refuses. */
export function reading<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    ok(error instanceof CedarInputError || /its own ancestor|of one name differ/.test(String(error)), String(error));
    return undefined;
  }
}
