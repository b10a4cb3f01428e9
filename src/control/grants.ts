// Just-in-time grants: what waits for a person, and what was answered. A decision that needs approval files the request by itself, and the
// same request again is the same entry. An answer is for exactly what was asked, ends soon, and is published to every PEP; what a grant is
// used for stands on record with its name. INVARIANTS I4, I7
//
// An answer does not outlive this process: how often a grant was used is counted where it is enforced, and a count that is lost must not
// become a second use.
import { randomId } from '../crypto/random.ts';
import type { Box } from '../crypto/seal.ts';
import { accessRequestJson, type AccessRequest, type ApproverRole, type DecisionRecord, parseAccessRequest } from '../domain/access.ts';
import { type JsonObject, parseJson, writeJson } from '../domain/json.ts';
import { type OperatorRole, roleHolds } from '../domain/operators.ts';
import { Refusal } from '../domain/refusal.ts';
import { digestOf, type Grant, type Grants, targetOf } from '../pdp/approval.ts';
import type { GrantRow, GrantRows, GrantState } from '../store/grant-port.ts';
import { recordAct, type ActLog } from './acts.ts';
import type { RecordedDecision } from './decision-rows.ts';

/** How long a request waits, and what is granted when nothing else is said. Milliseconds. */
const WAITS = 15 * 60_000;
export const USUAL = { ttl: 15 * 60_000, uses: 1 } as const;
/** Requests that wait at once: of one agent, and in all. An agent must not bury the ones that matter. */
const MOST_OF_AGENT = 32;
const MOST = 1_024;
/** Between two looks at what has ended. Milliseconds. */
const LEAST_WATCH = 100;
const BOUNDS = { maxBytes: 33_554_432, maxDepth: 100 };

export interface GrantParts extends ActLog {
  readonly store: GrantRows;
  readonly sealer: Box;
  /** Hands the answers to every PEP. */
  readonly publish: (grants: Grants) => void;
  /** Told of what is new, and of what becomes of it. */
  readonly onEvent: (event: GrantEvent) => void;
  /** @returns cancels it */
  readonly later: (ms: number, act: () => void) => () => void;
  readonly onError: (error: unknown) => void;
}

/** A request or grant without its arguments. */
export type GrantView = Omit<GrantRow, 'request'>;

/** `answered`: approved, refused or revoked. */
export interface GrantEvent {
  readonly kind: 'asked' | 'answered' | 'used' | 'expired';
  /** As it is now. */
  readonly grant: GrantView;
  readonly request: AccessRequest;
  /** Approved with narrower arguments: which they are. */
  readonly narrowed?: JsonObject;
}

/** What is approved in place of what was asked. */
export interface Narrowed {
  /** Arguments that take the place of those asked. */
  readonly changes: JsonObject;
  /** Of the call with them: `digestOf`. */
  readonly digest: string;
}

export interface Terms {
  /** Milliseconds. */
  readonly ttl: number;
  readonly uses: number;
  readonly narrowed?: Narrowed;
}

export interface Answerer {
  /** SPIFFE ID. */
  readonly actor: string;
  readonly role: OperatorRole | undefined;
  /** How they showed it, where that is not their certificate. */
  readonly means?: 'passkey';
}

/** A request with its arguments. */
export interface AskedGrant {
  readonly grant: GrantView;
  readonly request: AccessRequest;
  /** What was approved in place of its arguments, as long as it is good for something. */
  readonly narrowed?: JsonObject;
}

export interface GrantDesk {
  /** Files what needs approval, and counts what was used. Never throws. */
  note(recorded: RecordedDecision): void;
  /** Newest first. */
  list(): Promise<readonly GrantView[]>;
  /** The request, or what was answered last, of this digest. */
  idOf(digest: string): string | undefined;
  /** @throws Refusal CORDON-1012 unknown */
  get(id: string): Promise<AskedGrant>;
  /** @throws Refusal CORDON-1012 when it does not wait, CORDON-5008 when this is not theirs to say */
  approve(id: string, by: Answerer, terms: Terms): Promise<GrantView>;
  /** @throws Refusal CORDON-1012, CORDON-5008 */
  refuse(id: string, by: Answerer, comment: string): Promise<GrantView>;
  /** Takes a grant back; calls that run on the strength of it are cut. @throws Refusal CORDON-1012, CORDON-5008 */
  revoke(id: string, by: Answerer, comment: string): Promise<GrantView>;
  /** Resolves when everything is kept. */
  close(): Promise<void>;
}

/** @throws Refusal CORDON-9004 */
export async function openGrants(parts: GrantParts): Promise<GrantDesk> {
  await parts.store.closeGrants(parts.now());
  return new Desk(parts);
}

interface Live {
  row: GrantRow;
  /** In memory alone, like the count of uses. */
  narrowed?: Narrowed | undefined;
  /** Of who answered. */
  role?: OperatorRole | undefined;
  readonly request: AccessRequest;
}

