// The control API as one table; the rows for policies stand in routes-policy.ts, what policies mean in routes-analysis.ts.
import * as z from 'zod';
import { VERDICTS } from '../domain/access.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseWorkload } from '../domain/spiffe-id.ts';
import type { IssuedSvid } from '../identity/issue.ts';
import type { Control } from './control.ts';
import { csr, inputOf, name, none, runId } from './input.ts';
import { route, type Asked, type RouteRow } from './route.ts';
import { AGENT_ROUTES } from './routes-agents.ts';
import { ANALYSIS_ROUTES } from './routes-analysis.ts';
import { CA_ROUTES } from './routes-ca.ts';
import { FEDERATION_ROUTES } from './federation/routes.ts';
import { GRANT_ROUTES } from './routes-grants.ts';
import { OPERATOR_ROUTES } from './routes-operators.ts';
import { orderRoutes } from './routes-orders.ts';
import { DELEGATION_ROUTES } from './oauth/routes-delegation.ts';
import { POLICY_ROUTES } from './routes-policy.ts';
import { REVOCATION_ROUTES } from './routes-revocation.ts';
import { WORKLOAD_ROUTES } from './routes-workload.ts';
import { manifestsView } from './manifests.ts';
import { whois } from './whois.ts';
import { worldView } from './world-view.ts';

const decisionId = z.strictObject({ id: z.string().regex(/^dec_[0-9A-Z]{4,20}$/, '`dec_` and upper case letters and digits') });
const bypass = z.strictObject({ peer: z.string().max(300).optional(), reason: z.enum(['not the gateway', 'no identity']) });
const filter = z.strictObject({
  agent: name.exactOptional(),
  verdict: z.enum(VERDICTS).exactOptional(),
  before: z.coerce.number().int().exactOptional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

const acceptance = z.strictObject({
  resource: name,
  tool: z.string().min(1).max(2_100).exactOptional(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, '`sha256:` and 64 hexadecimal digits, as `cordon tools diff` shows it'),
});

const ROWS: readonly RouteRow[] = [
  route(['GET', '/v1/status', 'viewer'], none, ({ control }) => control.status()),
  route(['GET', '/v1/doctor', 'viewer'], none, ({ control }) => control.doctor()),
  route(['GET', '/v1/whois', 'viewer'], z.strictObject({ q: z.string().min(1).max(2048) }), ({ control, input }) =>
    whois(control, input.q),
  ),
  route(['GET', '/v1/world', 'viewer'], none, ({ control }) => worldView(control)),
  route(['GET', '/v1/decisions', 'viewer'], filter, listDecisions),
  route(['GET', '/v1/decisions/:id', 'viewer'], decisionId, why),
  route(['GET', '/v1/resources/:resource/tools', 'viewer'], z.strictObject({ resource: name }), async ({ control, input }) => ({
    schema: 'cordon.tools/v1',
    ...(await control.catalog.review(input.resource)),
  })),
  route(['GET', '/v1/resources/:resource/manifests', 'viewer'], z.strictObject({ resource: name }), ({ control, input }) =>
    manifestsView(control, input.resource),
  ),
  route(['POST', '/v1/resources/:resource/accept', 'operator'], acceptance, async ({ control, caller, input }) => ({
    schema: 'cordon.pin/v1',
    resource: input.resource,
    accepted: await control.catalog.accept(input, caller.workload.id),
  })),
  ...CA_ROUTES,
  ...FEDERATION_ROUTES,
  ...POLICY_ROUTES,
  ...ANALYSIS_ROUTES,
  ...OPERATOR_ROUTES,
  ...AGENT_ROUTES,
  ...WORKLOAD_ROUTES,
  ...REVOCATION_ROUTES,
  ...GRANT_ROUTES,
  ...DELEGATION_ROUTES,
  route(['DELETE', '/v1/runs/:run', 'operator'], z.strictObject({ run: runId }), async ({ control, caller, input }) => ({
    schema: 'cordon.run/v1',
    run: input.run,
    ended: await control.endRun(input.run, caller.workload.id),
  })),
  route(['POST', '/v1/identity/renew', 'workload'], z.strictObject({ csr }), async ({ control, caller, input }) =>
    svidReply(control, await control.issuer.renew(caller, Buffer.from(input.csr, 'base64'))),
  ),
  route(['POST', '/v1/refusals', 'workload'], bypass, ({ control, caller, input }) =>
    control.reportBypass(caller, input.peer, input.reason),
  ),
];

/** Every route of the control API. */
export const ROUTES: readonly RouteRow[] = [...ROWS, ...orderRoutes(ROWS)];

const svidReply = ({ issuer }: Control, svid: IssuedSvid): JsonObject => ({
  spiffe_id: svid.id,
  svid: svid.chain,
  expires_at: svid.notAfter,
  bundle: issuer.bundle,
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

const joining = z.strictObject({ token: z.string().min(20).max(100), csr });

/** `POST /v1/join` on the identity listener: the only route that needs no certificate. @throws Refusal CORDON-9011, -1005, -1013 */
export async function join(control: Control, body: unknown): Promise<JsonObject> {
  const { token, csr: request } = inputOf(joining, body);
  const svid = await control.attestation.join(token, Buffer.from(request, 'base64'));
  const joined = parseWorkload(svid.id);
  if (joined.kind === 'resource') control.catalog.wake(joined.name);
  return { ...svidReply(control, svid), gateway: control.gatewayUrl, control: control.controlUrl };
}
