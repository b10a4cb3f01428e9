// Keys of the trust domain: roots, intermediates, and what signs tokens; each a ring of its own, sealed in the store. They are replaced
// with an overlap, so that nobody is cut off: what is new is published before it signs, what is old stays until nothing of it lives.
//
// Crash state: one step is one sealed row. A new root takes over in two: an intermediate of it first, then the root itself; between the
// two the new intermediate verifies already, because its root has been in the bundle since it was prepared, and the step can be repeated.
import { isIssuedBy, readCertificate } from '../crypto/certificate.ts';
import type { Sealer } from '../crypto/seal.ts';
import type { LogRecord, Receipt } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import {
  authorityOf,
  createIntermediate,
  createRoot,
  needsRenewal,
  type Authority,
  type CreateOptions,
  type SigningCertificate,
} from '../identity/authority.ts';
import { LONGEST_SVID } from '../identity/issue.ts';
import { activated, inStage, withoutDead, type Stage } from '../identity/stages.ts';
import type { Sealed } from '../store/ports.ts';
import { Keyring, type KeptKey } from './keyring.ts';
import { makeTokenKey, tokenKeysOf, type TokenKeys } from './token-keyring.ts';
import { recordAct } from './acts.ts';

export const KEY_USES = ['root', 'intermediate', 'jwt', 'sts'] as const;
/** Roots; intermediates; keys of JWT-SVIDs; keys of the token service. */
export type KeyUse = (typeof KEY_USES)[number];
export const STEPS = ['prepare', 'activate', 'retire'] as const;
export type RotationStep = (typeof STEPS)[number];

const HOUR = 3_600_000;
/** How often a relying party may ask for the bundle of this domain again. Seconds; SPIFFE Trust Domain and Bundle §4.1.3. */
export const REFRESH_HINT = 300;

/** Token keys: how long one signs, and how long its tokens may still verify after that. Milliseconds. */
const TOKEN_KEY = { signs: 30 * 24 * HOUR, lingers: 24 * HOUR };

export type KeyView = {
  readonly use: KeyUse;
  /** `kid`, or the SHA-256 fingerprint of a certificate. */
  readonly id: string;
  readonly stage: Stage;
  /** Unix milliseconds, all of them. */
  readonly since: number;
  /** Of a certificate. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** The step that comes next, and from when on it cuts nobody off. */
  readonly next?: { readonly step: RotationStep; readonly from: number };
};

export type RotationResult = {
  readonly status: 'done' | 'unchanged' | 'too_early';
  readonly use: KeyUse;
  readonly step: RotationStep;
  /** When it is too early: from when on it is not. */
  readonly from?: number;
  readonly keys: readonly KeyView[];
};

/** The certificate authority of a running Cordon. */
export interface AuthorityKeeper {
  /** As it signed last. */
  readonly current: () => Authority;
  /** As it signs now: an intermediate past half its life is replaced first, however long this process has run. @throws Refusal CORDON-9004, -9009 */
  readonly fresh: () => Promise<Authority>;
  /** PEM each: everything that a relying party of this domain trusts. */
  readonly roots: () => readonly string[];
  /** PEM each: those that have issued what may still live. */
  readonly intermediates: () => readonly string[];
  /** Keys of JWT-SVIDs. */
  readonly jwt: TokenKeys;
  /** Keys of the token service. */
  readonly sts: TokenKeys;
  /** Grows with each change of the bundle: roots or keys of JWT-SVIDs. */
  readonly sequence: () => number;
  /** Told after each change. @returns stops telling */
  onChange(listener: (use: KeyUse) => void): () => void;
  /** Does what time asks for; to be called every minute or so. @throws Refusal CORDON-9004, CORDON-9009 */
  tend(): Promise<void>;
  readonly keys: () => readonly KeyView[];
  /**
   * One step of a rotation. Repeating it changes nothing.
   * @param whoeverIsCutOff takes the step although it comes too early: for a key that others may hold
   * @throws Refusal CORDON-9004, CORDON-9009
   */
  rotate(step: RotationStep, use: KeyUse, actor: string, whoeverIsCutOff?: boolean): Promise<RotationResult>;
}

