// The authority under which the gateway stands in for hosts that are registered for interception: a key of its own, sealed like the others, and a
// root that can vouch for nothing but those hosts. Agents trust it beside the authorities of the web; nothing of the trust domain does.
import { randomSerial } from '../crypto/random.ts';
import { readCertificate } from '../crypto/certificate.ts';
import type { Sealer } from '../crypto/seal.ts';
import { generateKeyPem, type KeyPem } from '../crypto/x509.ts';
import { signWebLeaf, signWebRoot } from '../crypto/x509-web.ts';
import { recordAct, type ActLog } from '../control/acts.ts';
import { isJsonArray, isJsonObject, parseJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { HostCertificate } from '../gateway/egress-inner.ts';
import type { Sealed } from '../store/ports.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

export interface Interception {
  /** PEM. */
  readonly root: string;
  /** A certificate for one of the hosts, made when it is first wanted. @throws Refusal CORDON-9006 */
  certificateFor(host: string): Promise<HostCertificate>;
}

interface InterceptionParts extends ActLog {
  readonly store: Sealed;
  readonly sealer: Sealer;
  readonly trustDomain: string;
  /** Names that it vouches for, with what is below them. */
  readonly names: readonly string[];
}

const NAME = 'interception/authority';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LIFE = { root: 365 * DAY, leaf: 12 * HOUR, skew: 5 * 60_000, renew: 30 * DAY };

interface Authority {
  readonly key: KeyPem;
  readonly root: string;
  /** What the root was made for. */
  readonly names: readonly string[];
}

/** The authority of what `cordon.yaml` registers for interception; undefined when that is nothing. @throws Refusal CORDON-9004, CORDON-9006 */
export async function interceptionOf({ config, now }: Setting, { store, sealer, log }: State): Promise<Interception | undefined> {
  const hosts = config.resources.flatMap(({ upstream }) => (upstream.kind === 'egress' && upstream.intercept ? upstream.hosts : []));
  const names = [...new Set(hosts.map(({ host }) => host))].toSorted();
  return names.length === 0 ? undefined : openInterception({ store, sealer, log, now, trustDomain: config.trustDomain, names });
}

/** @throws Refusal CORDON-9004, CORDON-9006 */
async function openInterception(parts: InterceptionParts): Promise<Interception> {
  const authority = await openAuthority(parts);
  const leafKey = await generateKeyPem();
  const made = new Map<string, { readonly certificate: Promise<HostCertificate>; readonly until: number }>();
  return {
    root: authority.root,
    certificateFor(host): Promise<HostCertificate> {
      const now = parts.now();
      const known = made.get(host);
      if (known !== undefined && now < known.until) return known.certificate;
      const [oldest] = made.keys();
      if (made.size >= MOST_LEAVES && oldest !== undefined) made.delete(oldest);
      const certificate = leafFor(authority, leafKey, host, now);
      made.set(host, { certificate, until: now + LIFE.leaf / 2 });
      certificate.catch(() => made.delete(host));
      return certificate;
    },
  };
}

/** Wildcards stand for any number of hosts. */
const MOST_LEAVES = 1024;

async function leafFor({ key, root }: Authority, leafKey: KeyPem, host: string, now: number): Promise<HostCertificate> {
  const cert = await signWebLeaf({
    host,
    issuer: root,
    serial: randomSerial(),
    notBefore: new Date(now - LIFE.skew),
    notAfter: new Date(now + LIFE.leaf),
    publicKey: leafKey.publicKey,
    issuerKey: key.privateKey,
  });
  return { cert, key: leafKey.privateKey };
}

/** What was kept, while it covers the names that are registered and lives; else a new root of the same key. */
async function openAuthority(parts: InterceptionParts): Promise<Authority> {
  const { store, sealer, names, now } = parts;
  const kept = await keptIn(store, sealer);
  const isCovered =
    kept !== undefined && names.every((name) => kept.names.includes(name)) && kept.names.every((name) => names.includes(name));
  if (kept !== undefined && isCovered && readCertificate(kept.root).notAfter - now() > LIFE.renew) return kept;
  const key = kept?.key ?? (await generateKeyPem());
  const root = await signWebRoot({
    subject: `CN=Cordon interception for ${parts.trustDomain}`,
    names,
    serial: randomSerial(),
    notBefore: new Date(now() - LIFE.skew),
    notAfter: new Date(now() + LIFE.root),
    publicKey: key.publicKey,
    issuerKey: key.privateKey,
  });
  recordAct(parts, { actor: 'cordon', act: 'interception.root', target: readCertificate(root).fingerprint, detail: { names: [...names] } });
  await store.putSealed(NAME, sealer.seal(NAME, Buffer.from(JSON.stringify({ ...key, root, names }))));
  return { key, root, names };
}

async function keptIn(store: Sealed, sealer: Sealer): Promise<Authority | undefined> {
  const sealed = await store.getSealed(NAME);
  if (sealed === undefined) return undefined;
  const json = parseJson(sealer.open(NAME, sealed), { maxBytes: 1_048_576, maxDepth: 4 });
  const { privateKey, publicKey, root, names } = isJsonObject(json) ? json : {};
  if (typeof privateKey === 'string' && typeof publicKey === 'string' && typeof root === 'string' && isJsonArray(names)) {
    return { key: { privateKey, publicKey }, root, names: names.map(String) };
  }
  throw new Refusal('CORDON-9006', 'what was kept of the interception authority cannot be read', { fix: 'restore a backup of the store' });
}
