// The trust domains that are federated with: their bundles, fetched when their publishers wish, kept over restarts, believed until they are too
// old. Standard: SPIFFE Federation §4 and §5. Promises: a bundle speaks for the domain that cordon.yaml names it for, and bundles are never
// merged; a sequence never goes back; what is published to enforcement points was recorded and kept first. INVARIANT I3
//
// Crash state: one bundle is one row; a fetch that was cut short is made again.
import { readFile } from 'node:fs/promises';
import { readCertificate } from '../../crypto/certificate.ts';
import { dersOf } from '../../crypto/der.ts';
import type { Sealer } from '../../crypto/seal.ts';
import { writeJson } from '../../domain/json.ts';
import { asRefusal, errorTextOf, Refusal } from '../../domain/refusal.ts';
import { parseTrustDomain, type TrustDomain } from '../../domain/spiffe-id.ts';
import { parseBundle, readBundle, type Bundle } from '../../identity/bundle.ts';
import { verifyChain, type VerifiedSvid } from '../../identity/chain.ts';
import type { Federated } from '../../pdp/snapshot.ts';
import type { FederatedBundles } from '../../store/ports.ts';
import type { FederatedDomainConfig, FederationConfig } from '../config.ts';
import type { DomainBundle } from '../workload/ports.ts';
import { fetchDocument } from './endpoint.ts';
import { recordAct, type ActLog } from '../acts.ts';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
/** Where a bundle has no hint. */
const DEFAULT_HINT = 5 * MINUTE;
const RETRY = MINUTE;

export type FederatedDomainView = {
  readonly trust_domain: string;
  readonly url: string;
  readonly profile: 'https_web' | 'https_spiffe';
  /** `waiting`: no bundle yet; `stale`: it is too old. Only one that is `trusted` is believed. */
  readonly state: 'trusted' | 'stale' | 'waiting';
  /** A number of 64 bits, as text. */
  readonly sequence?: string;
  readonly roots: number;
  readonly jwt_keys: number;
  /** Unix milliseconds. */
  readonly fetched_at?: number;
  readonly next_at: number;
  readonly until?: number;
  /** Why the last fetch failed. */
  readonly error?: { readonly code: string; readonly message: string; readonly fix: string };
};

export interface Federation {
  readonly domains: () => readonly FederatedDomainView[];
  /** Fetches now. @throws Refusal CORDON-3003 no such domain, and why the bundle was not taken */
  refresh(domain: string, actor: string): Promise<FederatedDomainView>;
  /** Fetches what is due, and stops believing what is too old; to be called every half minute or so. Never throws. */
  tend(): Promise<void>;
  /** What is believed now, for enforcement points. */
  readonly believed: () => Federated;
  /** The same, for workloads. */
  readonly bundles: () => ReadonlyMap<TrustDomain, DomainBundle>;
  /** Whose chain it is (leaf first, PEM). attacker-controlled @throws Refusal CORDON-1002, -1004, -1006, -1007 */
  verifySvid(chain: string): VerifiedSvid;
}

export interface FederationParts extends ActLog {
  readonly config: FederationConfig;
  readonly store: FederatedBundles;
  readonly sealer: Sealer;
  /** Told what is believed when that is something else. */
  readonly onChange: (believed: Federated) => void;
  readonly onNotice: (line: string) => void;
}

/** What is kept of a domain. */
interface Kept {
  readonly bundle: Bundle;
  /** The document, canonical: another text is another bundle. */
  readonly text: string;
  readonly fetchedAt: number;
}

interface Domain {
  readonly config: FederatedDomainConfig;
  kept: Kept | undefined;
  nextAt: number;
  error: Refusal | undefined;
  /** Fetches wait for each other. */
  last: Promise<unknown>;
}

/** Reads what is kept, and the first bundles of cordon.yaml. @throws Refusal CORDON-9004, -9006 for a file, or a row that was tampered with */
export async function openFederation(parts: FederationParts): Promise<Federation> {
  const { config, store, sealer } = parts;
  const rows = new Map((await store.federatedBundles()).map((row) => [row.trustDomain, row]));
  const domains = new Map<TrustDomain, Domain>();
  for (const each of config.domains) {
    const row = rows.get(each.trustDomain);
    rows.delete(each.trustDomain);
    const stored = row && keptOf(Buffer.from(sealer.open(nameOf(each), row.sealed)), row.fetchedAt);
    const domain: Domain = { config: each, kept: stored, nextAt: 0, error: undefined, last: Promise.resolve() };
    domains.set(each.trustDomain, domain);
  }
  // a domain that was taken out and comes back starts anew
  for (const gone of rows.keys()) await store.removeFederatedBundle(gone);
  const federation = new BundleKeeper(parts, domains);
  await federation.start();
  return federation;
}