export interface AuthorityOptions extends Omit<CreateOptions, 'now'> {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Lifetime of the SVIDs of workloads; each has heard of a new root before the next half of it is over. Milliseconds. */
  readonly svidTtl: number;
  readonly log: { append(record: LogRecord): Receipt };
}

const NAMES: Readonly<Record<KeyUse, string>> = { root: 'ca/root', intermediate: 'ca/intermediate', jwt: 'ca/jwt', sts: 'ca/sts' };

/**
 * Opens the authority, or makes it when the store has none.
 * @throws Refusal CORDON-9006 when the seal key is not the right one, a key is missing or of another trust domain, CORDON-9009, CORDON-9004
 */
export async function openAuthority(store: Sealed, sealer: Sealer, options: AuthorityOptions): Promise<AuthorityKeeper> {
  const open = (use: KeyUse): Promise<Keyring> => Keyring.open(store, sealer, NAMES[use]);
  const rings = { root: await open('root'), intermediate: await open('intermediate'), jwt: await open('jwt'), sts: await open('sts') };
  checkWhole(rings, options.trustDomain);
  const keeper = new Keeper(rings, options);
  await keeper.tend();
  return keeper;
}

type Rings = Readonly<Record<KeyUse, Keyring>>;

/** A root that is gone is not made anew: nobody would trust what it signs, and nobody would be told why. */
function checkWhole({ root, ...others }: Rings, trustDomain: TrustDomain): void {
  if (root.keys.length === 0 && Object.values(others).some(({ keys }) => keys.length > 0)) {
    throw new Refusal('CORDON-9006', 'the root of the trust domain is missing', { fix: 'restore a backup of the store' });
  }
  for (const { publicPart } of root.keys) {
    const [uri] = readCertificate(publicPart).uris;
    if (uri === `spiffe://${trustDomain}`) continue;
    throw new Refusal('CORDON-9006', 'the data directory belongs to another trust domain', {
      observed: uri ?? 'a root without a name',
      expected: `spiffe://${trustDomain}`,
      fix: 'mend `trust_domain` in cordon.yaml, or name another data directory',
    });
  }
}

