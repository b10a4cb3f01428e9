// One row of the control API: method, path, role, what it takes, what it does. A route without a role does not compile.
import type * as z from 'zod';
import type { JsonObject } from '../domain/json.ts';
import type { TwoPersonRule } from '../domain/operators.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { Role } from './caller.ts';
import type { Control } from './control.ts';
import { inputOf } from './input.ts';

export interface Asked<T> {
  readonly control: Control;
  readonly caller: SvidFacts;
  readonly input: T;
}

export interface RouteRow {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly role: Role;
  /** The rule by which it may wait for a second person. */
  readonly second?: TwoPersonRule;
  /** Bytes that a body may have, where that is more than usual. */
  readonly bodyLimit?: number;
  /** `input`: path parameters, query and body together; checked here. @throws Refusal CORDON-9011 */
  readonly handle: (control: Control, caller: SvidFacts, input: unknown) => JsonObject | Promise<JsonObject>;
}

/** One row. What it takes is checked before `handle` sees it, so the two cannot disagree. */
export const route = <S extends z.ZodType>(
  [method, path, role]: readonly [RouteRow['method'], string, Role],
  takes: S,
  handle: (asked: Asked<z.infer<S>>) => JsonObject | Promise<JsonObject>,
): RouteRow => ({
  method,
  path,
  role,
  handle: (control, caller, input) => handle({ control, caller, input: inputOf(takes, input) }),
});
