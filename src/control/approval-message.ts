// What somebody elsewhere is told of a request for approval: who asks for what, the names of the arguments, and where it is answered. It is
// told, and nothing more: an answer is given by an operator, under their own identity (I7).
import type { AccessRequest } from '../domain/access.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { writeJson } from '../domain/json.ts';
import type { GrantEvent } from './grants.ts';

export interface ApprovalMessageParts {
  readonly trustDomain: string;
  /** Of the control API. */
  readonly controlUrl: string;
  /** The page of the request of this digest, for people; undefined: nobody signs in. */
  readonly pageOf: ((digest: string) => string) | undefined;
  /** The values of arguments are told too. */
  readonly values: boolean;
}

/** Names and texts come from agents. */
const MOST_NAMES = 64;
const MOST_TEXT = 512;
const MOST_VALUES = 16_384;

const short = (text: string): string => (text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}…`.toWellFormed());
const timeOf = (at: number): string => new Date(at).toISOString();

/** `at`: Unix milliseconds. */
export function approvalMessage({ kind, grant, request, narrowed }: GrantEvent, at: number, parts: ApprovalMessageParts): JsonObject {
  const { id, state, times, uses, used } = grant;
  const page = parts.pageOf?.(grant.digest);
  return {
    type: `approval.${kind}`,
    timestamp: timeOf(at),
    data: {
      schema: 'cordon.approval/v1',
      id,
      state,
      trust_domain: parts.trustDomain,
      ...askedOf(request),
      digest: `sha256:${grant.digest}`,
      decision: grant.decision,
      approver: grant.approver,
      policies: grant.policies.map(short),
      reason: short(grant.reason),
      ...argumentsOf(request, parts.values),
      ...(narrowed === undefined ? {} : { narrowed: Object.keys(narrowed).slice(0, MOST_NAMES).map(short) }),
      asked_at: timeOf(grant.askedAt),
      // of the request, or of what was approved
      expires_at: timeOf(grant.until),
      times,
      ...(state === 'asked' ? {} : { uses, used }),
      ...(grant.answeredBy === undefined ? {} : { answered_by: grant.answeredBy }),
      answer: { command: `cordon grant get ${id}`, api: `${parts.controlUrl}/v1/grants/${id}`, ...(page === undefined ? {} : { page }) },
    },
  };
}

function askedOf({ subject, action, resource, delegation }: AccessRequest): JsonObject {
  const user = delegation?.user;
  const purposes = [...new Set(delegation?.mandate.flatMap(({ purpose }) => purpose ?? []))];
  return {
    agent: subject.id,
    ...(subject.run === undefined ? {} : { run: subject.run }),
    ...(user === undefined ? {} : { user: { issuer: short(user.issuer), id: short(user.id) } }),
    action: short(action.name),
    resource: { type: resource.type, id: short(resource.id) },
    ...(purposes.length === 0 ? {} : { purpose: purposes.slice(0, MOST_NAMES) }),
  };
}

function argumentsOf({ context: { input = {} } }: AccessRequest, values: boolean): { readonly [name: string]: Json } {
  const names = Object.keys(input);
  const told: JsonObject = {
    arguments: names.slice(0, MOST_NAMES).map(short),
    ...(names.length > MOST_NAMES ? { more_arguments: names.length - MOST_NAMES } : {}),
  };
  if (!values) return told;
  return writeJson(input).length <= MOST_VALUES ? { ...told, values: input } : { ...told, values_omitted: true };
}
