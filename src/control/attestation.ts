// Attestation: what proves who a workload is before it has an identity. An attestor turns evidence into selectors, registration entries turn
// selectors into an agent, and what came of it is on record either way. INVARIANTS I3, I5
import { sha256Hex } from '../crypto/hash.ts';
import { randomId, randomSecret } from '../crypto/random.ts';
import { publicKeyOfRequest } from '../crypto/x509.ts';
import type { LogRecord, Receipt } from '../domain/access.ts';
import type { Json } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { driftOf } from '../identity/composition.ts';
import type { IssuedSvid } from '../identity/issue.ts';
import { noMatch, type Registered, type RegistrationEntry } from '../identity/registration.ts';
import { attestorOf, selectorsOf, type Attestor } from '../identity/selectors.ts';
import type { Entries } from '../store/ports.ts';
import type { Entitlement, Evidence, LauncherEvidence } from './attest/evidence.ts';
import { seenByDomain, type FederatedParts } from './attest/federated.ts';
import { seenByIssuer, type OidcParts } from './attest/oidc.ts';
import { drifted, type Postures } from './attest/posture.ts';
import type { Registry } from './attest/registry.ts';
import { seenByKernel, seenByLauncher, type Seen } from './attest/seen.ts';
import type { Issuer, StartedRun } from './issuer.ts';
import { createRates } from './oauth/rates.ts';
import type { RefusedRequest } from './refusals.ts';
import { recordAct } from './acts.ts';

export type { Entitlement, Evidence, LauncherEvidence, UnixEvidence } from './attest/evidence.ts';

export interface AttestedSvid {
  readonly run: string;
  readonly svid: IssuedSvid;
  readonly entitlement: Entitlement;
}

export interface Attestation {
  readonly registry: Registry;
  readonly postures: Postures;
  /**
   * Who the evidence shows, most specific first, one for each agent; never none. A refusal is on record when it comes.
   * `wanted`: this one alone.
   * @throws Refusal CORDON-1005 evidence that proves nothing, CORDON-1009, -1010, -1011 of a token, CORDON-1012 no entry matches,
   * CORDON-1015 made of something else than was registered
   */
  attest(evidence: Evidence, wanted?: Registered): Promise<readonly Entitlement[]>;
  /**
   * Starts a run for what was attested and issues its first SVID. `request`: PKCS#10, DER.
   * @throws Refusal CORDON-1012 its entry is gone, CORDON-1013, CORDON-4002, CORDON-4003
   */
  admit(entitlement: Entitlement, request: Uint8Array): Promise<AttestedSvid>;
  /** Starts a run that an operator asks for; the token that it joins with is good once, for a minute. @throws as `attest` and `admit` */
  launch(who: Registered, evidence: LauncherEvidence, task?: string): Promise<StartedRun>;
  /** Makes a token with which one workload elsewhere joins as `who`. `ttl`: milliseconds. @throws Refusal CORDON-1012, CORDON-4002 */
  makeToken(who: Registered, ttl: number, actor: string): Promise<MadeToken>;
  /** Trades either kind of token for a first SVID. @throws Refusal CORDON-1005, -1013 */
  join(token: string, request: Uint8Array): Promise<IssuedSvid>;
}

/** Secret; good once. */
export interface MadeToken {
  readonly id: string;
  readonly token: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface AttestationParts extends OidcParts, FederatedParts {
  readonly registry: Registry;
  readonly postures: Postures;
  readonly issuer: Pick<Issuer, 'startRun' | 'join' | 'endRun'>;
  readonly tokens: Pick<Entries, 'addAgentToken' | 'takeAgentToken'>;
  readonly log: { append(record: LogRecord): Receipt };
  readonly refused: (request: RefusedRequest) => void;
}

export const createAttestation = (parts: AttestationParts): Attestation => new EntryAttestation(parts);

/** SVIDs of new runs for one entry: who holds a good token still does not fill the store. */
const RATES = { rate: 10, burst: 200 };

class EntryAttestation implements Attestation {
  readonly registry: Registry;
  readonly postures: Postures;
  readonly #parts: AttestationParts;
  readonly #rates = createRates(RATES);

  constructor(parts: AttestationParts) {
    this.#parts = parts;
    this.registry = parts.registry;
    this.postures = parts.postures;
  }

  async attest(evidence: Evidence, wanted?: Registered): Promise<readonly Entitlement[]> {
    return this.#recorded(evidence.kind, async () => this.#entitled(await this.#see(evidence), wanted));
  }

  async admit(entitlement: Entitlement, request: Uint8Array): Promise<AttestedSvid> {
    const { run, token } = await this.#recorded(entitlement.attestor, async () => {
      await publicKeyOfRequest(request); // first, so that a request that is no good starts no run
      return this.#start(entitlement, 'cordon');
    });
    return { run: run.id, svid: await this.#parts.issuer.join(token, request), entitlement };
  }

  async launch(who: Registered, evidence: LauncherEvidence, task?: string): Promise<StartedRun> {
    const [entitlement] = await this.attest(evidence, who);
    if (entitlement === undefined) throw new Refusal('CORDON-1012', 'no registration entry matches');
    return this.#start(entitlement, evidence.operator, task);
  }

