// Which version of the policy set is enforced, and which is looked at beside it: every order that changes that, one at a time. A version
// is admitted and judged first; then the order is logged, kept and published, in this order, and each PEP goes over between two calls.
//
// Every order is on record, also one that was refused. A store that fails, or a crash, after the log leaves an order on record that did
// not come into force; what is enforced is what the store says.
import type { LogRecord, Receipt } from '../domain/access.ts';
import type { Json } from '../domain/json.ts';
import { Refusal, asRefusal, errorTextOf } from '../domain/refusal.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';
import { admitted, hashOf, readPolicies, readPoliciesOrNone } from './policies.ts';
import { enforcedBefore, enforcing, outcomeOf, setAside } from './policy-history.ts';
import { impactOf, unaccepted, type Impact, type ImpactParts, type ImpactSpan } from './policy-impact.ts';
import type { PolicyLedger } from './policy-ledger.ts';
import type { PolicyAct, PolicyChange, PolicyVersion } from './policy-proof.ts';
import type { Publisher } from './publisher.ts';

/** Who orders, and why. */
export interface PolicyOrder {
  readonly actor: string;
  readonly note?: string;
}

export interface ApplyOrder extends PolicyOrder {
  /** Absent: what the configured directory holds. */
  readonly sources?: readonly PolicySource[];
  /** As the candidate, beside what is enforced. */
  readonly shadow: boolean;
  /** Names of policies whose widening is meant. */
  readonly acceptWidening: readonly string[];
}

export type PromoteOrder = PolicyOrder & Pick<ApplyOrder, 'acceptWidening'>;

export interface RollbackOrder extends PolicyOrder {
  /** Absent: the version that was enforced before. */
  readonly to?: number;
}

/** What an order is held against: this long, and at most this many decisions. */
export const GATE_SPAN = { sinceMs: 7 * 86_400_000, limit: 10_000 } as const;

export type RolloutResult = {
  /** `not_accepted`: nothing was done, because something would be allowed that is denied now. */
  readonly status: 'enforced' | 'candidate' | 'withdrawn' | 'unchanged' | 'not_accepted';
  readonly version: number;
  readonly hash: string;
  /** How many policies, guardrails included. */
  readonly policies: number;
  /** What was enforced until then. */
  readonly before?: number;
  /** What recorded decisions say of it, where they were asked. */
  readonly impact?: Impact;
  /** Policies by whose name widening has to be accepted. */
  readonly unaccepted?: readonly string[];
};

/** A version, and what it is as a set against the tools of now. */
export interface Placed {
  readonly version: PolicyVersion;
  readonly set: PolicySet | Refusal;
}

/** What is where. A refusal stands for a version that cannot be read. */
export interface Placing {
  readonly enforced: Placed | Refusal;
  readonly candidate: Placed | Refusal | undefined;
  /** The change that made it so. */
  readonly last: PolicyChange | undefined;
}

export interface ImpactOrder extends ImpactSpan {
  /** Absent: what the configured directory holds. */
  readonly sources?: readonly PolicySource[];
  /** Of the candidate instead. */
  readonly candidate: boolean;
}

export interface PolicyRollout {
  /**
   * Reads what was enforced when Cordon stopped. A directory that has changed since it was read last is a version, and is enforced.
   * Publishes nothing. @throws Refusal CORDON-9004, CORDON-9006 and CORDON-9007 when the directory cannot be read
   */
  start(): Promise<void>;
  /** Admits what does not fit the tools that are known now, and publishes. */
  refresh(): Promise<void>;
  /** @throws Refusal CORDON-9006 not admitted: nothing changes; CORDON-9007 no policy: everything is denied from now on; CORDON-9004 */
  apply(order: ApplyOrder): Promise<RolloutResult>;
  /** Enforces the candidate. @throws Refusal CORDON-3003 when there is none, CORDON-9004, CORDON-9006 */
  promote(order: PromoteOrder): Promise<RolloutResult>;
  /** Enforces an earlier version, at once: what it widens is not asked. @throws Refusal CORDON-3003, CORDON-9004, CORDON-9006, CORDON-9008 */
  rollback(order: RollbackOrder): Promise<RolloutResult>;
  /** Takes the candidate away. @throws Refusal CORDON-3003, CORDON-9004 */
  withdraw(order: PolicyOrder): Promise<RolloutResult>;
  /** What a set would change; nothing is changed by asking. @throws Refusal CORDON-3003, CORDON-9006, CORDON-9007 */
  impact(order: ImpactOrder): Promise<Impact>;
  placing(): Placing;
}

