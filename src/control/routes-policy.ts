// Routes of policy versions: what is enforced, what would change, and the orders that change it.
import * as z from 'zod';
import type { JsonObject } from '../domain/json.ts';
import { MAX_SOURCE } from '../policy/bounds.ts';
import type { PolicySource } from '../policy/policy-set.ts';
import { none, reason } from './input.ts';
import { MAX_TESTS } from './policies.ts';
import { unaccepted } from './policy-impact.ts';
import { GATE_SPAN, type RolloutResult } from './policy-orders.ts';
import { route, type Asked, type RouteRow } from './route.ts';

/** Bytes: the largest set that is admitted, with room for what JSON escapes. */
const BODY_LIMIT = 2 * MAX_SOURCE;

const note = reason.exactOptional();
export const version = z.number().int().min(1);
const acceptWidening = z.array(z.string().max(100)).max(1_000).default([]);
const areApart = (files: readonly PolicySource[]): boolean => new Set(files.map(({ path }) => path)).size === files.length;
/** As a directory is read: one set of files has one hash. */
const inNameOrder = (files: readonly PolicySource[]): readonly PolicySource[] => files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
const policyFile = z.strictObject({ path: z.string().regex(/^[^/\u0000-\u001f\u007f]{1,249}\.cedar$/u), text: z.string() });
const testFile = z.strictObject({
  path: z.string().regex(/^[^/\u0000-\u001f\u007f]{1,244}\.test\.yaml$/u),
  text: z.string().max(MAX_TESTS),
});
export const sources = z.array(policyFile).max(500).refine(areApart, 'two files have one name').transform(inNameOrder).exactOptional();
const tests = z.array(testFile).max(500).refine(areApart, 'two files have one name').transform(inNameOrder).exactOptional();

const apply = z
  .strictObject({ sources, tests, shadow: z.boolean().default(false), note, acceptWidening })
  .refine((order) => order.tests === undefined || order.sources !== undefined, 'tests come with the sources that they test');
const promote = z.strictObject({ note, acceptWidening });
const rollback = z.strictObject({ to: version.exactOptional(), note });
const withdraw = z.strictObject({ note });
const history = z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).default(50) });
const impact = z.strictObject({
  sources,
  candidate: z.boolean().default(false),
  acceptWidening,
  /** Milliseconds back from now. */
  sinceMs: z.number().int().min(1).default(GATE_SPAN.sinceMs),
  limit: z.number().int().min(1).max(1_000_000).default(GATE_SPAN.limit),
});

/** Carries out an order in the name of the caller. */
const order =
  <T extends object>(work: (asked: Asked<T & { readonly actor: string }>) => Promise<RolloutResult>) =>
  async ({ control, caller, input }: Asked<T>): Promise<JsonObject> => ({
    schema: 'cordon.rollout/v1',
    ...(await work({ control, caller, input: { ...input, actor: caller.workload.id } })),
  });

async function askImpact({ control, input }: Asked<z.infer<typeof impact>>): Promise<JsonObject> {
  const { sinceMs, acceptWidening: accepted, ...asked } = input;
  const found = await control.rollout.impact({ ...asked, since: control.now() - sinceMs });
  return { schema: 'cordon.impact/v1', ...found, unaccepted: unaccepted(found, accepted) };
}

/** A route that takes policies. */
export const large = (row: RouteRow): RouteRow => ({ ...row, bodyLimit: BODY_LIMIT });

/** A route that may wait for a second person. */
const byTwo = (row: RouteRow): RouteRow => ({ ...row, second: 'policy' });

export const POLICY_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/policies', 'viewer'], none, ({ control }) => control.policies()),
  route(['GET', '/v1/policies/history', 'viewer'], history, ({ control, input }) => control.policyHistory(input.limit)),
  byTwo(
    large(
      route(
        ['POST', '/v1/policies/apply', 'operator'],
        apply,
        order(({ control, input }) => control.rollout.apply(input)),
      ),
    ),
  ),
  large(route(['POST', '/v1/policies/impact', 'viewer'], impact, askImpact)),
  byTwo(
    route(
      ['POST', '/v1/policies/promote', 'operator'],
      promote,
      order(({ control, input }) => control.rollout.promote(input)),
    ),
  ),
  byTwo(
    route(
      ['POST', '/v1/policies/rollback', 'operator'],
      rollback,
      order(({ control, input }) => control.rollout.rollback(input)),
    ),
  ),
  route(
    ['POST', '/v1/policies/withdraw', 'operator'],
    withdraw,
    order(({ control, input }) => control.rollout.withdraw(input)),
  ),
];