  async makeToken(who: Registered, ttl: number, actor: string): Promise<MadeToken> {
    const { now, tokens } = this.#parts;
    this.#mustExist(who);
    const [id, token, expiresAt] = [randomId(10), randomSecret(), now() + ttl];
    this.#log('token.make', actor, `${who.kind}/${who.name}`, { id, expires: new Date(expiresAt).toISOString() });
    await tokens.addAgentToken({ tokenHash: sha256Hex(token), id, kind: who.kind, name: who.name, expiresAt, createdBy: actor });
    return { id, token, expiresAt };
  }

  async join(token: string, request: Uint8Array): Promise<IssuedSvid> {
    const { tokens, issuer, now } = this.#parts;
    await publicKeyOfRequest(request); // first, so that a request that is no good does not cost the token
    const taken = await tokens.takeAgentToken(sha256Hex(token), now());
    if (taken === undefined) return issuer.join(token, request);
    const { kind, name, id, createdBy } = taken;
    const entitlement: Entitlement = { kind, name, attestor: 'join_token', selectors: selectorsOf([['join_token', id]]), composition: {} };
    const started = await this.#start(entitlement, createdBy);
    return issuer.join(started.token, request);
  }

  async #see(evidence: Evidence): Promise<Seen> {
    switch (evidence.kind) {
      case 'unix':
        return seenByKernel(evidence);
      case 'launcher':
        return seenByLauncher(evidence);
      case 'oidc':
        return seenByIssuer(this.#parts, evidence.token);
      case 'svid':
        return seenByDomain(this.#parts, evidence);
    }
  }

  #entitled({ attestor, selectors, composition }: Seen, wanted: Registered | undefined): readonly Entitlement[] {
    const index = this.registry.entries();
    const asked = wanted === undefined ? [] : index.of(wanted);
    // an operator's own word is enough for what has no entry that says otherwise
    if (attestor === 'launcher' && wanted !== undefined && !asked.some((entry) => attestsBy(entry, attestor))) {
      this.#mustExist(wanted);
      return [{ ...wanted, attestor, selectors, composition }];
    }
    const matched = index
      .match(selectors)
      .filter((entry) => wanted === undefined || (entry.kind === wanted.kind && entry.name === wanted.name));
    if (matched.length === 0) throw noMatch(selectors, index.nearest(selectors, wanted), wanted);
    const sound = matched.filter((entry) => driftOf(entry.composition, composition).length === 0);
    const [first] = matched;
    if (sound.length === 0 && first !== undefined) throw drifted(composition, first.composition, driftOf(first.composition, composition));
    return sound.map((entry) => ({ kind: entry.kind, name: entry.name, attestor, selectors, entry, composition }));
  }

  async #start(entitlement: Entitlement, actor: string, task?: string): Promise<StartedRun> {
    const { issuer, now } = this.#parts;
    const { kind, name, attestor, entry, selectors } = entitlement;
    if (entry !== undefined && this.registry.entries().get(entry.id) === undefined) {
      throw new Refusal('CORDON-1012', 'the registration entry is gone', { observed: entry.id });
    }
    if (attestor !== 'launcher') this.#rates.take(entry?.id ?? `${kind}/${name}`, now());
    const agent = this.registry.agents().find((each) => kind === 'agent' && each.name === name);
    const started = await issuer.startRun(kind, name, actor, task);
    this.#log('run.attest', actor, started.run.id, {
      attestor,
      ...(entry === undefined ? {} : { entry: entry.id }),
      selectors: [...selectors],
    });
    await this.postures.begin(started.run.id, entitlement, {
      owner: entry?.owner ?? agent?.owner ?? '',
      purpose: entry?.purpose ?? agent?.purpose ?? '',
    });
    return started;
  }

  #mustExist({ kind, name }: Registered): void {
    if (this.registry.isRegistered({ kind, name })) return;
    const fix = kind === 'agent' ? 'list them: `cordon agent list`' : 'list them: `cordon status`';
    throw new Refusal(kind === 'agent' ? 'CORDON-1014' : 'CORDON-3003', `no ${kind} is registered as \`${name}\``, { fix });
  }

  /** Whoever is turned away is on record, with what was seen and what came nearest. */
  async #recorded<T>(attestor: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const refusal = asRefusal(error, 'CORDON-1005', 'attestation failed');
      const { code, message, observed, expected } = refusal;
      const full = [message, observed === undefined ? '' : `observed ${observed}`, expected === undefined ? '' : `expected ${expected}`];
      const told = new Refusal(
        code,
        full
          .filter((part) => part !== '')
          .join('; ')
          .slice(0, 2000),
      );
      this.#parts.refused({ refusal: told, caller: undefined, action: `attest/${attestor}` });
      throw refusal;
    }
  }

  #log(act: string, actor: string, target: string, detail: Readonly<Record<string, Json>>): void {
    recordAct(this.#parts, { actor, act, target, detail });
  }
}

const attestsBy = ({ selectors: [first] }: RegistrationEntry, attestor: Attestor): boolean =>
  first !== undefined && attestorOf(first) === attestor;
