// Routes of who administers: operators, signing in, and broken glass. INVARIANT I7
import * as z from 'zod';
import { readCertificate } from '../crypto/certificate.ts';
import { dersOf } from '../crypto/der.ts';
import type { JsonObject } from '../domain/json.ts';
import { OPERATOR_ROLES } from '../domain/operators.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { Control } from './control.ts';
import { csr, inputOf, name, none, reason } from './input.ts';
import type { SigningIn } from './operators/operators.ts';
import { route, type Asked, type RouteRow } from './route.ts';

const person = z.strictObject({ name, role: z.enum(OPERATOR_ROLES) });
const glassId = z.strictObject({ id: z.string().regex(/^gls_[0-9A-Z]{8}$/) });
const glass = z.strictObject({
  reason,
  minutes: z.number().int().min(1).max(240).default(60),
});

const invited = z.strictObject({ name, role: z.enum(OPERATOR_ROLES).exactOptional() });

export const OPERATOR_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/whoami', 'viewer'], none, ({ control, caller }) => whoami(control, caller)),
  route(['GET', '/v1/operators', 'viewer'], none, ({ control: { operators } }) => ({
    schema: 'cordon.operators/v1',
    items: operators.directory.list(),
    broken_glass: operators.directory.openBreakGlass().map((row) => ({ ...row })),
  })),
  route(['POST', '/v1/operators', 'admin'], person, async ({ control, caller, input }) => {
    const { directory } = control.operators;
    if (directory.roleOf(input.name) === undefined) throw unknownOperator(input.name);
    await directory.put(input.name, input.role, caller.workload.id);
    return { schema: 'cordon.operator/v1', ...input };
  }),
  route(['DELETE', '/v1/operators/:name', 'admin'], z.strictObject({ name }), async ({ control, caller, input }) => {
    await control.operators.directory.remove(input.name, caller.workload.id);
    return { schema: 'cordon.operator/v1', ...input, removed: true };
  }),
  route(['POST', '/v1/operators/invite', 'admin'], invited, invite),
  route(['POST', '/v1/break-glass', 'viewer'], glass, breakGlass),
  route(['POST', '/v1/break-glass/:id/review', 'admin'], glassId, async ({ control, caller, input }) => {
    await control.operators.directory.review(input.id, { name: caller.workload.name, actor: caller.workload.id });
    return { schema: 'cordon.break_glass/v1', ...input, reviewed: true };
  }),
];

function whoami({ operators: { directory } }: Control, { workload: { id, name: self }, notAfter }: SvidFacts): JsonObject {
  const found = directory.list().find((operator) => operator.name === self);
  return {
    schema: 'cordon.whoami/v1',
    name: self,
    spiffe_id: id,
    expires_at: notAfter,
    role: directory.roleOf(self) ?? null,
    source: found?.source ?? null,
  };
}

/** @throws Refusal CORDON-9006 where nobody can sign in */
function signingIn({ operators: { signingIn: found } }: Control): SigningIn {
  if (found !== undefined) return found;
  throw new Refusal('CORDON-9006', 'signing in is switched off', {
    observed: 'no `operators` in cordon.yaml',
    fix: 'add `operators: {}` to cordon.yaml and restart',
  });
}

const unknownOperator = (operator: string): Refusal =>
  new Refusal('CORDON-1012', `no operator is called \`${operator}\``, {
    fix: `make one of them: \`cordon operator invite ${operator} --role viewer\``,
  });

/** Makes a person an operator where a role is given, and a link for a passkey. */
async function invite({ control, caller, input }: Asked<z.infer<typeof invited>>): Promise<JsonObject> {
  const { passkeys, origin } = signingIn(control);
  const { directory } = control.operators;
  if (input.role !== undefined) await directory.put(input.name, input.role, caller.workload.id);
  const role = directory.roleOf(input.name);
  if (role === undefined || input.name === 'local') {
    throw unknownOperator(input.name);
  }
  const { secret, expiresAt } = await passkeys.invite(input.name, caller.workload.id);
  const { identityUrl, issuer } = control;
  const link = `${origin.origin}/#link=${secret}`;
  return {
    schema: 'cordon.invite/v1',
    name: input.name,
    role,
    link,
    expires_at: expiresAt,
    server: identityUrl,
    trust: dersOf(issuer.bundle).map((root) => readCertificate(root).fingerprint),
  };
}

/** Breaking the glass is for who is allowed to by name, and for the operator of this machine. */
async function breakGlass({ control, caller, input }: Asked<z.infer<typeof glass>>): Promise<JsonObject> {
  const { name: operator, id: actor } = caller.workload;
  if (!control.config.operators.breakGlass.includes(operator)) {
    throw new Refusal('CORDON-1017', `\`${operator}\` may not break the glass`, {
      expected: control.config.operators.breakGlass.join(', '),
      fix: 'name the operator under `operators.breakGlass` in cordon.yaml',
    });
  }
  const row = await control.operators.directory.breakGlass({ operator, actor, reason: input.reason, forMs: input.minutes * 60_000 });
  return { schema: 'cordon.break_glass/v1', ...row };
}

const beginning = z.strictObject({ csr });
const collecting = z.strictObject({ login: z.string().regex(/^[0-9A-Z]{20}$/), secret: z.string().regex(/^[\w-]{43}$/) });

/** On the identity listener, where no certificate is asked for: a terminal begins to sign in, and takes what came of it. */
export const LOGIN_ROUTES: readonly (readonly [string, (control: Control, body: unknown) => Promise<JsonObject>])[] = [
  [
    '/v1/login',
    async (control, body) => {
      const { signIns, origin } = signingIn(control);
      const { csr: request } = inputOf(beginning, body);
      const { login, code, secret, expiresAt } = await signIns.begin(Buffer.from(request, 'base64'));
      return { schema: 'cordon.login/v1', login, code, secret, url: `${origin.origin}/#login=${login}`, expires_at: expiresAt };
    },
  ],
  [
    '/v1/login/collect',
    async (control, body) => {
      const { login, secret } = inputOf(collecting, body);
      const taken = await signingIn(control).signIns.collect(login, secret);
      if (taken === undefined) return { schema: 'cordon.login/v1', state: 'waiting' };
      const { name: operator, svid } = taken;
      return {
        schema: 'cordon.login/v1',
        state: 'done',
        operator,
        role: control.operators.directory.roleOf(operator) ?? null,
        svid: svid.chain,
        expires_at: svid.notAfter,
        control: control.controlUrl,
        bundle: control.issuer.bundle,
      };
    },
  ],
];
