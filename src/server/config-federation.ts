// The section `federation` of `cordon.yaml`: trust domains whose SVIDs are believed, and the agents that come from there.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { FederatedDomainConfig, FederationConfig } from '../control/config.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseTrustDomain, trustDomainOf, type SpiffeId } from '../domain/spiffe-id.ts';
import type { Issue } from './config-place.ts';
import { duration, milliseconds } from './config-values.ts';

const domain = z.strictObject({
  url: z.url({ protocol: /^https$/ }),
  /** How the server there is known: by the Web PKI, or by an X509-SVID. */
  profile: z.enum(['https_web', 'https_spiffe']),
  /** The SPIFFE ID that it must have, without or with a run. */
  endpointId: z.string().exactOptional(),
  /** Of a private authority that signed its TLS certificate. */
  ca: z.string().exactOptional(),
  bundle: z.string().exactOptional(),
  maxAge: duration('5m', '720h').default('24h'),
});

export const FEDERATION_SECTION = z.record(z.string(), domain);

interface From {
  readonly trustDomain: string;
  readonly federation: z.infer<typeof FEDERATION_SECTION>;
  readonly agents: Readonly<Record<string, { readonly spiffeId?: string }>>;
}

type Refuse = (issue: Issue) => Error;

/** Paths in it start at `base`. `refuse` is given the first thing that does not fit. */
export function federationOf(from: From, base: string, refuse: Refuse): FederationConfig {
  const domains = Object.entries(from.federation).map(([name, row]) => domainOf(name, row, from.trustDomain, base, refuse));
  const known = new Set<string>(domains.map(({ trustDomain }) => trustDomain));
  const lost = domains.find(({ endpointId }) => endpointId !== undefined && !known.has(trustDomainOf(endpointId)));
  if (lost !== undefined) {
    throw refuse({ path: ['federation', lost.trustDomain, 'endpointId'], message: 'it is of no domain that stands under `federation`' });
  }
  return { domains, agents: agentsOf(from, known, refuse) };
}

function domainOf(
  name: string,
  { url, profile, endpointId, ca, bundle, maxAge }: z.infer<typeof domain>,
  own: string,
  base: string,
  refuse: Refuse,
): FederatedDomainConfig {
  const wrong = (member: string, message: string): Error => refuse({ path: ['federation', name, member], message });
  if (name === own) throw refuse({ path: ['federation', name], message: 'this is the trust domain of this Cordon' });
  // a name constraint with a point in front would hold for every name below it
  if (name.startsWith('.'))
    throw refuse({ path: ['federation', name], message: 'a trust domain that starts with `.` cannot be federated with' });
  if (profile === 'https_spiffe' && endpointId === undefined) throw wrong('endpointId', 'the SPIFFE ID that answers there');
  if (profile === 'https_spiffe' && bundle === undefined) throw wrong('bundle', 'a file with the first bundle of the domain');
  if (profile === 'https_spiffe' && ca !== undefined) throw wrong('ca', 'only for the profile `https_web`');
  if (profile === 'https_web' && endpointId !== undefined) throw wrong('endpointId', 'only for the profile `https_spiffe`');
  return {
    trustDomain: read(
      () => parseTrustDomain(name),
      (message) => refuse({ path: ['federation', name], message }),
    ),
    url: new URL(url),
    ...(endpointId === undefined
      ? {}
      : {
          endpointId: read(
            () => parseSpiffeId(endpointId),
            (message) => wrong('endpointId', message),
          ),
        }),
    ...(ca === undefined ? {} : { ca: resolve(base, ca) }),
    ...(bundle === undefined ? {} : { bundle: resolve(base, bundle) }),
    maxAge: milliseconds(maxAge),
  };
}

function agentsOf({ agents }: From, known: ReadonlySet<string>, refuse: Refuse): ReadonlyMap<SpiffeId, string> {
  const found = new Map<SpiffeId, string>();
  for (const [name, { spiffeId }] of Object.entries(agents)) {
    if (spiffeId === undefined) continue;
    const wrong = (message: string): Error => refuse({ path: ['agents', name, 'spiffeId'], message });
    const id = read(() => parseSpiffeId(spiffeId), wrong);
    if (id === `spiffe://${trustDomainOf(id)}`) throw wrong('a SPIFFE ID with a path');
    if (!known.has(trustDomainOf(id))) throw wrong(`\`${trustDomainOf(id)}\` does not stand under \`federation\``);
    const other = found.get(id);
    if (other !== undefined) throw wrong(`it is that of \`${other}\``);
    found.set(id, name);
  }
  return found;
}

function read<T>(parse: () => T, refuse: (message: string) => Error): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof Refusal ? refuse(error.message) : error;
  }
}
