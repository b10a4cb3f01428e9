// Routes of grants: what waits for a person, and the answers. Who may answer is for the policy to say that asks. INVARIANT I7
import * as z from 'zod';
import { accessRequestJson } from '../domain/access.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { digestOf } from '../pdp/approval.ts';
import { narrowed } from '../pdp/narrow.ts';
import type { Control } from './control.ts';
import { type Answerer, checkEligible, type GrantView, type Narrowed, USUAL } from './grants.ts';
import { none } from './input.ts';
import { route, type Asked, type RouteRow } from './route.ts';

const id = z.string().regex(/^gr_[0-9A-Z]{10}$/, 'a grant as `cordon grant list` shows it');
const comment = z.string().trim().min(1).max(500);
const HOUR = 3_600_000;

const one = z.strictObject({ id });
const approval = z.strictObject({
  id,
  /** Milliseconds. */
  ttl: z
    .number()
    .int()
    .min(1000)
    .max(24 * HOUR)
    .default(USUAL.ttl),
  uses: z.number().int().min(1).max(1000).default(USUAL.uses),
  /** Approved only with these in place of the arguments of the same name. */
  with: z.record(z.string().min(1).max(256), z.custom<Json>()).exactOptional(),
});
const answer = z.strictObject({ id, reason: comment });

export const GRANT_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/grants', 'viewer'], none, async ({ control }) => ({
    schema: 'cordon.grants/v1',
    items: (await control.grants.list()).map((grant) => ({ ...grant })),
  })),
  route(['GET', '/v1/grants/:id', 'analyst'], one, async ({ control, input }) => {
    const { grant, request, narrowed: changes } = await control.grants.get(input.id);
    return { ...reply(grant), request: accessRequestJson(request), ...(changes === undefined ? {} : { narrowed: changes }) };
  }),
  route(['POST', '/v1/grants/:id/approve', 'analyst'], approval, async (asked) => {
    const { control, input } = asked;
    const by = answerer(asked);
    const { ttl, uses } = input;
    const instead = input.with === undefined ? {} : { narrowed: await narrow(control, input.id, input.with, by) };
    return reply(await control.grants.approve(input.id, by, { ttl, uses, ...instead }));
  }),
  route(['POST', '/v1/grants/:id/refuse', 'analyst'], answer, async (asked) =>
    reply(await asked.control.grants.refuse(asked.input.id, answerer(asked), asked.input.reason)),
  ),
  route(['POST', '/v1/grants/:id/revoke', 'analyst'], answer, async (asked) =>
    reply(await asked.control.grants.revoke(asked.input.id, answerer(asked), asked.input.reason)),
  ),
];

/** Decided whole, now as later: nobody approves what the policies deny, or what is for a higher role. @throws Refusal */
async function narrow(control: Control, grant: string, changes: JsonObject, by: Answerer): Promise<Narrowed> {
  const { request } = await control.grants.get(grant);
  const instead = narrowed(request, changes);
  const { decision } = control.ask(instead);
  if (decision.verdict === 'approval_required') checkEligible(decision.approver ?? 'admin', by);
  else if (decision.verdict !== 'allow') {
    const { code = 'CORDON-9001', reason = 'the policies do not allow the narrower call' } = decision;
    throw new Refusal(code, `with these arguments: ${reason}`);
  }
  return { changes, digest: digestOf(instead) };
}

const reply = (grant: GrantView): JsonObject => ({ schema: 'cordon.grant/v1', ...grant });

const answerer = ({ control, caller }: Pick<Asked<unknown>, 'caller'> & { readonly control: Control }): Answerer => ({
  actor: caller.workload.id,
  role: control.operators.directory.roleOf(caller.workload.name),
});
