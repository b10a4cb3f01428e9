// What a PEP has to do along with a decision. Standard: AuthZEN Profile for Obligations, draft 1 (July 2026). Draft: the names are in
// this file alone. Earlier drafts have the members of a type beside `id` and `type`; that form is read, never written.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { misfit, objectIn } from './request.ts';

export const OBLIGATION_TYPES = ['step-up', 'notification', 'session_termination', 'custom'] as const;
export type ObligationType = (typeof OBLIGATION_TYPES)[number];

export interface Obligation {
  /** Unique in one answer. */
  readonly id: string;
  readonly type: ObligationType;
  readonly properties: JsonObject;
}

type Check = (value: Json | undefined) => boolean;
const text: Check = (value) => typeof value === 'string' && value !== '';
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const texts: Check = (value) => isJsonArray(value) && value.every(text);

/** The members of each type that its draft names; of `custom`, PDP and PEP know more than this. */
const MEMBERS: Readonly<Record<ObligationType, Readonly<Record<string, Check>>>> = {
  'step-up': { acr_value: text, amr_values: optional(texts) },
  notification: { to: text, body: text, topic: optional(text) },
  session_termination: { subject: text },
  custom: {},
};

const isType = (value: Json | undefined): value is ObligationType => OBLIGATION_TYPES.some((type) => type === value);

/** The form in which members were seen. */
export type ObligationForm = 'properties' | 'inline';

/** attacker-controlled, where a remote PDP says it. @throws Refusal CORDON-9011 for one of an unknown type, or malformed */
export function obligationIn(json: Json): { readonly obligation: Obligation; readonly form: ObligationForm } {
  const { id, type, properties, ...inline } = objectIn(json, 'an obligation');
  if (typeof id !== 'string' || id === '') throw misfit('an obligation has no `id`');
  if (!isType(type)) throw misfit('the type of an obligation is not known');
  if (properties !== undefined && !isJsonObject(properties)) throw misfit('the `properties` of an obligation must be an object');
  const members = properties ?? inline;
  const wrong = Object.entries(MEMBERS[type]).find(([name, check]) => !check(members[name]));
  if (wrong !== undefined) throw misfit(`\`${wrong[0]}\` of an obligation \`${type}\` does not fit`);
  return { obligation: { id, type, properties: members }, form: properties === undefined ? 'inline' : 'properties' };
}

/** As it is sent. */
export const obligationJson = ({ id, type, properties }: Obligation): JsonObject => ({ id, type, properties });