export interface PolicyRolloutParts extends ImpactParts {
  /** The configured directory. */
  readonly directory: string;
  readonly ledger: PolicyLedger;
  readonly publisher: Pick<Publisher, 'world' | 'setPolicies' | 'publish'>;
  readonly log: { append(record: LogRecord): Receipt };
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly onNotice: (line: string) => void;
}

export const createPolicyRollout = (parts: PolicyRolloutParts): PolicyRollout => new Rollout(parts);

/** A version that an order is about. */
interface Target {
  readonly version: PolicyVersion;
  /** Is it not kept yet? */
  readonly isNew: boolean;
}

const NOT_ADMITTED = new Refusal('CORDON-9007', 'the policies are not admitted yet');

class Rollout implements PolicyRollout {
  readonly #parts: PolicyRolloutParts;
  #placing: Placing = { enforced: NOT_ADMITTED, candidate: undefined, last: undefined };
  /** Hash of what the directory held when it was read last. */
  #directory = '';
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: PolicyRolloutParts) {
    this.#parts = parts;
  }

  placing(): Placing {
    return this.#placing;
  }

  async start(): Promise<void> {
    const { directory, ledger, onNotice } = this.#parts;
    const sources = await readPolicies(directory);
    this.#directory = hashOf(sources);
    try {
      const last = (await ledger.last()) ?? (await this.#begin(sources, undefined));
      if (last.directory === this.#directory) await this.#resume(last);
      else await this.#resume(await this.#begin(sources, last));
    } catch (error) {
      const refusal = asRefusal(error, 'CORDON-9008', 'the history of policies cannot be read');
      if (refusal.code === 'CORDON-9004') throw refusal;
      this.#placing = { enforced: refusal, candidate: undefined, last: undefined };
    }
    const { enforced } = this.#placing;
    if (enforced instanceof Refusal) onNotice(`x ${enforced.code} ${enforced.message}: every call is denied; ${enforced.fix}`);
  }

  /** The directory changed while nobody looked: what it holds is enforced. */
  async #begin(sources: readonly PolicySource[], last: PolicyChange | undefined): Promise<PolicyChange> {
    const { version, isNew } = await this.#target(sources, 'cordon', last);
    return last?.enforced === version.version ? last : this.#keep('start', version, isNew, { actor: 'cordon' }, last);
  }

  /** Takes up what the last change says; it is admitted when the tools are known. */
  async #resume(last: PolicyChange): Promise<void> {
    const { ledger, directory, onNotice } = this.#parts;
    const { enforced, candidate } = last;
    this.#placing = {
      enforced: await this.#load(enforced),
      candidate: candidate === undefined ? undefined : await this.#load(candidate),
      last,
    };
    if (last.directory !== this.#directory) return;
    const held = await ledger.find(this.#directory);
    const aside = held && setAside(held.version, last, enforcing(await ledger.history()));
    if (aside !== undefined) onNotice(`! \`${directory}\` ${aside}`);
  }

  async #load(version: number): Promise<Placed | Refusal> {
    try {
      return { version: await this.#parts.ledger.version(version), set: NOT_ADMITTED };
    } catch (error) {
      if (error instanceof Refusal && error.code === 'CORDON-9008') return error;
      return new Refusal('CORDON-9008', `policy version ${version} cannot be read`, { observed: errorTextOf(error), cause: error });
    }
  }

  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const { enforced, candidate, last } = this.#placing;
      this.#place({ enforced: await this.#fitted(enforced), candidate: candidate && (await this.#fitted(candidate)), last });
    });
  }

  async apply(order: ApplyOrder): Promise<RolloutResult> {
    const { directory } = this.#parts;
    const result = await this.#recorded(order.shadow ? 'shadow' : 'apply', order, async () => {
      const sources = order.sources ?? (await readPoliciesOrNone(directory));
      if (order.sources === undefined) this.#directory = hashOf(sources);
      const target = (): Promise<Target> => this.#target(sources, order.actor, this.#placing.last);
      return order.shadow ? this.#shadow(target, order) : this.#enforce('apply', target, order);
    });
    const { enforced } = this.#placing;
    const set = enforced instanceof Refusal ? enforced : enforced.set;
    if (set instanceof Refusal && !order.shadow) throw set;
    return result;
  }

  promote(order: PromoteOrder): Promise<RolloutResult> {
    const target = async (): Promise<Target> => ({ version: this.#candidate().version, isNew: false });
    return this.#recorded('promote', order, () => this.#enforce('promote', target, order));
  }

  rollback(order: RollbackOrder): Promise<RolloutResult> {
    const { ledger } = this.#parts;
    return this.#recorded('rollback', order, () =>
      this.#inTurn(async () => {
        const version = await ledger.version(order.to ?? enforcedBefore(await ledger.history()));
        if (isVersion(this.#placing.enforced, version)) return resultOf('unchanged', this.#placing.enforced);
        return this.#switch('rollback', valid(await this.#admit(version)), false, order);
      }),
    );
  }

  withdraw(order: PolicyOrder): Promise<RolloutResult> {
    return this.#recorded('withdraw', order, () =>
      this.#inTurn(async () => {
        const candidate = this.#candidate();
        const last = await this.#keep('withdraw', candidate.version, false, order, this.#placing.last);
        this.#place({ ...this.#placing, candidate: undefined, last });
        return resultOf('withdrawn', candidate);
      }),
    );
  }

  async impact({ sources, candidate, ...span }: ImpactOrder): Promise<Impact> {
    const { directory } = this.#parts;
    const given = candidate ? this.#candidate().version.sources : (sources ?? (await readPoliciesOrNone(directory)));
    const { version } = await this.#target(given, '', this.#placing.last);
    const { set } = await this.#admit(version);
    if (set instanceof Refusal) throw set;
    const { enforced } = this.#placing;
    const from = enforced instanceof Refusal ? enforced : enforced.set;
    if (from instanceof Refusal) throw from;
    return impactOf(this.#parts, { from, to: set, world: this.#parts.publisher.world(), ...span });
  }

  /** Recorded decisions are asked outside the turn, so that a rollback does not wait for them. */
  async #enforce(act: 'apply' | 'promote', target: () => Promise<Target>, order: PromoteOrder): Promise<RolloutResult> {
    for (;;) {
      const { last, enforced } = this.#placing;
      const { version, isNew } = await target();
      if (isVersion(enforced, version)) return this.#unchanged();
      const placed = valid(await this.#admit(version));
      const impact = await this.#gate(enforced, placed);
      const names = impact === undefined ? [] : unaccepted(impact, order.acceptWidening);
      const asked = impact === undefined ? {} : { impact };
      if (names.length > 0) {
        this.#log(act, `version ${version.version}`, order, { refused: 'widens', unaccepted: names });
        return { ...resultOf('not_accepted', placed), ...asked, unaccepted: names };
      }
      const done = await this.#inTurn(async () =>
        last === this.#placing.last ? this.#switch(act, valid(await this.#fitted(placed)), isNew, order) : undefined,
      );
      if (done !== undefined) return { ...done, ...asked };
    }
  }

  /** It is enforced already; what did not fit the tools may fit them now. */
  async #unchanged(): Promise<RolloutResult> {
    await this.refresh();
    const { enforced } = this.#placing;
    if (enforced instanceof Refusal) throw enforced;
    return resultOf('unchanged', enforced);
  }

  /** What recorded decisions say, where there is a set on either side. Where everything is denied already, nothing is protected by asking. */
  async #gate(enforced: Placed | Refusal, { set: to }: Placed): Promise<Impact | undefined> {
    const { now, publisher } = this.#parts;
    const from = enforced instanceof Refusal ? enforced : enforced.set;
    if (from instanceof Refusal || to instanceof Refusal) return undefined;
    const { sinceMs, limit } = GATE_SPAN;
    return impactOf(this.#parts, { from, to, world: publisher.world(), since: now() - sinceMs, limit });
  }

  #shadow(target: () => Promise<Target>, order: PolicyOrder): Promise<RolloutResult> {
    return this.#inTurn(async () => {
      const { enforced, candidate, last } = this.#placing;
      if (enforced instanceof Refusal) throw enforced;
      const { version, isNew } = await target();
      const same = [enforced, candidate].find((placed) => placed !== undefined && isVersion(placed, version));
      if (same !== undefined) return resultOf('unchanged', same);
      const placed = await this.#admit(version);
      if (placed.set instanceof Refusal) throw placed.set;
      this.#place({ enforced, candidate: placed, last: await this.#keep('shadow', version, isNew, order, last) });
      return resultOf('candidate', placed);
    });
  }

  /** Logs, keeps, publishes. */
  async #switch(act: PolicyAct, placed: Placed, isNew: boolean, order: PolicyOrder): Promise<RolloutResult> {
    const { candidate, last: before } = this.#placing;
    const last = await this.#keep(act, placed.version, isNew, order, before);
    this.#place({ enforced: placed, candidate: last.candidate === undefined ? undefined : candidate, last });
    return { ...resultOf('enforced', placed), ...(before === undefined ? {} : { before: before.enforced }) };
  }

  #keep(act: PolicyAct, version: PolicyVersion, isNew: boolean, order: PolicyOrder, last: PolicyChange | undefined): Promise<PolicyChange> {
    const { actor, note } = order;
    const outcome = outcomeOf(act, version.version, last);
    const record = this.#log(act, `version ${version.version}`, order, { hash: version.hash, ...outcome });
    const why = note === undefined ? {} : { note };
    const at = this.#parts.now();
    const change = { act, version: version.version, ...outcome, directory: this.#directory, at, actor, ...why, record };
    return this.#parts.ledger.append(change, isNew ? version : undefined);
  }

  #log(act: PolicyAct, target: string, { actor, note }: PolicyOrder, detail: Readonly<Record<string, Json>>): Receipt {
    const ts = new Date(this.#parts.now()).toISOString();
    const reason = note === undefined ? {} : { reason: note };
    return this.#parts.log.append({ schema: 'cordon.act/v1', ts, actor, act: `policy.${act}`, target, ...reason, detail });
  }

  /** Carries out an order; one that is refused is on record too. */
  async #recorded(act: PolicyAct, order: PolicyOrder, work: () => Promise<RolloutResult>): Promise<RolloutResult> {
    try {
      return await work();
    } catch (error) {
      const refusal = asRefusal(error, 'CORDON-9001', 'the order failed');
      this.#log(act, 'policies', order, { refused: refusal.code });
      throw refusal;
    }
  }

  /** The kept version of these sources, or one that may be kept. */
  async #target(sources: readonly PolicySource[], actor: string, last: PolicyChange | undefined): Promise<Target> {
    const { ledger, now } = this.#parts;
    const kept = await ledger.find(hashOf(sources));
    if (kept !== undefined) return { version: kept, isNew: false };
    const parent = last === undefined ? {} : { parent: last.enforced };
    return { version: await ledger.draft(sources, { createdAt: now(), actor, ...parent }), isNew: true };
  }

  #candidate(): Placed {
    const { candidate } = this.#placing;
    if (candidate instanceof Refusal) throw candidate;
    if (candidate !== undefined) return candidate;
    throw new Refusal('CORDON-3003', 'there is no candidate', { fix: 'name one: `cordon policy apply --shadow`' });
  }

  async #admit(version: PolicyVersion): Promise<Placed> {
    return { version, set: await admitted(version.sources, version.version, this.#parts.publisher.world()) };
  }

  /** As it is, or admitted again when the tools are others than those it was admitted against. */
  async #fitted<P extends Placed | Refusal>(placed: P): Promise<P | Placed> {
    if (placed instanceof Refusal) return placed;
    const { set, version } = placed;
    return set instanceof Refusal || !set.covers(this.#parts.publisher.world()) ? this.#admit(version) : placed;
  }

  #place(placing: Placing): void {
    const { publisher } = this.#parts;
    const { enforced, candidate } = placing;
    this.#placing = placing;
    const beside = candidate === undefined || candidate instanceof Refusal || candidate.set instanceof Refusal ? undefined : candidate.set;
    publisher.setPolicies(enforced instanceof Refusal ? enforced : enforced.set, beside);
    publisher.publish();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(work);
    this.#turn = run.catch(() => undefined);
    return run;
  }
}

const isVersion = (placed: Placed | Refusal, { version }: PolicyVersion): placed is Placed =>
  !(placed instanceof Refusal) && placed.version.version === version;

/** A set that may be enforced; no policy at all is an order like any other, and denies everything. @throws Refusal CORDON-9006 */
function valid(placed: Placed): Placed {
  if (placed.set instanceof Refusal && placed.set.code !== 'CORDON-9007') throw placed.set;
  return placed;
}

const resultOf = (status: RolloutResult['status'], { version, set }: Placed): RolloutResult => ({
  status,
  version: version.version,
  hash: version.hash,
  policies: set instanceof Refusal ? 0 : set.policies.length,
});