const nameOf = ({ trustDomain }: FederatedDomainConfig): string => `federation/${trustDomain}`;

const keptOf = (bytes: Uint8Array, fetchedAt: number): Kept => ({
  bundle: parseBundle(bytes),
  text: Buffer.from(bytes).toString('utf8'),
  fetchedAt,
});

class BundleKeeper implements Federation {
  readonly #parts: FederationParts;
  readonly #domains: ReadonlyMap<TrustDomain, Domain>;
  /** Domains that were believed at the last look. */
  #trusted = '';

  constructor(parts: FederationParts, domains: ReadonlyMap<TrustDomain, Domain>) {
    this.#parts = parts;
    this.#domains = domains;
  }

  /** A first bundle counts where there is none yet, or an older one: so an operator mends a chain that was broken. */
  async start(): Promise<void> {
    for (const domain of this.#domains.values()) {
      if (domain.config.bundle !== undefined) await this.#bootstrap(domain, domain.config.bundle);
    }
    this.#look();
  }

  readonly domains = (): readonly FederatedDomainView[] => [...this.#domains.values()].map((domain) => this.#view(domain));

  async refresh(name: string, actor: string): Promise<FederatedDomainView> {
    const domain = this.#domains.get(parseTrustDomain(name));
    if (domain === undefined) {
      throw new Refusal('CORDON-3003', `\`${name}\` is not federated with`, { fix: 'add it under `federation` in cordon.yaml' });
    }
    await this.#fetch(domain, actor);
    return this.#view(domain);
  }

  async tend(): Promise<void> {
    const now = this.#parts.now();
    const due = [...this.#domains.values()].filter(({ nextAt }) => nextAt <= now);
    await Promise.all(due.map((domain) => this.#fetch(domain, 'cordon').catch(() => undefined))); // it is in the view, and was told
    this.#look();
  }

  readonly believed = (): Federated => ({
    domains: new Map(
      this.#believed().map(({ config, kept }) => [config.trustDomain, { roots: kept.bundle.roots, until: kept.fetchedAt + config.maxAge }]),
    ),
    agents: this.#parts.config.agents,
  });

  readonly bundles = (): ReadonlyMap<TrustDomain, DomainBundle> =>
    new Map(
      this.#believed().map(({ config, kept: { bundle } }) => [
        config.trustDomain,
        { x509: bundle.roots.join(''), jwks: { keys: bundle.jwks.keys } },
      ]),
    );

  verifySvid(chain: string): VerifiedSvid {
    return verifyChain(dersOf(chain), (name) => this.#rootsOf(name), this.#parts.now());
  }

  #rootsOf(name: TrustDomain): readonly string[] {
    const domain = this.#domains.get(name);
    if (domain === undefined) throw new Refusal('CORDON-1004', 'the SVID is of no trust domain that is federated with', { observed: name });
    if (this.#isBelieved(domain)) return domain.kept?.bundle.roots ?? [];
    throw new Refusal('CORDON-1007', `there is no bundle of \`${name}\` that is fresh enough`, {
      fix: `cordon federation refresh ${name}`,
    });
  }

  #isBelieved({ kept, config }: Domain): boolean {
    return kept !== undefined && this.#parts.now() < kept.fetchedAt + config.maxAge;
  }

  #believed(): readonly { readonly config: FederatedDomainConfig; readonly kept: Kept }[] {
    return [...this.#domains.values()].flatMap((domain) =>
      domain.kept !== undefined && this.#isBelieved(domain) ? [{ config: domain.config, kept: domain.kept }] : [],
    );
  }

  async #bootstrap(domain: Domain, path: string): Promise<void> {
    const { now } = this.#parts;
    try {
      const next = keptOf(await readFile(path), now());
      const { kept } = domain;
      if (kept === undefined || (next.bundle.sequence ?? 0n) > (kept.bundle.sequence ?? 0n)) await this.#take(domain, next, 'cordon.yaml');
    } catch (cause) {
      throw new Refusal('CORDON-9006', `\`${path}\` is no bundle: ${errorTextOf(cause)}`, {
        cause,
        fix: `get one from \`${domain.config.trustDomain}\` by a way that you trust`,
      });
    }
  }

