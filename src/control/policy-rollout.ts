// Which version of the policy set is enforced, and which is looked at beside it: every order that changes that, one at a time. A version
// is admitted, tested and judged first; then the order is logged, kept and published, in this order, and each PEP goes over between two calls.
//
// Every order is on record, also one that was refused. A store that fails, or a crash, after the log leaves an order on record that did
// not come into force; what is enforced is what the store says.
import type { LogRecord, Receipt } from '../domain/access.ts';
import type { Json } from '../domain/json.ts';
import { Refusal, asRefusal, errorTextOf } from '../domain/refusal.ts';
import type { PolicySource } from '../policy/policy-set.ts';
import { admitted, hashOf, readPolicies, readPoliciesOrNone, readTests } from './policies.ts';
import { enforcedBefore, enforcing, outcomeOf, setAside } from './policy-history.ts';
import { impactOf, unaccepted, type Impact, type ImpactParts } from './policy-impact.ts';
import type { PolicyLedger } from './policy-ledger.ts';
import {
  GATE_SPAN,
  isVersion,
  resultOf,
  valid,
  type Placed,
  type Placing,
  type PolicyRollout,
  type RolloutResult,
} from './policy-orders.ts';
import type { ApplyOrder, ImpactOrder, PolicyOrder, PromoteOrder, RollbackOrder } from './policy-orders.ts';
import type { PolicyAct, PolicyChange, PolicyVersion } from './policy-proof.ts';
import { onRecord, tested, testsFailed, type TableReader, type TestsView } from './policy-tests.ts';
import type { Publisher } from './publisher.ts';
import { recordAct } from './acts.ts';

export interface PolicyRolloutParts extends ImpactParts {
  /** The configured directory. */
  readonly directory: string;
  readonly ledger: PolicyLedger;
  readonly publisher: Pick<Publisher, 'world' | 'setPolicies' | 'publish'>;
  readonly readTables: TableReader;
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

/** What an order puts where, and what it has to pass. */
interface Judged {
  readonly target: () => Promise<Target>;
  readonly tests: readonly PolicySource[];
}

const NOT_ADMITTED = new Refusal('CORDON-9007', 'the policies are not admitted yet');

class Rollout implements PolicyRollout {
  readonly #parts: PolicyRolloutParts;
  #placing: Placing = { enforced: NOT_ADMITTED, candidate: undefined, last: undefined };
  /** Hash of what the directory held when it was read last. */
  #directory = '';
  /** What it held at the start, as long as that is not enforced. */
  #found: readonly PolicySource[] | undefined;
  /** Why, as operators were told. */
  #told = '';
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
      const last = await ledger.last();
      if (last !== undefined) await this.#resume(last);
      if (last?.directory !== this.#directory) this.#found = sources;
    } catch (error) {
      const refusal = asRefusal(error, 'CORDON-9008', 'the history of policies cannot be read');
      if (refusal.code === 'CORDON-9004') throw refusal;
      this.#placing = { enforced: refusal, candidate: undefined, last: undefined };
    }
    const { enforced } = this.#placing;
    if (enforced instanceof Refusal && enforced !== NOT_ADMITTED)
      onNotice(`x ${enforced.code} ${enforced.message}: every call is denied; ${enforced.fix}`);
  }

