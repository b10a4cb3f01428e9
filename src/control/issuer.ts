// Who gets an identity: a run that was started here and proves it with a single-use token, and a live run that renews. Issuing is logged
// before the SVID leaves. INVARIANTS I3, I5
import { sha256Hex } from '../crypto/hash.ts';
import { randomId, randomSecret, randomSerial } from '../crypto/random.ts';
import { createRequest, generateKeyPem, publicKeyOfRequest } from '../crypto/x509.ts';
import { subjectKey, type SubjectKey } from '../crypto/x509-leaf.ts';
import { Refusal } from '../domain/refusal.ts';
import { workloadId, type SpiffeId, type WorkloadKind } from '../domain/spiffe-id.ts';
import { issueSvid, type IssuedSvid } from '../identity/issue.ts';
import { issueJwtSvid, type IssuedJwtSvid } from '../identity/jwt-svid-issue.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { Run, Store } from '../store/ports.ts';
import type { AuthorityKeeper } from './keys.ts';
import { createRates } from './oauth/rates.ts';
import { recordAct, type ActLog } from './acts.ts';

/** How long a started process has to join. Milliseconds. */
export const TOKEN_TTL = 60_000;

/**
 * What may be signed for one run, and for all runs of one workload. A run renews at half life, and tries again within seconds when it is not
 * answered; an agent may start hundreds of runs at once.
 */
const PER_RUN = { rate: 0.5, burst: 10 };
const PER_WORKLOAD = { rate: 20, burst: 500 };
/** JWT-SVIDs of one run. */
const PER_TOKEN = { rate: 5, burst: 100 };

export interface IssuerParts extends ActLog {
  readonly authority: AuthorityKeeper;
  readonly store: Store;
  /** Lifetime of SVIDs, milliseconds. */
  readonly ttl: number;
  /** Of the SVIDs of one run, where its registration entry says so. Milliseconds. */
  readonly ttlOf?: (run: Run) => number | undefined;
  readonly isRegistered: (kind: WorkloadKind, name: string) => boolean;
  /** Refuses an identity, new or renewed, for instance at level `off`. @throws Refusal CORDON-4002 */
  readonly mayHave: (workload: Pick<Run, 'kind' | 'name'> & Partial<Pick<Run, 'id'>>) => void;
  /** Told of every SVID of a run, so that PEPs learn of it. */
  readonly onIssued: (run: Run, svid: IssuedSvid) => void;
}

export interface StartedRun {
  readonly run: Run;
  /** Secret; good once, for a minute. */
  readonly token: string;
}

export interface OwnCredentials {
  readonly chain: string;
  readonly privateKey: string;
  readonly bundle: string;
  readonly svid: IssuedSvid;
}

/** Parts of Cordon itself, and its operators. */
export type OwnKind = 'gateway' | 'control' | 'operator';

export interface Issuer {
  /** Roots, PEM; more than one while a new one is taking over. */
  readonly bundle: string;
  /** @throws Refusal CORDON-1012 when nothing of that name is registered */
  startRun(kind: WorkloadKind, name: string, actor: string, task?: string): Promise<StartedRun>;
  /** Trades a join token and a certificate request (PKCS#10 DER) for the first SVID of a run. @throws Refusal CORDON-1005, -4003, -1013 */
  join(token: string, request: Uint8Array): Promise<IssuedSvid>;
  /** A fresh SVID for a live run. @throws Refusal CORDON-4005, -4002, -4003, -1013 */
  renew(peer: SvidFacts, request: Uint8Array): Promise<IssuedSvid>;
  /** The ID of a run that lives and may have an identity. @throws Refusal CORDON-4005, -4002 */
  live(run: string): Promise<SpiffeId>;
  /** A key and SVID for a live run, made here and kept nowhere: what the Workload API hands out. @throws Refusal CORDON-4005, -4002, -4003 */
  provide(run: string): Promise<{ readonly svid: IssuedSvid; readonly privateKey: string }>;
  /** A JWT-SVID for a live run. @throws Refusal CORDON-4005, -4002, -4003, -9011 */
  jwtSvid(run: string, audience: readonly string[]): Promise<IssuedJwtSvid>;
  /** @returns false when it had ended already or never was */
  endRun(id: string, actor: string): Promise<boolean>;
  /** An SVID for an operator who has just signed in; a run of its own. @throws Refusal CORDON-1013 */
  admitOperator(name: string, request: Uint8Array, ttl: number): Promise<IssuedSvid>;
  /** A key and SVID for a part of Cordon itself or an operator; one run for each as long as this process lives, or until it is revoked. `ttl`: milliseconds. */
  own(kind: OwnKind, name: string, ttl: number): Promise<OwnCredentials>;
}