class Keeper implements AuthorityKeeper {
  readonly jwt: TokenKeys;
  readonly sts: TokenKeys;
  readonly #rings: Rings;
  readonly #options: AuthorityOptions;
  readonly #listeners = new Set<(use: KeyUse) => void>();
  #authority: Authority | undefined;
  /** Steps wait for each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(rings: Rings, options: AuthorityOptions) {
    this.#rings = rings;
    this.#options = options;
    this.jwt = tokenKeysOf(rings.jwt);
    this.sts = tokenKeysOf(rings.sts);
  }

  readonly roots = (): readonly string[] => this.#rings.root.keys.map(({ publicPart }) => publicPart);

  readonly intermediates = (): readonly string[] => this.#rings.intermediate.keys.map(({ publicPart }) => publicPart);

  readonly sequence = (): number => this.#rings.root.revision + this.#rings.jwt.revision;

  readonly current = (): Authority => {
    const kept = inStage(this.#rings.intermediate.keys, 'active');
    if (kept === undefined) throw new Refusal('CORDON-9006', 'there is no intermediate');
    return (this.#authority ??= authorityOf(this.#options.trustDomain, this.roots(), signingOf(kept)));
  };

  readonly fresh = async (): Promise<Authority> => {
    if (needsRenewal(this.current().signer, this.#options.now())) await this.tend();
    return this.current();
  };

  readonly keys = (): readonly KeyView[] => KEY_USES.flatMap((use) => this.#rings[use].keys.map((key) => this.#view(use, key)));

  onChange(listener: (use: KeyUse) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tend(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#tendRoot();
      await this.#tendIntermediate();
      await this.#tendTokenKey('jwt');
      await this.#tendTokenKey('sts');
    });
  }

  rotate(step: RotationStep, use: KeyUse, actor: string, whoeverIsCutOff = false): Promise<RotationResult> {
    return this.#inTurn(async () => {
      const from = this.#rings[use].keys.map((key) => this.#view(use, key).next).find((next) => next?.step === step)?.from;
      const now = this.#options.now();
      const tooEarly = !whoeverIsCutOff && from !== undefined && now < from;
      const status = tooEarly ? 'too_early' : (await this.#step(step, use, actor, whoeverIsCutOff)) ? 'done' : 'unchanged';
      return { status, use, step, ...(tooEarly ? { from } : {}), keys: this.keys() };
    });
  }

  async #step(step: RotationStep, use: KeyUse, actor: string, whoeverIsCutOff: boolean): Promise<boolean> {
    const { keys } = this.#rings[use];
    const prepared = inStage(keys, 'prepared');
    switch (step) {
      case 'prepare':
        if (prepared !== undefined) return false;
        await this.#prepare(use, actor);
        return true;
      case 'activate':
        if (prepared === undefined) return false;
        if (use === 'root') await this.#handOver(prepared, actor);
        await this.#activate(use, actor);
        return true;
      case 'retire':
        return this.#dropOld(use, actor, whoeverIsCutOff ? 0 : lingerOf(use));
    }
  }

  async #prepare(use: KeyUse, actor: string): Promise<void> {
    const made = await this.#make(use);
    await this.#replace('ca.prepare', use, [...this.#rings[use].keys, made], made, actor);
  }

  async #activate(use: KeyUse, actor: string): Promise<void> {
    const { keys } = this.#rings[use];
    const next = activated(keys, this.#options.now(), ({ privateKey: _gone, ...rest }) => rest);
    await this.#replace('ca.activate', use, next, inStage(next, 'active'), actor);
  }

  async #dropOld(use: KeyUse, actor: string, linger = lingerOf(use)): Promise<boolean> {
    const { keys } = this.#rings[use];
    const left = withoutDead(keys, this.#options.now(), linger);
    const gone = keys.find((key) => !left.includes(key));
    if (gone === undefined) return false;
    await this.#replace('ca.retire', use, left, gone, actor);
    return true;
  }

  /** An intermediate of the new root signs before the root itself is active. */
  async #handOver(root: KeptKey, actor: string): Promise<void> {
    const { keys } = this.#rings.intermediate;
    const active = inStage(keys, 'active');
    if (active !== undefined && isIssuedBy(active.publicPart, root.publicPart)) return; // a step that was cut short
    const made = certified(await createIntermediate(signingOf(root), this.#now()), this.#options.now());
    const others = keys.filter(({ stage }) => stage !== 'prepared');
    const next = activated([...others, made], this.#options.now(), ({ privateKey: _gone, ...rest }) => rest);
    await this.#replace('ca.activate', 'intermediate', next, made, actor);
  }

  async #make(use: KeyUse): Promise<KeptKey> {
    const { now } = this.#now();
    if (use === 'root') return certified(await createRoot(this.#now()), now);
    if (use !== 'intermediate') return makeTokenKey(now);
    const root = inStage(this.#rings.root.keys, 'active');
    if (root === undefined) throw new Refusal('CORDON-9006', 'there is no root');
    return certified(await createIntermediate(signingOf(root), this.#now()), now);
  }

  #now(): CreateOptions {
    const { trustDomain, serial, now } = this.#options;
    return { trustDomain, serial, now: now() };
  }

  async #tendRoot(): Promise<void> {
    if (inStage(this.#rings.root.keys, 'active') === undefined) await this.#makeActive('root');
  }

  async #tendIntermediate(): Promise<void> {
    const active = inStage(this.#rings.intermediate.keys, 'active');
    if (active === undefined || needsRenewal(readCertificate(active.publicPart), this.#options.now()))
      await this.#makeActive('intermediate');
    await this.#dropOld('intermediate', 'cordon');
  }

  async #tendTokenKey(use: 'jwt' | 'sts'): Promise<void> {
    const { keys } = this.#rings[use];
    const [active, prepared] = [inStage(keys, 'active'), inStage(keys, 'prepared')];
    const now = this.#options.now();
    if (active === undefined) await this.#makeActive(use);
    else if (prepared === undefined && now - active.since >= TOKEN_KEY.signs) await this.#prepare(use, 'cordon');
    else if (prepared !== undefined && now - prepared.since >= this.#ahead()) await this.#activate(use, 'cordon');
    await this.#dropOld(use, 'cordon');
  }

  /** Nobody has to know it first: the first of its kind, or an intermediate, which travels with each SVID. */
  async #makeActive(use: KeyUse): Promise<void> {
    if (inStage(this.#rings[use].keys, 'prepared') === undefined) await this.#prepare(use, 'cordon');
    await this.#activate(use, 'cordon');
  }

  /** How long after its publication everybody has heard of a key. Milliseconds. */
  #ahead(): number {
    return Math.max(this.#options.svidTtl, 2 * REFRESH_HINT * 1000);
  }

  /** Logged before it is kept, and told after. INVARIANT I3 */
  async #replace(act: string, use: KeyUse, next: readonly KeptKey[], of: KeptKey | undefined, actor: string): Promise<void> {
    recordAct(this.#options, { actor, act, target: use, detail: { id: of?.id ?? '' } });
    await this.#rings[use].replace(next);
    if (use === 'root' || use === 'intermediate') this.#authority = undefined;
    for (const listener of this.#listeners) listener(use);
  }

  #view(use: KeyUse, { id, stage, since, publicPart }: KeptKey): KeyView {
    const certificate = use === 'root' || use === 'intermediate' ? readCertificate(publicPart) : undefined;
    const lives = certificate && { notBefore: certificate.notBefore, notAfter: certificate.notAfter };
    const ahead = use === 'intermediate' ? 0 : this.#ahead();
    const next =
      stage === 'prepared'
        ? ({ step: 'activate', from: since + ahead } as const)
        : stage === 'old'
          ? ({ step: 'retire', from: since + lingerOf(use) } as const)
          : undefined;
    return { use, id, stage, since, ...lives, ...(next === undefined ? {} : { next }) };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

const lingerOf = (use: KeyUse): number => (use === 'root' || use === 'intermediate' ? LONGEST_SVID : TOKEN_KEY.lingers);

const certified = ({ certificate, privateKey }: SigningCertificate, now: number): KeptKey => ({
  stage: 'prepared',
  since: now,
  id: readCertificate(certificate).fingerprint,
  publicPart: certificate,
  privateKey,
});

function signingOf({ publicPart, privateKey, id }: KeptKey): SigningCertificate {
  if (privateKey !== undefined) return { certificate: publicPart, privateKey };
  throw new Refusal('CORDON-9006', 'a key that should sign is gone', { observed: id, fix: 'restore a backup of the store' });
}

/** What others need to verify the SVIDs of this trust domain (SPIFFE Trust Domain and Bundle §4). */
export interface BundleFacts {
  readonly trustDomain: TrustDomain;
  /** PEM each. */
  readonly roots: readonly string[];
  /** JSON Web Keys of JWT-SVIDs, with `kid`. */
  readonly jwtKeys: readonly JsonObject[];
  /** Grows with each change. */
  readonly sequence: number;
  /** Seconds. */
  readonly refreshHint: number;
}

export function bundleOf(keeper: AuthorityKeeper): BundleFacts {
  const jwtKeys = [...keeper.jwt.keys()].map(([kid, { jwk }]) => ({ ...jwk, kid }));
  const { trustDomain } = keeper.current();
  return { trustDomain, roots: keeper.roots(), jwtKeys, sequence: keeper.sequence(), refreshHint: REFRESH_HINT };
}
