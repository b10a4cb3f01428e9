// The control API as one table: method, path, role, what it takes, what it does. A route without a role does not compile.
import * as z from 'zod';
import { LEVELS, type AccessRequest, type Decision, type Explanation } from '../domain/access.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { Role } from './caller.ts';
import { setLevel } from './containment.ts';
import type { Control } from './control.ts';
import { whois } from './whois.ts';

export interface Asked<T> {
  readonly control: Control;
  readonly caller: SvidFacts;
  readonly input: T;
}

export interface RouteRow {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly role: Role;
  /** Path parameters, query and body together. */
  readonly input: z.ZodType;
  readonly handle: (asked: Asked<never>) => Promise<unknown>;
}

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);
const reason = z.string().trim().min(1).max(500);
const csr = z.base64().max(16_384);

const route = <S extends z.ZodType>(
  method: RouteRow['method'],
  path: string,
  role: Role,
  input: S,
  handle: (asked: Asked<z.infer<S>>) => Promise<unknown>,
): RouteRow => ({ method, path, role, input, handle });

const none = z.strictObject({});
const svidReply = (svid: { id: string; chain: string; notAfter: number }): object => ({
  spiffe_id: svid.id,
  svid: svid.chain,
  expires_at: svid.notAfter,
});

export const ROUTES: readonly RouteRow[] = [
  route('GET', '/v1/status', 'operator', none, ({ control }) => control.status()),
  route('GET', '/v1/agents', 'operator', none, async ({ control }) => ({ schema: 'cordon.agents/v1', items: control.agents() })),
  route('GET', '/v1/doctor', 'operator', none, ({ control }) => control.doctor()),
  route('GET', '/v1/whois', 'operator', z.strictObject({ q: z.string().min(1).max(2048) }), ({ control, input }) => whois(control, input.q)),
  route(
    'GET',
    '/v1/decisions',
    'operator',
    z.strictObject({ agent: name.optional(), verdict: z.enum(['allow', 'deny', 'error']).optional(), before: z.coerce.number().int().optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) }),
    async ({ control, input }) => {
      const rows = await control.decisions.list(withoutUndefined(input) as Parameters<typeof control.decisions.list>[0]);
      return { schema: 'cordon.decisions/v1', items: rows.map((row) => ({ ...(row.record as JsonObject), seq: row.seq })), next: rows.at(-1)?.seq ?? null };
    },
  ),
  route('GET', '/v1/decisions/:id', 'operator', z.strictObject({ id: z.string().regex(/^dec_[0-9A-Z]{4,20}$/) }), async ({ control, input }) => {
    const found = await control.decisions.get(input.id);
    if (found === undefined) throw new Refusal('CORDON-3003', `no decision \`${input.id}\``, { fix: 'list the last ones: `cordon why --last`' });
    const { explanation, record, seq, explainedWith } = found;
    return { schema: 'cordon.why/v1', record, seq, ...(explanation === undefined ? {} : { explanation }), ...(explainedWith === undefined ? {} : { explained_with: explainedWith }) };
  }),
  route(
    'POST',
    '/v1/can',
    'operator',
    z.strictObject({ agent: name, action: z.string().max(128), resource: z.string().max(256), input: z.record(z.string(), z.unknown()).default({}) }),
    async ({ control, input }) => can(control, input.agent, input.action, input.resource, input.input as JsonObject),
  ),
  route(
    'POST',
    '/v1/agents/:agent/level',
    'operator',
    z.strictObject({ agent: name, level: z.enum(LEVELS), reason }),
    async ({ control, caller, input }) => ({
      schema: 'cordon.level/v1',
      ...(await setLevel(control, { agent: input.agent, level: input.level, reason: input.reason, actor: caller.workload.id })),
    }),
  ),
  route('POST', '/v1/resources/:resource/accept', 'operator', z.strictObject({ resource: name }), async ({ control, caller, input }) => ({
    schema: 'cordon.pin/v1',
    resource: input.resource,
    accepted: await control.catalog.accept(input.resource, caller.workload.id),
  })),
  route('POST', '/v1/policies/reload', 'operator', none, ({ control, caller }) => control.reloadPolicies(caller.workload.id)),
  route('POST', '/v1/runs', 'operator', z.strictObject({ kind: z.enum(['agent', 'resource']), name }), async ({ control, caller, input }) => {
    const { run, token } = await control.issuer.startRun(input.kind, input.name, caller.workload.id);
    return { schema: 'cordon.run/v1', run: run.id, token, identity_url: control.identityUrl, bundle: control.issuer.bundle };
  }),
  route('DELETE', '/v1/runs/:run', 'operator', z.strictObject({ run: z.string().regex(/^[0-9A-Z]{4,32}$/) }), async ({ control, caller, input }) => {
    const ended = await control.endRun(input.run, caller.workload.id);
    return { schema: 'cordon.run/v1', run: input.run, ended };
  }),
  route('POST', '/v1/identity/renew', 'workload', z.strictObject({ csr }), async ({ control, caller, input }) =>
    svidReply(await control.issuer.renew(caller, Buffer.from(input.csr, 'base64'))),
  ),
  route(
    'POST',
    '/v1/refusals',
    'workload',
    z.strictObject({ peer: z.string().max(300).optional(), reason: z.enum(['not the gateway', 'no identity']) }),
    ({ control, caller, input }) => control.reportBypass(caller, input.peer, input.reason),
  ),
];

/** What `POST /v1/join` on the identity listener takes: the only route that needs no certificate. */
export const JOIN = z.strictObject({ token: z.string().min(20).max(100), csr });

export async function join(control: Control, input: z.infer<typeof JOIN>): Promise<object> {
  const svid = await control.issuer.join(input.token, Buffer.from(input.csr, 'base64'));
  return { ...svidReply(svid), gateway: control.gatewayUrl, control: control.controlUrl, bundle: control.issuer.bundle };
}

export interface CanAnswer {
  readonly schema: 'cordon.can/v1';
  readonly allowed: boolean;
  readonly decision: Decision;
  readonly explanation?: Explanation;
}

/** Asks the PDP as the gateway would, without a call, a record or an effect. */
async function can(control: Control, agent: string, action: string, resource: string, input: JsonObject): Promise<CanAnswer> {
  const request = hypothetical(control, agent, action, resource, input);
  const { decision, explanation } = control.ask(request);
  return { schema: 'cordon.can/v1', allowed: decision.verdict === 'allow', decision, ...(explanation === undefined ? {} : { explanation }) };
}

function hypothetical(control: Control, agent: string, action: string, resource: string, input: Json): AccessRequest {
  const type = action.startsWith('a2a/') ? 'agent' : resource.includes('/') ? 'tool' : 'mcp_server';
  const subject = { type: 'agent', id: agent, spiffeId: control.agentId(agent), run: undefined } as const;
  const context = type === 'mcp_server' ? {} : { input: input as JsonObject };
  return { subject, action: { name: action }, resource: { type, id: resource }, context };
}

const withoutUndefined = (value: object): object => Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined));
