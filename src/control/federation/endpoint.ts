// Fetching the bundle of another trust domain. Standard: SPIFFE Federation §5: a GET over TLS, no redirect, no client certificate; the server
// is one of the Web PKI (`https_web`) or has the X509-SVID that cordon.yaml names (`https_spiffe`). attacker-controlled
import { readFile } from 'node:fs/promises';
import type { JsonObject } from '../../domain/json.ts';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import { trustDomainOf, withoutRun, type SpiffeId, type TrustDomain } from '../../domain/spiffe-id.ts';
import { MAX_BUNDLE } from '../../identity/bundle.ts';
import { readLeaf } from '../../identity/chain.ts';
import type { FederatedDomainConfig } from '../config.ts';
import { fetchJson, type FetchBounds } from '../oidc-fetch.ts';

/** Of one fetch. Milliseconds. */
const TIMEOUT = 10_000;

/** Roots of a domain, PEM each; none: it is not known. */
export type KnownRoots = (domain: TrustDomain) => readonly string[];

/** The document that a domain publishes now. @throws Refusal CORDON-9010, CORDON-1007, CORDON-9006 */
export async function fetchDocument(domain: FederatedDomainConfig, rootsOf: KnownRoots, now: () => number): Promise<JsonObject> {
  const { url, trustDomain } = domain;
  const bounds = { timeout: TIMEOUT, bytes: MAX_BUNDLE, plaintext: false, home: url.hostname, what: `\`${trustDomain}\`` };
  return fetchJson(url, { ...bounds, ...(await proofOf(domain, rootsOf, now)) });
}

/** How the server is known. */
async function proofOf(
  { endpointId, ca }: FederatedDomainConfig,
  rootsOf: KnownRoots,
  now: () => number,
): Promise<Pick<FetchBounds, 'ca' | 'identify'>> {
  if (endpointId === undefined) return { ca: ca === undefined ? undefined : await readAuthority(ca) };
  const roots = rootsOf(trustDomainOf(endpointId));
  // with nothing in the list, the authorities of the Web PKI would be believed
  if (roots.length === 0) throw new Refusal('CORDON-1007', `no root of \`${trustDomainOf(endpointId)}\` to verify the endpoint with`);
  return { ca: roots.join(''), identify: ({ raw }) => stranger(raw, endpointId, now()) };
}

/** @returns why the server is not the one that should answer; its chain leads to a root of the right domain */
function stranger(certificate: Uint8Array, expected: SpiffeId, now: number): Error | undefined {
  try {
    const { id } = readLeaf(certificate, now);
    if (id === expected || withoutRun(id) === expected) return undefined;
    return new Refusal('CORDON-1004', 'another workload answers at the endpoint', { observed: id, expected });
  } catch (error) {
    return asRefusal(error, 'CORDON-1006', 'SVID malformed');
  }
}

async function readAuthority(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read \`${path}\``, {
      cause,
      fix: 'mend `ca` of the domain under `federation` in cordon.yaml',
    });
  }
}