  /** What is where when the directory changed while nobody looked. It is kept as enforced when it is. */
  async #begun(sources: readonly PolicySource[]): Promise<Placing> {
    const { last, candidate } = this.#placing;
    const { version, isNew } = await this.#target(sources, 'cordon', last);
    const placed = await this.#admit(version);
    if (placed.set instanceof Refusal && placed.set.code !== 'CORDON-9007') return { ...this.#placing, enforced: placed.set };
    const failed = await this.#failedAtStart(placed);
    if (failed !== undefined) return { ...this.#placing, enforced: last === undefined ? failed : await this.#load(last.enforced) };
    const change = last?.enforced === version.version ? last : await this.#keep('start', version, isNew, { actor: 'cordon' }, last);
    this.#found = undefined;
    return { enforced: placed, candidate: change.candidate === undefined ? undefined : candidate, last: change };
  }

  /** Why its tests keep it from being enforced; told once, and at a first start when every tool is known. */
  async #failedAtStart(placed: Placed): Promise<Refusal | undefined> {
    const { directory, publisher, onNotice } = this.#parts;
    const { last } = this.#placing;
    const refusal = await this.#refusedByTests(placed);
    if (refusal === undefined) return undefined;
    const { resources, tools } = publisher.world();
    const isSettled = last !== undefined || resources.every(({ name }) => tools.has(name));
    if (!isSettled || refusal.message === this.#told) return refusal;
    this.#told = refusal.message;
    this.#log('start', 'policies', { actor: 'cordon' }, { refused: 'tests' });
    const now = last === undefined ? 'nothing is enforced and every call is denied' : `version ${last.enforced} stays enforced`;
    const why = refusal.message.split('\n', 2).join(': ');
    onNotice(`x ${refusal.code} \`${directory}\` is not enforced, ${now}: ${why}; ${refusal.fix}`);
    return refusal;
  }

  async #refusedByTests(placed: Placed): Promise<Refusal | undefined> {
    try {
      const tests = await this.#test(placed, await readTests(this.#parts.directory));
      return tests.failed > 0 ? testsFailed(tests) : undefined;
    } catch (error) {
      return asRefusal(error, 'CORDON-9006', 'the tests cannot be read');
    }
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
      const { enforced, candidate, last } = this.#found === undefined ? this.#placing : await this.#begun(this.#found);
      this.#place({ enforced: await this.#fitted(enforced), candidate: candidate && (await this.#fitted(candidate)), last });
    });
  }

  async apply(order: ApplyOrder): Promise<RolloutResult> {
    const { directory } = this.#parts;
    const result = await this.#recorded(order.shadow ? 'shadow' : 'apply', order, async () => {
      const sources = order.sources ?? this.#read(await readPoliciesOrNone(directory));
      const judged: Judged = {
        target: () => this.#target(sources, order.actor, this.#placing.last),
        tests: order.tests === undefined || order.tests.length === 0 ? await readTests(directory) : order.tests,
      };
      return order.shadow ? this.#shadow(judged, order) : this.#enforce('apply', judged, order);
    });
    const { enforced } = this.#placing;
    const set = enforced instanceof Refusal ? enforced : enforced.set;
    if (set instanceof Refusal && !order.shadow && result.status !== 'tests_failed') throw set;
    return result;
  }

  promote(order: PromoteOrder): Promise<RolloutResult> {
    const target = async (): Promise<Target> => ({ version: this.#candidate().version, isNew: false });
    return this.#recorded('promote', order, async () => {
      const tests = await this.#parts.ledger.tests((await target()).version.version);
      return this.#enforce('promote', { target, tests }, order);
    });
  }

  rollback(order: RollbackOrder): Promise<RolloutResult> {
    const { ledger } = this.#parts;
    return this.#recorded('rollback', order, () =>
      this.#inTurn(async () => {
        const { enforced } = this.#placing;
        const version = await ledger.version(order.to ?? (await this.#before()));
        if (isVersion(enforced, version)) return resultOf('unchanged', enforced);
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

  /** The version to return to: while what was found at the start denies everything, that is the last one that was enforced. */
  async #before(): Promise<number> {
    const { enforced, last } = this.#placing;
    if (this.#found !== undefined && last !== undefined && enforced instanceof Refusal) return last.enforced;
    return enforcedBefore(await this.#parts.ledger.history());
  }

  /** What the directory holds now takes the place of what it held at the start. Where nothing is enforced, that is still to be. */
  #read(sources: readonly PolicySource[]): readonly PolicySource[] {
    this.#directory = hashOf(sources);
    this.#found &&= this.#placing.enforced instanceof Refusal ? sources : undefined;
    return sources;
  }

  /** Tests and recorded decisions are asked outside the turn, so that a rollback does not wait for them. */
  async #enforce(act: 'apply' | 'promote', { target, tests: files }: Judged, order: PromoteOrder): Promise<RolloutResult> {
    for (;;) {
      const { last, enforced } = this.#placing;
      const { version, isNew } = await target();
      if (isVersion(enforced, version)) return this.#unchanged();
      const placed = valid(await this.#admit(version));
      const tests = await this.#test(placed, files);
      if (tests.failed > 0) return this.#failed(act, placed, tests, order);
      const impact = await this.#gate(enforced, placed);
      const names = impact === undefined ? [] : unaccepted(impact, order.acceptWidening);
      const asked = { tests, ...(impact === undefined ? {} : { impact }) };
      if (names.length > 0) {
        this.#log(act, `version ${version.version}`, order, { refused: 'widens', unaccepted: names });
        return { ...resultOf('not_accepted', placed), ...asked, unaccepted: names };
      }
      const done = await this.#inTurn(async () => (this.#isStill(last, placed) ? this.#switch(act, placed, isNew, order) : undefined));
      if (done !== undefined) return { ...done, ...asked };
    }
  }

  /** Is what was judged still what it would replace, and made for the tools that there are? */
  #isStill(last: PolicyChange | undefined, { set }: Placed): boolean {
    return last === this.#placing.last && (set instanceof Refusal || set.covers(this.#parts.publisher.world()));
  }

  async #test({ set }: Placed, files: readonly PolicySource[]): Promise<TestsView> {
    const { readTables, publisher } = this.#parts;
    return set instanceof Refusal ? { passed: 0, failed: 0, failures: [] } : tested(readTables, files, { set, world: publisher.world() });
  }

  #failed(act: PolicyAct, placed: Placed, tests: TestsView, order: PolicyOrder): RolloutResult {
    this.#log(act, `version ${placed.version.version}`, order, onRecord(tests));
    return { ...resultOf('tests_failed', placed), tests };
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

  async #shadow({ target, tests: files }: Judged, order: PolicyOrder): Promise<RolloutResult> {
    for (;;) {
      const { enforced, candidate, last } = this.#placing;
      if (enforced instanceof Refusal) throw enforced;
      const { version, isNew } = await target();
      if (isVersion(enforced, version)) return resultOf('unchanged', enforced);
      const placed = await this.#admit(version);
      if (placed.set instanceof Refusal) throw placed.set;
      const tests = await this.#test(placed, files);
      if (tests.failed > 0) return this.#failed('shadow', placed, tests, order);
      const done = await this.#inTurn(async () => {
        if (!this.#isStill(last, placed)) return undefined;
        await this.#parts.ledger.keepTests(version.version, files);
        if (candidate !== undefined && isVersion(candidate, version)) return resultOf('unchanged', candidate);
        this.#place({ enforced, candidate: placed, last: await this.#keep('shadow', version, isNew, order, last) });
        return resultOf('candidate', placed);
      });
      if (done !== undefined) return { ...done, tests };
    }
  }

  /** Logs, keeps, publishes. */
  async #switch(act: PolicyAct, placed: Placed, isNew: boolean, order: PolicyOrder): Promise<RolloutResult> {
    const { candidate, last: before } = this.#placing;
    const last = await this.#keep(act, placed.version, isNew, order, before);
    this.#place({ enforced: placed, candidate: last.candidate === undefined ? undefined : candidate, last });
    return { ...resultOf('enforced', placed), ...(before === undefined ? {} : { before: before.enforced }) };
  }

  async #keep(
    act: PolicyAct,
    version: PolicyVersion,
    isNew: boolean,
    order: PolicyOrder,
    last: PolicyChange | undefined,
  ): Promise<PolicyChange> {
    const { actor, note } = order;
    const outcome = outcomeOf(act, version.version, last);
    const record = this.#log(act, `version ${version.version}`, order, { hash: version.hash, ...outcome });
    const why = note === undefined ? {} : { note };
    const at = this.#parts.now();
    const change = { act, version: version.version, ...outcome, directory: this.#directory, at, actor, ...why, record };
    const kept = await this.#parts.ledger.append(change, isNew ? version : undefined);
    this.#found = undefined;
    return kept;
  }

  #log(act: PolicyAct, target: string, { actor, note }: PolicyOrder, detail: Readonly<Record<string, Json>>): Receipt {
    return recordAct(this.#parts, { actor, act: `policy.${act}`, target, reason: note, detail });
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
