// Who gets an identity: a run that was started here and proves it with a single-use token, and a live run that renews. Issuing is logged
// before the SVID leaves. INVARIANTS I3, I5
import { sha256Hex } from '../crypto/hash.ts';
import { randomId, randomSecret, randomSerial } from '../crypto/random.ts';
import { createRequest, generateKeyPem, publicKeyOfRequest } from '../crypto/x509.ts';
import type { LogRecord, Receipt } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import { workloadId, type SpiffeId, type WorkloadKind } from '../domain/spiffe-id.ts';
import type { Authority } from '../identity/authority.ts';
import { issueSvid, type IssuedSvid } from '../identity/issue.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { Run, Store } from '../store/ports.ts';

/** How long a started process has to join. */
const TOKEN_TTL = 60_000;

export interface IssuerParts {
  readonly authority: Authority;
  readonly store: Store;
  readonly log: { append(record: LogRecord): Receipt };
  readonly now: () => number;
  /** Lifetime of SVIDs, milliseconds. */
  readonly ttl: number;
  readonly isRegistered: (kind: WorkloadKind, name: string) => boolean;
  /** Refuses renewal, for instance at level `off`. @throws Refusal */
  readonly mayRenew: (run: Run) => void;
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

export interface Issuer {
  readonly bundle: string;
  /** @throws Refusal CORDON-1012 when nothing of that name is registered */
  startRun(kind: WorkloadKind, name: string, actor: string): Promise<StartedRun>;
  /** Trades a join token and a certificate request for the first SVID of a run. @throws Refusal CORDON-1005, -1013 */
  join(token: string, request: Uint8Array): Promise<IssuedSvid>;
  /** A fresh SVID for a live run. @throws Refusal CORDON-4005, -4002, -1013 */
  renew(peer: SvidFacts, request: Uint8Array): Promise<IssuedSvid>;
  endRun(id: string, actor: string): Promise<boolean>;
  /** A key and SVID for a part of Cordon itself or an operator. */
  own(kind: 'gateway' | 'control' | 'operator', name: string, ttl: number): Promise<OwnCredentials>;
}

export function createIssuer(parts: IssuerParts): Issuer {
  const { authority, store, now } = parts;

  async function issue(run: Run, id: SpiffeId, publicKey: string, ttl: number): Promise<IssuedSvid> {
    const svid = await issueSvid(authority, { id, publicKey, now: now(), ttl, serial: randomSerial() });
    log('identity.issue', 'cordon', id, { serial: svid.serial, not_after: new Date(svid.notAfter).toISOString() });
    const { serial, notBefore, notAfter } = svid;
    await store.addCertificate({ serial, runId: run.id, spiffeId: id, notBefore, notAfter });
    return svid;
  }

  const log = (act: string, actor: string, target: string, detail: Record<string, string>): void =>
    void parts.log.append({ schema: 'cordon.act/v1', ts: new Date(now()).toISOString(), actor, act, target, detail });

  const idOf = (run: Run): SpiffeId => workloadId(authority.trustDomain, run.kind, run.name, run.id);

  async function addRun(kind: WorkloadKind, name: string, actor: string): Promise<Run> {
    const run: Run = { id: randomId(12), kind, name, createdAt: now() };
    log('run.start', actor, idOf(run), {});
    await store.addRun(run);
    return run;
  }

  return {
    bundle: authority.root,
    async startRun(kind, name, actor): Promise<StartedRun> {
      if (!parts.isRegistered(kind, name)) {
        throw new Refusal('CORDON-1012', `no ${kind} is registered as \`${name}\``, { observed: `${kind}/${name}` });
      }
      const run = await addRun(kind, name, actor);
      const token = randomSecret();
      await store.addToken({ tokenHash: sha256Hex(token), runId: run.id, expiresAt: now() + TOKEN_TTL });
      return { run, token };
    },
    async join(token, request): Promise<IssuedSvid> {
      const publicKey = await publicKeyOfRequest(request);
      const taken = await store.takeToken(sha256Hex(token), now());
      const run = taken === undefined ? undefined : await store.getRun(taken.runId);
      if (run === undefined || run.endedAt !== undefined) {
        throw new Refusal('CORDON-1005', 'the join token is unknown, used or expired', { expected: 'a fresh token, used once, within 60 s' });
      }
      const svid = await issue(run, idOf(run), publicKey, parts.ttl);
      parts.onIssued(run, svid);
      return svid;
    },
    async renew(peer, request): Promise<IssuedSvid> {
      const run = peer.workload.run === undefined ? undefined : await store.getRun(peer.workload.run);
      if (run === undefined || run.endedAt !== undefined || idOf(run) !== peer.workload.id) {
        throw new Refusal('CORDON-4005', 'the run has ended', { observed: peer.workload.id });
      }
      parts.mayRenew(run);
      const svid = await issue(run, idOf(run), await publicKeyOfRequest(request), parts.ttl);
      parts.onIssued(run, svid);
      return svid;
    },
    async endRun(id, actor): Promise<boolean> {
      const ended = await store.endRun(id, now());
      if (ended) log('run.end', actor, id, {});
      return ended;
    },
    async own(kind, name, ttl): Promise<OwnCredentials> {
      const run = await addRun(kind, name, 'cordon');
      const key = await generateKeyPem();
      const publicKey = await publicKeyOfRequest(await createRequest(key));
      const svid = await issue(run, idOf(run), publicKey, ttl);
      return { chain: svid.chain, privateKey: key.privateKey, bundle: authority.root, svid };
    },
  };
}
