// Routes that ask what policies mean. Nothing is changed by any of them; a draft is sent along as its sources.
import * as z from 'zod';
import { LEVELS } from '../domain/access.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { can } from './can.ts';
import { name } from './input.ts';
import { route, type RouteRow } from './route.ts';
import { large, sources, version } from './routes-policy.ts';

/** The body was read by the strict JSON parser, so an object in it is JSON all the way down. */
const object = z.custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
const draft = z.union([z.strictObject({ version }), z.strictObject({ sources: sources.nonoptional() })]);
const which = z.union([z.strictObject({ place: z.enum(['enforced', 'directory']) }), draft]);

const onBehalf = z.strictObject({
  user: z.string().min(1).max(300),
  issuer: z.string().max(2_048).exactOptional(),
  groups: z.array(z.string().max(300)).max(1_000).exactOptional(),
  mandate: z.custom<Json>((value) => Array.isArray(value)).exactOptional(),
});
const question = z.strictObject({
  agent: name,
  action: z.string().max(128),
  resource: z.string().max(256),
  input: object.default({}),
  onBehalf: onBehalf.exactOptional(),
  draft: draft.exactOptional(),
});
const diff = z.strictObject({
  from: which.default({ place: 'enforced' }),
  to: which.default({ place: 'directory' }),
  acceptWidening: z.array(z.string().max(100)).max(1_000).default([]),
  limit: z.number().int().min(1).max(10_000).default(1_000),
});
const blast = z.strictObject({
  subject: z.string().min(1).max(400),
  level: z.enum(LEVELS).exactOptional(),
  draft: draft.exactOptional(),
  limit: z.number().int().min(1).max(50_000).default(5_000),
});
const suggest = z.strictObject({
  agent: name,
  /** Milliseconds back from now. */
  sinceMs: z.number().int().min(1),
  limit: z.number().int().min(1).max(1_000_000),
});

export const ANALYSIS_ROUTES: readonly RouteRow[] = [
  large(route(['POST', '/v1/can', 'viewer'], question, ({ control, input }) => can(control, input))),
  large(
    route(['POST', '/v1/policies/diff', 'viewer'], diff, async ({ control, input }) => ({
      schema: 'cordon.policy-diff/v1',
      ...(await control.analysis.diff(input)),
    })),
  ),
  large(
    route(['POST', '/v1/blast', 'viewer'], blast, async ({ control, input }) => ({
      schema: 'cordon.blast/v1',
      ...(await control.analysis.blast(input)),
    })),
  ),
  route(['POST', '/v1/policies/suggest', 'viewer'], suggest, async ({ control, input: { sinceMs, ...asked } }) => ({
    schema: 'cordon.policy-suggestion/v1',
    ...(await control.analysis.suggest({ ...asked, since: control.now() - sinceMs })),
  })),
];
