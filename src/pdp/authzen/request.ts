// Requests of AuthZEN 1.0, read. attacker-controlled: bounded and parsed by the strict JSON reader before. Unknown members are ignored at
// every level; a member that is there has its type, and null is no value.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { AuthzenAction, AuthzenEntity, EvaluationRequest } from './port.ts';

/** @throws Refusal CORDON-9011 */
export function objectIn(body: Json | undefined, what = 'the body'): JsonObject {
  if (isJsonObject(body)) return body;
  throw misfit(body === undefined ? `${what} is missing` : `${what} must be an object`);
}

/** §6.1. @throws Refusal CORDON-9011 */
export const evaluationIn = (body: JsonObject): EvaluationRequest => ({
  subject: entityIn(body, 'subject'),
  action: actionIn(body),
  resource: entityIn(body, 'resource'),
  ...contextIn(body),
});

/** @throws Refusal CORDON-9011 */
export function entityIn(body: JsonObject, role: 'subject' | 'resource'): AuthzenEntity {
  const entity = objectIn(body[role], `\`${role}\``);
  return { type: textIn(entity, role, 'type'), id: textIn(entity, role, 'id'), ...propertiesIn(entity, role) };
}

/** The side that is searched for: an id is ignored. @throws Refusal CORDON-9011 */
export function typeIn(body: JsonObject, role: 'subject' | 'resource'): Omit<AuthzenEntity, 'id'> {
  const entity = objectIn(body[role], `\`${role}\``);
  return { type: textIn(entity, role, 'type'), ...propertiesIn(entity, role) };
}

/** @throws Refusal CORDON-9011 */
export function actionIn(body: JsonObject): AuthzenAction {
  const action = objectIn(body['action'], '`action`');
  return { name: textIn(action, 'action', 'name'), ...propertiesIn(action, 'action') };
}

/** @throws Refusal CORDON-9011 */
export const contextIn = (body: JsonObject): Pick<EvaluationRequest, 'context'> =>
  body['context'] === undefined ? {} : { context: objectIn(body['context'], '`context`') };

const propertiesIn = (of: JsonObject, role: string): { readonly properties?: JsonObject } =>
  of['properties'] === undefined ? {} : { properties: objectIn(of['properties'], `\`${role}.properties\``) };

function textIn(of: JsonObject, role: string, member: string): string {
  const text = of[member];
  if (typeof text === 'string') return text;
  throw misfit(`\`${role}.${member}\` ${text === undefined ? 'is missing' : 'must be a string'}`);
}

export interface PageRequest {
  readonly token: string;
  readonly limit: number;
  /** Was a page asked for? */
  readonly asked: boolean;
}

/** Results on one page, also when none is asked for. */
export const MAX_LIMIT = 1000;

/** §8.3. More than the most is the most. @throws Refusal CORDON-9011 */
export function pageIn(body: JsonObject): PageRequest {
  if (body['page'] === undefined) return { token: '', limit: MAX_LIMIT, asked: false };
  const { token = '', limit = MAX_LIMIT } = objectIn(body['page'], '`page`');
  if (typeof token !== 'string') throw misfit('`page.token` must be a string');
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 1) throw misfit('`page.limit` must be a positive integer');
  return { token, limit: Math.min(limit, MAX_LIMIT), asked: true };
}

/** `evaluations`; none and empty are the same. @throws Refusal CORDON-9011 */
export function itemsIn(body: JsonObject, most: number): readonly Json[] {
  const items = body['evaluations'] ?? [];
  if (body['evaluations'] === null || !isJsonArray(items)) throw misfit('`evaluations` must be an array');
  if (items.length > most) throw misfit(`\`evaluations\` holds ${items.length} items, more than ${most}`);
  return items;
}

export const misfit = (message: string): Refusal => new Refusal('CORDON-9011', message);
