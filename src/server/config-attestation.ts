// The section `attestation` of `cordon.yaml` and the lists `attest` of agents and resources: whose tokens show who a workload is, and what a
// workload has to show to be which agent.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { AttestationConfig, WorkloadIssuerConfig } from '../control/config.ts';
import { configEntryId } from '../control/attest/registry.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseComposition, type Composition, type CompositionPart } from '../identity/composition.ts';
import { claimTexts } from '../identity/oidc.ts';
import { entrySelectors, type Registered, type RegistrationEntry } from '../identity/registration.ts';
import { parseSelector } from '../identity/selectors.ts';
import type { Issue } from './config-place.ts';
import { duration, milliseconds } from './config-values.ts';
import { name } from '../control/input.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256: 64 hex digits, lower case');
const id = z.int().min(0).max(4_294_967_294);
const file = z.string().regex(/^\//, 'an absolute path');
const text = z.string().min(1).max(1000);
const some = <T extends z.ZodType>(form: T): z.ZodUnion<[T, z.ZodArray<T>]> => z.union([form, z.array(form).min(1)]);

const claimValue = z.union([text, z.int(), z.boolean()]);
export type Claims = { readonly [claim: string]: string | number | boolean | readonly (string | number | boolean)[] | Claims };
const claims: z.ZodType<Claims> = z.lazy(() => z.record(z.string().min(1), z.union([some(claimValue), claims])));

/** By attestor, what a workload has to show. */
const SHOWN = {
  unix: z.strictObject({ uid: id.exactOptional(), gid: id.exactOptional(), path: file.exactOptional(), sha256: digest.exactOptional() }),
  launcher: z.strictObject({
    uid: id.exactOptional(),
    digest: digest.exactOptional(),
    script: digest.exactOptional(),
    lock: some(digest).exactOptional(),
    parent: file.exactOptional(),
  }),
  oidc: z.strictObject({ issuer: text, sub: text.exactOptional(), claims: claims.default({}) }),
  spiffe: z.strictObject({ id: z.string().regex(/^spiffe:\/\//, 'a SPIFFE ID') }),
} as const;

const composition = z.strictObject({ binary: digest, prompt: digest, tools: digest, model: text } satisfies Record<
  CompositionPart,
  z.ZodType
>);

const entry = z.strictObject({
  unix: SHOWN.unix.exactOptional(),
  launcher: SHOWN.launcher.exactOptional(),
  oidc: SHOWN.oidc.exactOptional(),
  spiffe: SHOWN.spiffe.exactOptional(),
  ttl: duration('10s', '24h').exactOptional(),
  composition: composition.partial().default({}),
});

/** The list `attest` of an agent or a resource. */
export const ATTEST_LIST = z.array(entry).max(100).default([]);

const issuer = z.strictObject({
  /** As `iss` has it, byte for byte. */
  issuer: z.url({ protocol: /^https?$/ }),
  /** What its tokens must be for, and for nobody else. */
  audience: text,
  jwks: z.union([z.strictObject({ file: z.string() }), z.strictObject({ url: z.url({ protocol: /^https?$/ }) })]).exactOptional(),
  /** Of a private authority that signed its TLS certificate. */
  ca: z.string().exactOptional(),
  /** One that has no TLS, on loopback only. */
  allowPlaintextLoopback: z.boolean().default(false),
});

export const ATTESTATION_SECTION = z.strictObject({ issuers: z.record(name, issuer).default({}) });

type Entry = z.infer<typeof entry>;

interface Listed {
  readonly owner?: string;
  readonly purpose?: string;
  readonly attest: readonly Entry[];
}

interface From {
  readonly attestation: z.infer<typeof ATTESTATION_SECTION>;
  readonly agents: Readonly<Record<string, Listed>>;
  readonly resources: Readonly<Record<string, Listed>>;
}

type Refuse = (issue: Issue) => Error;

/** Paths in it start at `base`. `refuse` is given the first thing that does not fit. */
export function attestationOf({ attestation, agents, resources }: From, base: string, refuse: Refuse): AttestationConfig {
  const issuers = Object.entries(attestation.issuers).map(([each, row]) => issuerOf(each, row, base, refuse));
  const twin = issuers.find(({ issuer: one }, at) => issuers.findIndex((other) => other.issuer === one) !== at);
  if (twin !== undefined)
    throw refuse({ path: ['attestation', 'issuers', twin.name, 'issuer'], message: 'it stands above under another name' });
  const known = new Set(issuers.map((each) => each.issuer));
  return {
    issuers,
    entries: [...entriesOf('agent', agents, known, refuse), ...entriesOf('resource', resources, known, refuse)],
  };
}

function issuerOf(
  each: string,
  { issuer: iss, audience, jwks, ca, allowPlaintextLoopback }: z.infer<typeof issuer>,
  base: string,
  refuse: Refuse,
): WorkloadIssuerConfig {
  const asked = jwks === undefined ? [iss] : 'url' in jwks ? [jwks.url] : [];
  const open = asked.map((url) => new URL(url)).filter(({ protocol }) => protocol === 'http:');
  if (open.some(({ hostname }) => !allowPlaintextLoopback || !['127.0.0.1', '[::1]', 'localhost'].includes(hostname))) {
    throw refuse({
      path: ['attestation', 'issuers', each, jwks === undefined ? 'issuer' : 'jwks'],
      message: 'plain http needs `allowPlaintextLoopback: true` and a loopback address',
    });
  }
  return {
    name: each,
    issuer: iss,
    audience,
    keys: jwks === undefined ? undefined : 'file' in jwks ? { file: resolve(base, jwks.file) } : { url: new URL(jwks.url) },
    plaintext: open.length > 0,
    ...(ca === undefined ? {} : { ca: resolve(base, ca) }),
  };
}

function entriesOf(
  kind: Registered['kind'],
  listed: Readonly<Record<string, Listed>>,
  issuers: ReadonlySet<string>,
  refuse: Refuse,
): readonly RegistrationEntry[] {
  return Object.entries(listed).flatMap(([each, row]) =>
    row.attest.map((one, at) => {
      const path = [`${kind}s`, each, 'attest', at];
      if (one.oidc !== undefined && !issuers.has(one.oidc.issuer)) {
        throw refuse({ path: [...path, 'oidc', 'issuer'], message: 'no issuer of `attestation.issuers` has this `issuer`' });
      }
      return entryOf({ kind, name: each }, row, one, (message) => refuse({ path, message }));
    }),
  );
}

function entryOf(who: Registered, { owner = '', purpose = '' }: Listed, one: Entry, refuse: (message: string) => Error): RegistrationEntry {
  try {
    const selectors = entrySelectors([...shownTexts(one)].map(parseSelector));
    const made: Composition = parseComposition(one.composition);
    const ttl = one.ttl === undefined ? {} : { ttl: milliseconds(one.ttl) };
    return {
      ...who,
      id: configEntryId(who, selectors),
      selectors,
      ...ttl,
      owner,
      purpose,
      composition: made,
      source: 'config',
      createdBy: 'cordon.yaml',
    };
  } catch (error) {
    throw error instanceof Refusal ? refuse(error.message) : error;
  }
}

function* shownTexts({ unix, launcher, oidc, spiffe }: Entry): Generator<string> {
  for (const [attestor, shown] of Object.entries({ unix, launcher, spiffe })) {
    for (const [key, value] of Object.entries(shown ?? {})) {
      for (const each of Array.isArray(value) ? value : [value]) yield `${attestor}:${key}:${String(each)}`;
    }
  }
  if (oidc === undefined) return;
  yield `oidc:iss:${oidc.issuer}`;
  if (oidc.sub !== undefined) yield `oidc:sub:${oidc.sub}`;
  for (const [claim, value] of claimTexts(oidc.claims)) yield `oidc:claim:${claim}:${value}`;
}
