// The section `operators` of `cordon.yaml`: who administers besides the operator of this machine, and how they sign in.
import * as z from 'zod';
import type { Address, OperatorsConfig, SignInConfig } from '../control/config.ts';
import { OPERATOR_ROLES, TWO_PERSON_RULES } from '../domain/operators.ts';
import { name } from '../control/input.ts';
import type { Issue } from './config-place.ts';

const secret = z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]);

const person = z.strictObject({
  role: z.enum(OPERATOR_ROLES),
  /** `sub` of the account at the provider; without it, a passkey, or the account that first signs in under this name. */
  subject: z.string().min(1).max(255).exactOptional(),
});

const oidc = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }),
  clientId: z.string().min(1),
  clientSecret: secret.exactOptional(),
  nameClaim: z.string().min(1).default('preferred_username'),
  /** A provider on loopback without TLS. */
  allowPlaintextLoopback: z.boolean().default(false),
});

export const OPERATORS_SECTION = z.strictObject({
  listen: z
    .string()
    .regex(/^(127\.0\.0\.1|\[::1\]):\d{1,5}$/, 'a loopback `host:port`; for other machines put TLS of your own in front and set `origin`')
    .default('127.0.0.1:7070'),
  origin: z.url({ protocol: /^https?$/ }).exactOptional(),
  people: z.record(name, person).default({}),
  oidc: oidc.exactOptional(),
  twoPersons: z.array(z.enum(TWO_PERSON_RULES)).default([]),
  breakGlass: z.array(name).default(['local']),
});

export type OperatorsSection = z.infer<typeof OPERATORS_SECTION>;

const NOBODY: OperatorsConfig = { signIn: undefined, people: [], twoPersons: [], breakGlass: ['local'], session: 0 };

interface Given {
  readonly section: OperatorsSection | undefined;
  /** Milliseconds. */
  readonly session: number;
  readonly addressOf: (text: string) => Address;
  readonly refuse: (issue: Issue) => Error;
}

/** Without the section, nobody signs in. `refuse` is given the first thing that does not fit. */
export function operatorsOf({ section, session, addressOf, refuse }: Given): OperatorsConfig {
  if (section === undefined) return NOBODY;
  if (Object.hasOwn(section.people, 'local')) {
    throw refuse({ path: ['operators', 'people', 'local'], message: '`local` is the operator of this machine' });
  }
  const { twoPersons, breakGlass } = section;
  const people = Object.entries(section.people).map(([each, row]) => ({ name: each, ...row }));
  return { signIn: signInOf(section, addressOf, refuse), people, twoPersons, breakGlass, session };
}

function signInOf(section: OperatorsSection, addressOf: Given['addressOf'], refuse: Given['refuse']): SignInConfig {
  const listen = addressOf(section.listen);
  const origin = new URL(section.origin ?? `http://localhost:${listen.port}`);
  // WebAuthn §5.1: only https, and localhost, are contexts that a passkey works in
  if (origin.protocol === 'http:' && origin.hostname !== 'localhost') {
    throw refuse({ path: ['operators', 'origin'], message: 'https, or http://localhost' });
  }
  if (origin.href !== `${origin.origin}/`) throw refuse({ path: ['operators', 'origin'], message: 'an origin: no path, query or user' });
  if (section.oidc === undefined) return { listen, origin };
  const { issuer, allowPlaintextLoopback: plaintext, ...rest } = section.oidc;
  const url = new URL(issuer);
  const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol === 'http:' && !(plaintext && loopback)) {
    throw refuse({
      path: ['operators', 'oidc', 'issuer'],
      message: 'plain http needs `allowPlaintextLoopback: true` and a loopback address',
    });
  }
  return { listen, origin, oidc: { ...rest, issuer: url, plaintext: url.protocol === 'http:' } };
}