export const createIssuer = (parts: IssuerParts): Issuer => new RunIssuer(parts);

class RunIssuer implements Issuer {
  readonly #parts: IssuerParts;
  readonly #ownRuns = new Map<string, Promise<Run>>();
  readonly #perRun = createRates(PER_RUN);
  readonly #perWorkload = createRates(PER_WORKLOAD);
  readonly #perToken = createRates(PER_TOKEN);

  constructor(parts: IssuerParts) {
    this.#parts = parts;
  }

  get bundle(): string {
    return this.#parts.authority.current().bundle;
  }

  async startRun(kind: WorkloadKind, name: string, actor: string, task?: string): Promise<StartedRun> {
    const { isRegistered, store, now } = this.#parts;
    if (!isRegistered(kind, name)) {
      throw new Refusal('CORDON-1012', `no ${kind} is registered as \`${name}\``, { observed: `${kind}/${name}` });
    }
    this.#parts.mayHave({ kind, name });
    const run = await this.#addRun(kind, name, actor, task);
    const token = randomSecret();
    await store.addToken({ tokenHash: sha256Hex(token), runId: run.id, expiresAt: now() + TOKEN_TTL });
    return { run, token };
  }

  async join(token: string, request: Uint8Array): Promise<IssuedSvid> {
    const { store, now, ttl, mayHave } = this.#parts;
    const publicKey = await publicKeyOfRequest(request); // first, so that a request that is no good does not cost the token
    const taken = await store.takeToken(sha256Hex(token), now());
    const run = taken === undefined ? undefined : await store.getRun(taken.runId);
    if (run === undefined || run.endedAt !== undefined) {
      throw new Refusal('CORDON-1005', 'the join token is unknown, used or expired', { expected: 'a fresh token, used once, within 60 s' });
    }
    mayHave(run);
    this.#limit(run);
    return this.#issueTo(run, publicKey, ttl);
  }

  async renew(peer: SvidFacts, request: Uint8Array): Promise<IssuedSvid> {
    const { store, mayHave, ttl } = this.#parts;
    const run = peer.workload.run === undefined ? undefined : await store.getRun(peer.workload.run);
    if (run === undefined || run.endedAt !== undefined || this.#idOf(run) !== peer.workload.id) {
      throw new Refusal('CORDON-4005', 'the run has ended', { observed: peer.workload.id });
    }
    mayHave(run);
    this.#limit(run);
    return this.#issueTo(run, await publicKeyOfRequest(request), ttl);
  }

  async live(run: string): Promise<SpiffeId> {
    return this.#idOf(await this.#liveRun(run));
  }

  async provide(id: string): Promise<{ readonly svid: IssuedSvid; readonly privateKey: string }> {
    const run = await this.#liveRun(id);
    this.#limit(run);
    const { privateKey, publicKey } = await generateKeyPem();
    return { svid: await this.#issueTo(run, subjectKey(publicKey), this.#parts.ttl), privateKey };
  }

  async jwtSvid(id: string, audience: readonly string[]): Promise<IssuedJwtSvid> {
    const run = await this.#liveRun(id);
    const { authority, now, ttl } = this.#parts;
    this.#perToken.take(id, now());
    const issued = issueJwtSvid(authority.jwt, { id: this.#idOf(run), audience, now: now(), ttl: this.#parts.ttlOf?.(run) ?? ttl });
    this.#log('identity.issue_jwt', 'cordon', issued.id, {
      audience: audience.join(' '),
      not_after: new Date(issued.expiresAt).toISOString(),
    });
    return issued;
  }

  /** @throws Refusal CORDON-4005, -4002 */
  async #liveRun(id: string): Promise<Run> {
    const run = await this.#parts.store.getRun(id);
    if (run === undefined || run.endedAt !== undefined) throw new Refusal('CORDON-4005', 'the run has ended', { observed: id });
    this.#parts.mayHave(run);
    return run;
  }

