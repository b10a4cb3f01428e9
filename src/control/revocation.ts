// Revocation: the order is logged and kept, then applied, then watched. What is revoked stays so across restarts, for as long as anything
// that stands on it could live. What is reported is what PEPs saw. INVARIANT I6
import type { Receipt } from '../domain/access.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import { isTokenName, type Revocable } from '../domain/revocation.ts';
import { MOST_TASK_LIFE } from '../sts/task-token.ts';
import type { Certificates, Revocations, Runs } from '../store/ports.ts';
import { type ContainmentStatus, statusOf } from './containment.ts';
import type { Observed, Publisher } from './publisher.ts';
import { recordAct, type ActLog } from './acts.ts';

export interface RevocationOrder {
  readonly kind: Revocable;
  /** Run id, `jti` or `txn`. */
  readonly id: string;
  /** SPIFFE ID of who asks. */
  readonly actor: string;
  readonly reason: string;
}

export type RevocationResult = {
  readonly kind: Revocable;
  readonly id: string;
  /** It was revoked before. */
  readonly already: boolean;
  readonly status: ContainmentStatus;
  readonly peps: readonly Observed[];
  /** From the order to the last close that was seen, milliseconds. */
  readonly cutMs: number;
  readonly receipt: Receipt;
};

export interface RevocationParts extends ActLog {
  readonly publisher: Publisher;
  readonly store: Revocations & Pick<Runs, 'getRun' | 'endRun'> & Pick<Certificates, 'certificatesOf'>;
}

/** No token outlives the one that it was exchanged from. What is above that is for clocks that are set back. Milliseconds. */
const KEPT = MOST_TASK_LIFE * 1000 + 1_800_000;

/**
 * Revokes and reports what was observed; a second time does no harm.
 * @throws Refusal CORDON-3003 when there was no such run, CORDON-9004 when it cannot be recorded or kept
 */
export async function revoke(parts: RevocationParts, order: RevocationOrder): Promise<RevocationResult> {
  const since = performance.now();
  const { kind, id } = order;
  const { publisher } = parts;
  const already = isRevoked(publisher, order);
  const until = await untilOf(parts, order);
  const written = await write(parts, order, until);
  publisher.revoke(kind, id, until);
  const peps = await publisher.contain({ kind, id }, since);
  if (written instanceof Refusal) throw written;
  const cutMs = Math.max(0, ...peps.map(({ silentMs }) => silentMs));
  return { kind, id, already, status: statusOf(peps), peps, cutMs, receipt: written };
}

function isRevoked(publisher: Publisher, { kind, id }: RevocationOrder): boolean {
  const { runs, tokens, txns } = publisher.current().revoked;
  return { run: runs, token: tokens, txn: txns }[kind].has(id);
}

/** Nobody here knows how long a run of another domain lives. Milliseconds. */
const FOREIGN_KEPT = 365 * 86_400_000;

/** When the last token through it is dead, and the last certificate of the run. */
async function untilOf({ publisher, store, now }: RevocationParts, { kind, id }: RevocationOrder): Promise<number> {
  const kept = now() + KEPT;
  // the transaction of a call without a task is the run that makes it
  if (kind === 'token' || (kind === 'txn' && isTokenName(id))) return kept;
  const live = publisher.current().runs.get(id); // known without the store, whose failure must not stop this
  if (live !== undefined) return Math.max(kept, live.notAfter);
  if (id.startsWith('spiffe://')) return kind === 'run' ? now() + FOREIGN_KEPT : kept;
  if ((await store.getRun(id)) === undefined) {
    throw new Refusal('CORDON-3003', `no run is called \`${id}\``, { fix: 'list the runs of an agent: `cordon agent get AGENT`' });
  }
  const [newest] = await store.certificatesOf(id, 1);
  return Math.max(kept, newest?.notAfter ?? 0);
}

/**
 * Logs the order, then keeps it. A log or a store that fails must not keep alive what is revoked: that goes on, and is reported as a
 * failure afterwards. Crash state: a run that is revoked and not yet ended is ended when Cordon starts again.
 */
async function write(parts: RevocationParts, { kind, id, actor, reason }: RevocationOrder, until: number): Promise<Receipt | Refusal> {
  const { store, now } = parts;
  try {
    const receipt = recordAct(parts, { actor, act: `${kind}.revoke`, target: id, reason });
    const ended = kind === 'run' ? store.endRun(id, now()) : undefined;
    await Promise.all([store.addRevocation({ kind, id, at: now(), until, actor, reason }), ended]);
    return receipt;
  } catch (error) {
    return asRefusal(error, 'CORDON-9004', 'the revocation cannot be recorded and kept; it holds until Cordon stops');
  }
}

/** What was revoked before this start stays so, and the publisher hears of it before there is a PEP. @throws Refusal CORDON-9004 */
export async function restoreRevocations({ publisher, store, now }: Omit<RevocationParts, 'log'>): Promise<void> {
  for (const { kind, id, until } of await store.activeRevocations(now())) {
    publisher.revoke(kind, id, until);
    if (kind === 'run') await store.endRun(id, now());
  }
}