/** What a PEP hears of. */
const ANSWERED: ReadonlySet<GrantState> = new Set(['approved', 'used', 'refused']);

const viewOf = ({ request: _sealed, ...view }: GrantRow): GrantView => view;

class Desk implements GrantDesk {
  readonly #parts: GrantParts;
  /** What waits or was answered, and has not ended. */
  readonly #live = new Map<string, Live>();
  #kept: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;

  constructor(parts: GrantParts) {
    this.#parts = parts;
  }

  note({ record, request }: RecordedDecision): void {
    try {
      for (const id of record.grants_used ?? []) this.#used(id);
      if (request !== undefined && record.verdict === 'approval_required') this.#ask(record, request);
    } catch (error) {
      this.#parts.onError(error);
    }
  }

  async list(): Promise<readonly GrantView[]> {
    this.#forget();
    await this.#kept;
    const rows = await this.#parts.store.grants(200);
    return rows.map((row) => this.#now(row));
  }

  idOf(digest: string): string | undefined {
    this.#forget();
    const of = [...this.#live.values()].filter(({ row }) => row.digest === digest).map(({ row }) => row);
    return (of.find(({ state }) => state === 'asked') ?? of.at(-1))?.id;
  }

  async get(id: string): Promise<AskedGrant> {
    await this.#kept;
    const row = await this.#parts.store.grant(id);
    if (row === undefined) throw unknown(id, 'unknown');
    const request = parseAccessRequest(parseJson(this.#parts.sealer.open(`grant/${id}`, row.request), BOUNDS));
    const changes = this.#live.get(id)?.narrowed?.changes;
    return { grant: this.#now(row), request, ...(changes === undefined ? {} : { narrowed: changes }) };
  }

  async approve(id: string, by: Answerer, { ttl, uses, narrowed }: Terms): Promise<GrantView> {
    const live = this.#waiting(id, 'asked', by);
    live.narrowed = narrowed;
    return this.#answer(live, by, 'grant.approve', { state: 'approved', until: this.#parts.now() + ttl, uses });
  }

  async refuse(id: string, by: Answerer, comment: string): Promise<GrantView> {
    const live = this.#waiting(id, 'asked', by);
    return this.#answer(live, by, 'grant.refuse', { state: 'refused', until: this.#parts.now() + USUAL.ttl, comment });
  }

  async revoke(id: string, by: Answerer, comment: string): Promise<GrantView> {
    const live = this.#waiting(id, 'approved', by);
    return this.#answer(live, by, 'grant.revoke', { state: 'revoked', until: this.#parts.now(), comment });
  }

  close(): Promise<void> {
    this.#cancel?.();
    return this.#kept;
  }

  /** As it is now, whatever was kept. */
  #now(row: GrantRow): GrantView {
    const view = viewOf(this.#live.get(row.id)?.row ?? row);
    const over = (view.state === 'asked' || view.state === 'approved') && view.until <= this.#parts.now();
    return over ? { ...view, state: 'expired' } : view;
  }

  #ask(record: DecisionRecord, request: AccessRequest): void {
    this.#forget();
    const digest = digestOf(request);
    const same = [...this.#live.values()].find(({ row }) => row.digest === digest && row.state === 'asked');
    if (same !== undefined) {
      same.row = { ...same.row, times: same.row.times + 1 };
      return;
    }
    const waiting = [...this.#live.values()].filter(({ row }) => row.state === 'asked');
    const ofAgent = waiting.filter(({ row }) => row.agent === request.subject.id).length;
    if (waiting.length >= MOST || ofAgent >= MOST_OF_AGENT) return; // the decision is on record all the same
    const row = this.#rowOf(record, request, digest);
    const live = { row, request };
    this.#live.set(row.id, live);
    this.#keep(row);
    this.#tell('asked', live);
    this.#watch();
  }

  #rowOf(record: DecisionRecord, request: AccessRequest, digest: string): GrantRow {
    const { sealer, now } = this.#parts;
    const id = `gr_${randomId(10)}`;
    return {
      id,
      digest,
      agent: request.subject.id,
      action: request.action.name,
      resource: request.resource.id,
      request: sealer.seal(`grant/${id}`, Buffer.from(writeJson(accessRequestJson(request)))),
      decision: record.id,
      approver: record.approver ?? 'admin',
      policies: record.policy.determining,
      reason: record.reason ?? '',
      askedAt: now(),
      times: 1,
      state: 'asked',
      until: now() + WAITS,
      uses: 0,
      used: 0,
    };
  }

  #used(id: string): void {
    const live = this.#live.get(id);
    if (live?.row.state !== 'approved') return;
    const used = live.row.used + 1;
    live.row = { ...live.row, used, ...(used >= live.row.uses ? { state: 'used' as const } : {}) };
    if (live.row.state === 'used') this.#publish();
    this.#keep(live.row);
    this.#tell('used', live);
  }

  /** @throws Refusal CORDON-1012, CORDON-5008 */
  #waiting(id: string, wanted: GrantState, by: Answerer): Live {
    this.#forget();
    const live = this.#live.get(id);
    const state = live?.row.state;
    // what was used up may run still
    if (live === undefined || (state !== wanted && !(wanted === 'approved' && state === 'used'))) throw unknown(id, state ?? 'ended');
    checkEligible(live.row.approver, by);
    return live;
  }

  async #answer(live: Live, { actor, role, means }: Answerer, act: string, change: Partial<GrantRow>): Promise<GrantView> {
    const { row } = live;
    const next: GrantRow = { ...row, ...change, answeredBy: actor, answeredAt: this.#parts.now() };
    const { comment, uses, until } = next;
    const detail = {
      request: `sha256:${row.digest}`,
      agent: row.agent,
      action: row.action,
      resource: row.resource,
      decision: row.decision,
      ...(means === undefined ? {} : { means }),
      ...(live.narrowed === undefined ? {} : { narrowed: `sha256:${live.narrowed.digest}`, changed: Object.keys(live.narrowed.changes) }),
      ...(next.state === 'approved' ? { uses, until: new Date(until).toISOString() } : {}),
    };
    recordAct(this.#parts, { actor, act, target: row.id, detail, ...(comment === undefined ? {} : { reason: comment }) });
    live.row = next;
    live.role = role;
    this.#publish();
    this.#keep(next);
    this.#tell('answered', live);
    this.#watch();
    await this.#kept;
    return viewOf(next);
  }

  #publish(): void {
    const answered = new Map<string, Grant>();
    const targets = new Set<string>();
    const given = [...this.#live.values()].filter(({ row }) => ANSWERED.has(row.state));
    // what was answered to a call itself counts more than what was given in place of another
    for (const live of given) if (live.narrowed !== undefined) answered.set(live.narrowed.digest, grantOf(live, 'approved'));
    for (const live of given) {
      const { row, request, narrowed } = live;
      // a call that runs on the strength of a grant that is used up stays allowed until it ends; nobody hears of less that is used up
      const answer = row.state === 'refused' ? 'refused' : narrowed === undefined ? 'approved' : 'narrowed';
      if (answer !== 'narrowed' || row.state !== 'used') answered.set(row.digest, grantOf(live, answer));
      if (row.state === 'approved') targets.add(targetOf(request));
    }
    this.#parts.publish({ answered, targets });
  }

  /** What ended is not looked at any more; the store keeps it. */
  #forget(): void {
    const now = this.#parts.now();
    const over = [...this.#live.values()].filter(({ row }) => row.until <= now);
    for (const live of over) {
      const { row } = live;
      this.#live.delete(row.id);
      if (row.state !== 'asked' && row.state !== 'approved') continue;
      live.row = { ...row, state: 'expired' };
      this.#keep(live.row);
      this.#tell('expired', live);
    }
    if (over.some(({ row }) => row.state !== 'asked')) this.#publish();
  }

  /** What ends by itself is noticed when it does, also when nobody looks. */
  #watch(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const ends = Math.min(...[...this.#live.values()].map(({ row }) => row.until));
    if (!Number.isFinite(ends)) return;
    this.#cancel = this.#parts.later(Math.max(LEAST_WATCH, ends - this.#parts.now()), () => {
      this.#forget();
      this.#watch();
    });
  }

  #tell(kind: GrantEvent['kind'], { row, request, narrowed }: Live): void {
    try {
      this.#parts.onEvent({ kind, grant: viewOf(row), request, ...(narrowed === undefined ? {} : { narrowed: narrowed.changes }) });
    } catch (error) {
      this.#parts.onError(error); // who is told has no say in what happens
    }
  }

  #keep(row: GrantRow): void {
    this.#kept = this.#kept.then(() => this.#parts.store.putGrant(row)).catch((error: unknown) => this.#parts.onError(error));
  }
}

/** As PEPs know it. Who answered without a role has answered nothing. */
const grantOf = ({ row, role, narrowed }: Live, answer: Grant['answer']): Grant => ({
  id: row.id,
  answer,
  role: role ?? 'viewer',
  uses: row.uses,
  until: row.until,
  ...(answer === 'narrowed' && narrowed !== undefined ? { narrowed: narrowed.changes } : {}),
});

const unknown = (id: string, observed: string): Refusal =>
  new Refusal('CORDON-1012', `\`${id}\` does not wait for this`, { observed, fix: 'see what does: `cordon grant list`' });

export function checkEligible(approver: ApproverRole, { role }: Answerer): void {
  if (role !== undefined && roleHolds(role, approver)) return;
  throw new Refusal('CORDON-5008', 'this is not yours to answer', { observed: role ?? 'no role', expected: approver });
}