  #fetch(domain: Domain, actor: string): Promise<void> {
    const done = domain.last.then(() => this.#fetchNow(domain, actor));
    domain.last = done.catch(() => undefined);
    return done;
  }

  async #fetchNow(domain: Domain, actor: string): Promise<void> {
    const { now, onNotice } = this.#parts;
    const { config } = domain;
    try {
      const json = await fetchDocument(config, (name) => this.#domains.get(name)?.kept?.bundle.roots ?? [], now);
      const next: Kept = { bundle: readBundle(json), text: writeJson(json), fetchedAt: now() };
      checkSequence(domain.kept?.bundle, next.bundle);
      await this.#take(domain, next, actor);
      domain.error = undefined;
      domain.nextAt = now() + hintOf(next.bundle);
    } catch (error) {
      const refusal = asRefusal(error, 'CORDON-9010', 'the bundle cannot be had');
      if (domain.error === undefined) onNotice(`! federation: \`${config.trustDomain}\`: ${errorTextOf(refusal)}`);
      domain.error = refusal;
      domain.nextAt = now() + RETRY;
      throw refusal;
    } finally {
      this.#look();
    }
  }

  /** Recorded, then kept, then believed. */
  async #take(domain: Domain, next: Kept, actor: string): Promise<void> {
    const { store, sealer } = this.#parts;
    const { config, kept } = domain;
    const changed = kept?.text !== next.text;
    if (changed) {
      const detail = {
        sequence: String(next.bundle.sequence ?? ''),
        roots: next.bundle.roots.map((root) => readCertificate(root).fingerprint),
      };
      recordAct(this.#parts, { actor, act: 'federation.bundle', target: config.trustDomain, detail });
    }
    const name = nameOf(config);
    await store.putFederatedBundle({
      trustDomain: config.trustDomain,
      sealed: sealer.seal(name, Buffer.from(next.text)),
      fetchedAt: next.fetchedAt,
    });
    domain.kept = next;
  }

  /** Tells when something else is believed than at the last look, or for longer. */
  #look(): void {
    const trusted = this.#believed()
      .map(({ config, kept }) => `${config.trustDomain} ${kept.fetchedAt} ${kept.text}`)
      .join('\n');
    if (trusted === this.#trusted) return;
    this.#trusted = trusted;
    this.#parts.onChange(this.believed());
  }

  #view(domain: Domain): FederatedDomainView {
    const { config, kept, nextAt, error } = domain;
    const { bundle, fetchedAt } = kept ?? {};
    return {
      trust_domain: config.trustDomain,
      url: config.url.href,
      profile: config.endpointId === undefined ? 'https_web' : 'https_spiffe',
      state: kept === undefined ? 'waiting' : this.#isBelieved(domain) ? 'trusted' : 'stale',
      ...(bundle?.sequence === undefined ? {} : { sequence: String(bundle.sequence) }),
      roots: bundle?.roots.length ?? 0,
      jwt_keys: bundle?.jwtKeys.size ?? 0,
      ...(fetchedAt === undefined ? {} : { fetched_at: fetchedAt, until: fetchedAt + config.maxAge }),
      next_at: nextAt,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message, fix: error.fix } }),
    };
  }
}

/** @throws Refusal CORDON-1006 */
function checkSequence(before: Bundle | undefined, { sequence }: Bundle): void {
  const last = before?.sequence;
  if (last === undefined || (sequence !== undefined && sequence >= last)) return;
  throw new Refusal('CORDON-1006', 'the bundle is older than the one that is kept', {
    observed: `sequence ${sequence ?? 'none'}`,
    expected: `at least ${last}`,
  });
}

const hintOf = ({ refreshHint }: Bundle): number =>
  Math.min(DAY, Math.max(MINUTE, refreshHint === undefined ? DEFAULT_HINT : refreshHint * 1000));
