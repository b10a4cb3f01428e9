// The control API as one table; the rows for policies stand in routes-policy.ts, what policies mean in routes-analysis.ts.
import * as z from 'zod';
import { LEVELS } from '../domain/access.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseWorkload } from '../domain/spiffe-id.ts';
import { setLevel } from './containment.ts';
import type { Control } from './control.ts';
import { inputOf } from './input.ts';
import { route, type Asked, type RouteRow } from './route.ts';
import { ANALYSIS_ROUTES } from './routes-analysis.ts';
import { POLICY_ROUTES } from './routes-policy.ts';
import { whois } from './whois.ts';
import { worldView } from './world-view.ts';

const none = z.strictObject({});
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);
const reason = z.string().trim().min(1).max(500);
const csr = z.base64().max(16_384);

const level = z.strictObject({ agent: name, level: z.enum(LEVELS), reason });
const decisionId = z.strictObject({ id: z.string().regex(/^dec_[0-9A-Z]{4,20}$/) });
const runId = z.strictObject({ run: z.string().regex(/^[0-9A-Z]{4,32}$/) });
const bypass = z.strictObject({ peer: z.string().max(300).optional(), reason: z.enum(['not the gateway', 'no identity']) });
const filter = z.strictObject({
  agent: name.exactOptional(),
  verdict: z.enum(['allow', 'deny', 'error']).exactOptional(),
  before: z.coerce.number().int().exactOptional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/status', 'operator'], none, ({ control }) => control.status()),
  route(['GET', '/v1/agents', 'operator'], none, ({ control }) => ({ schema: 'cordon.agents/v1', items: control.agents() })),
  route(['GET', '/v1/doctor', 'operator'], none, ({ control }) => control.doctor()),
  route(['GET', '/v1/whois', 'operator'], z.strictObject({ q: z.string().min(1).max(2048) }), ({ control, input }) =>
    whois(control, input.q),
  ),
  route(['GET', '/v1/world', 'operator'], none, ({ control }) => worldView(control)),
  route(['GET', '/v1/decisions', 'operator'], filter, listDecisions),
  route(['GET', '/v1/decisions/:id', 'operator'], decisionId, why),
  route(['POST', '/v1/agents/:agent/level', 'operator'], level, async ({ control, caller, input }) => ({
    schema: 'cordon.level/v1',
    ...(await setLevel(control, { ...input, actor: caller.workload.id })),
  })),
  route(['POST', '/v1/resources/:resource/accept', 'operator'], z.strictObject({ resource: name }), async ({ control, caller, input }) => ({
    schema: 'cordon.pin/v1',
    resource: input.resource,
    accepted: await control.catalog.accept(input.resource, caller.workload.id),
  })),
  ...POLICY_ROUTES,
  ...ANALYSIS_ROUTES,
  route(['POST', '/v1/runs', 'operator'], z.strictObject({ kind: z.enum(['agent', 'resource']), name }), startRun),
  route(['DELETE', '/v1/runs/:run', 'operator'], runId, async ({ control, caller, input }) => ({
    schema: 'cordon.run/v1',
    run: input.run,
    ended: await control.endRun(input.run, caller.workload.id),
  })),
  route(['POST', '/v1/identity/renew', 'workload'], z.strictObject({ csr }), async ({ control, caller, input }) =>
    svidReply(await control.issuer.renew(caller, Buffer.from(input.csr, 'base64'))),
  ),
  route(['POST', '/v1/refusals', 'workload'], bypass, ({ control, caller, input }) =>
    control.reportBypass(caller, input.peer, input.reason),
  ),
];

const svidReply = (svid: { readonly id: string; readonly chain: string; readonly notAfter: number }): JsonObject => ({
  spiffe_id: svid.id,
  svid: svid.chain,
  expires_at: svid.notAfter,
});

async function listDecisions({ control, input }: Asked<z.infer<typeof filter>>): Promise<JsonObject> {
  const rows = await control.decisions.list(input);
  const items = rows.map(({ record, seq }) => ({ ...(isJsonObject(record) ? record : {}), seq }));
  return { schema: 'cordon.decisions/v1', items, next: rows.at(-1)?.seq ?? null };
}

async function why({ control, input }: Asked<z.infer<typeof decisionId>>): Promise<JsonObject> {
  const found = await control.decisions.get(input.id);
  if (found === undefined) {
    throw new Refusal('CORDON-3003', `no decision \`${input.id}\``, { fix: 'list the last ones: `cordon why --last`' });
  }
  const { record, seq, explanation, explainedWith } = found;
  return {
    schema: 'cordon.why/v1',
    record,
    seq,
    ...(explanation === undefined ? {} : { explanation }),
    ...(explainedWith === undefined ? {} : { explained_with: explainedWith }),
  };
}

interface RunInput {
  readonly kind: 'agent' | 'resource';
  readonly name: string;
}

async function startRun({ control, caller, input }: Asked<RunInput>): Promise<JsonObject> {
  const { run, token } = await control.issuer.startRun(input.kind, input.name, caller.workload.id);
  return { schema: 'cordon.run/v1', run: run.id, token, identity_url: control.identityUrl, bundle: control.issuer.bundle };
}

const joining = z.strictObject({ token: z.string().min(20).max(100), csr });

/** `POST /v1/join` on the identity listener: the only route that needs no certificate. @throws Refusal CORDON-9011, -1005, -1013 */
export async function join(control: Control, body: unknown): Promise<JsonObject> {
  const { token, csr: request } = inputOf(joining, body);
  const svid = await control.issuer.join(token, Buffer.from(request, 'base64'));
  const joined = parseWorkload(svid.id);
  if (joined.kind === 'resource') control.catalog.wake(joined.name);
  return { ...svidReply(svid), gateway: control.gatewayUrl, control: control.controlUrl, bundle: control.issuer.bundle };
}
