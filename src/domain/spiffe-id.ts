// SPIFFE IDs. Standard: SPIFFE-ID §2 (trust domain charset, path segments, 2,048 bytes). Promises: a `SpiffeId` is canonical,
// so two equal identities are equal strings.
import { Refusal } from './refusal.ts';

declare const brand: unique symbol;
export type SpiffeId = string & { readonly [brand]: 'SpiffeId' };
export type TrustDomain = string & { readonly [brand]: 'TrustDomain' };

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;
const SCHEME = 'spiffe://';

/** Parses a trust domain name (`desk.example`). @throws Refusal CORDON-1004 */
export function parseTrustDomain(text: string): TrustDomain {
  if (!TRUST_DOMAIN.test(text)) {
    throw new Refusal('CORDON-1004', 'not a trust domain name', {
      observed: text.slice(0, 80),
      expected: 'lower case letters, digits, `.`, `-`, `_`',
      reason: 'trust-domain',
    });
  }
  return text as TrustDomain;
}

/** Parses `spiffe://<trust domain>[/<segment>…]`, strictly. @throws Refusal CORDON-1006 */
export function parseSpiffeId(text: string): SpiffeId {
  const bad = (why: string, reason: string): Refusal =>
    new Refusal('CORDON-1006', `not a SPIFFE ID: ${why}`, { observed: text.slice(0, 120), reason });
  if (text.length > 2048) throw bad('longer than 2,048 bytes', 'length');
  if (!text.startsWith(SCHEME)) throw bad('scheme is not `spiffe`', 'scheme');
  const [domain = '', ...segments] = text.slice(SCHEME.length).split('/');
  if (!TRUST_DOMAIN.test(domain)) throw bad('trust domain name', 'trust-domain');
  for (const segment of segments) {
    if (segment === '.' || segment === '..' || !SEGMENT.test(segment)) throw bad('path segment', 'path');
  }
  return text as SpiffeId;
}

/** The trust domain that issued the ID. */
export const trustDomainOf = (id: SpiffeId): TrustDomain => id.slice(SCHEME.length).split('/', 1)[0] as TrustDomain;

/** The same workload, whichever of its runs it is. */
export const withoutRun = (id: SpiffeId): SpiffeId => parseSpiffeId(id.replace(/(?<=.\/.+)\/run\/[^/]+$/, ''));

const pathOf = (id: SpiffeId): readonly string[] => id.slice(SCHEME.length).split('/').slice(1);

/** The kinds of workload that Cordon issues identities for; the first segment of the path. */
export type WorkloadKind = 'agent' | 'resource' | 'gateway' | 'operator' | 'control';

/** A workload of this trust domain: `spiffe://<td>/<kind>/<name>[/run/<id>]`. */
export interface Workload {
  readonly id: SpiffeId;
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly run: string | undefined;
}

const KINDS = new Set<string>(['agent', 'resource', 'gateway', 'operator', 'control']);

/** Reads the kind, name and run of a SPIFFE ID. @throws Refusal CORDON-1012 when the path is not one that Cordon issues */
export function parseWorkload(id: SpiffeId): Workload {
  const [kind = '', name, marker, run, ...rest] = pathOf(id);
  const shaped = KINDS.has(kind) && name !== undefined && rest.length === 0;
  if (!shaped || (marker !== undefined && (marker !== 'run' || run === undefined))) {
    throw new Refusal('CORDON-1012', 'no registration entry matches this SPIFFE ID', { observed: id });
  }
  return { id, kind: kind as WorkloadKind, name, run };
}

/** Builds `spiffe://<td>/<kind>/<name>[/run/<run>]`; every part is checked again by the parser. */
export const workloadId = (domain: TrustDomain, kind: WorkloadKind, name: string, run?: string): SpiffeId =>
  parseSpiffeId(`${SCHEME}${domain}/${kind}/${name}${run === undefined ? '' : `/run/${run}`}`);