  async endRun(id: string, actor: string): Promise<boolean> {
    const { store, now } = this.#parts;
    const run = await store.getRun(id);
    if (run === undefined || run.endedAt !== undefined) return false;
    this.#log('run.end', actor, id, {});
    return store.endRun(id, now());
  }

  async admitOperator(name: string, request: Uint8Array, ttl: number): Promise<IssuedSvid> {
    const publicKey = await publicKeyOfRequest(request);
    return this.#issue(await this.#addRun('operator', name, 'cordon'), publicKey, ttl);
  }

  async own(kind: OwnKind, name: string, ttl: number): Promise<OwnCredentials> {
    const run = await this.#ownRun(kind, name);
    const key = await generateKeyPem();
    const publicKey = await publicKeyOfRequest(await createRequest(key));
    const svid = await this.#issue(run, publicKey, ttl);
    return { chain: svid.chain, privateKey: key.privateKey, bundle: this.bundle, svid };
  }

  async #ownRun(kind: OwnKind, name: string): Promise<Run> {
    const key = `${kind}/${name}`;
    const started = this.#ownRuns.get(key) ?? this.#addRun(kind, name, 'cordon');
    this.#ownRuns.set(key, started);
    try {
      const run = await started;
      const kept = await this.#parts.store.getRun(run.id);
      if (kept !== undefined && kept.endedAt === undefined) return run;
      this.#ownRuns.delete(key); // it was revoked
      return await this.#ownRun(kind, name);
    } catch (error) {
      this.#ownRuns.delete(key);
      throw error;
    }
  }

  async #addRun(kind: WorkloadKind, name: string, actor: string, task?: string): Promise<Run> {
    const run: Run = { id: randomId(12), kind, name, createdAt: this.#parts.now(), ...(task === undefined ? {} : { task }) };
    // the words may name people and accounts, and the log forgets nothing
    this.#log('run.start', actor, this.#idOf(run), task === undefined ? {} : { task: `sha256:${sha256Hex(task)}` });
    await this.#parts.store.addRun(run);
    return run;
  }

  /** @throws Refusal CORDON-4003 */
  #limit({ id, kind, name }: Run): void {
    const now = this.#parts.now();
    this.#perRun.take(id, now);
    this.#perWorkload.take(`${kind}/${name}`, now);
  }

  async #issueTo(run: Run, publicKey: SubjectKey, ttl: number): Promise<IssuedSvid> {
    const svid = await this.#issue(run, publicKey, this.#parts.ttlOf?.(run) ?? ttl);
    this.#parts.onIssued(run, svid);
    return svid;
  }

  async #issue(run: Run, publicKey: SubjectKey, ttl: number): Promise<IssuedSvid> {
    const { authority, store, now } = this.#parts;
    const id = this.#idOf(run);
    const svid = issueSvid(await authority.fresh(), { id, publicKey, now: now(), ttl, serial: randomSerial() });
    const { serial, notBefore, notAfter } = svid;
    this.#log('identity.issue', 'cordon', id, { serial, not_after: new Date(notAfter).toISOString() });
    await store.addCertificate({ serial, runId: run.id, spiffeId: id, notBefore, notAfter });
    return svid;
  }

  #idOf(run: Run): SpiffeId {
    return workloadId(this.#parts.authority.current().trustDomain, run.kind, run.name, run.id);
  }

  #log(act: string, actor: string, target: string, detail: Record<string, string>): void {
    recordAct(this.#parts, { actor, act, target, detail });
  }
}
