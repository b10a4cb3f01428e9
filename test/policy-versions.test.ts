// Versions of the policy set without a network: what is kept across restarts, what somebody who can write to the database can do, what
// a candidate can do to a decision, and what recorded decisions say of a set. Store, seal, signatures, engine and records are the real ones.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { enforcedBefore } from '../src/control/policy-history.ts';
import type { ApplyOrder, RolloutResult } from '../src/control/policy-orders.ts';
import { generateEd25519 } from '../src/crypto/ed25519.ts';
import type { AccessRequest, Decision, DecisionRecord, LogRecord } from '../src/domain/access.ts';
import type { Refusal } from '../src/domain/refusal.ts';
import { decide } from '../src/pdp/decide.ts';
import { NOTHING_REVOKED } from '../src/pdp/snapshot.ts';
import type { PolicySet } from '../src/policy/policy-set.ts';
import { call, PAYMENT, POLICIES, policySet, tool } from './support/policy-desk.ts';
import { actsIn, config, inForce, KEYS, ORDER, policyUp, world, type PolicyUp } from './support/policy-up.ts';

const READS = '@id("reads")\npermit (principal, action == Action::"ledger/list_invoices", resource);\n';
const PAYS = '@id("pays")\npermit (principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource);\n';
const SMALL =
  '@id("small")\nforbid (principal, action == Action::"ledger/pay_invoice", resource) when { context.input.amount_cents > 1000 };\n';

let dir: string;
let directory: string;
let log: LogRecord[];
let open: PolicyUp | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cordon-versions-'));
  directory = join(dir, 'policies');
  mkdirSync(directory);
  log = [];
  write(READS);
});
afterEach(async () => {
  await stop();
  rmSync(dir, { recursive: true });
});

const write = (text: string): void => writeFileSync(join(directory, 'desk.cedar'), text);
const acts = (): readonly string[] => actsIn(log).map(({ act, target }) => `${act} ${target}`);

async function stop(): Promise<void> {
  await open?.close();
  open = undefined;
}

/** A control plane on the data of this test; the one before is stopped. */
async function up(keys = KEYS): Promise<PolicyUp> {
  await stop();
  open = await policyUp({ dir, log, keys });
  return open;
}

/** Applies what the directory holds then. */
function apply(text: string, over: Partial<ApplyOrder> = {}): Promise<RolloutResult> {
  assert.ok(open);
  write(text);
  return open.rollout.apply({ ...ORDER, ...over });
}

const pay = (amount_cents: number): AccessRequest => call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents });

describe('versions', () => {
  void test('[U5] are numbered from 1, outlive restarts, and one text is one version', async () => {
    const first = await up();
    assert.equal(inForce(first), 1);
    assert.deepEqual(await apply(READS), { status: 'unchanged', version: 1, hash: (await first.ledger.version(1)).hash, policies: 5 });
    assert.equal((await apply(READS + PAYS)).version, 2);
    assert.equal((await apply(READS)).version, 1, 'the first text again is the first version again');
    assert.equal((await apply(READS + SMALL)).version, 3);
    const again = await up();
    assert.deepEqual([inForce(again), again.notices], [3, []]);
    const { parent, actor, sources } = await again.ledger.version(3);
    assert.deepEqual([parent, actor, sources], [1, ORDER.actor, [{ path: 'desk.cedar', text: READS + SMALL }]]);
    const expected = ['policy.start version 1', 'policy.apply version 2', 'policy.apply version 1', 'policy.apply version 3'];
    assert.deepEqual(acts(), expected, 'nothing was ordered at the second start');
  });

  void test('[U5] rolled back stays rolled back over a restart, with a word; a directory that changed since goes forward', async () => {
    await up();
    await apply(READS + PAYS);
    await apply(READS + SMALL);
    assert.equal((await open?.rollout.rollback({ actor: 'a', note: 'too tight' }))?.version, 2);
    const again = await up();
    assert.equal(inForce(again), 2);
    assert.match(again.notices.join('\n'), /policies` holds version 3; version 2 is enforced since the rollback: `cordon policy apply`/);
    assert.deepEqual((await again.view()).directory, { path: directory, version: 3 });
    write(READS);
    assert.equal(inForce(await up()), 1, 'an older text that is put back by hand is an order too');
    write(`${READS}// more\n`);
    assert.equal(inForce(await up()), 4);
  });

  void test('a candidate stays one over a restart, and is not enforced because the directory holds it', async () => {
    await up();
    await apply(READS + PAYS, { shadow: true });
    const again = await up();
    assert.deepEqual([inForce(again), again.publisher.current().candidate?.version], [1, 2]);
    assert.match(again.notices.join('\n'), /holds version 2, the candidate; version 1 is enforced: `cordon policy promote`/);
  });

  void test('rollback goes back a step each time, past what was rolled back, and stops at the first', async () => {
    const { rollout } = await up();
    for (const text of [READS + PAYS, READS + SMALL]) await apply(text);
    const back = async (): Promise<number> => (await rollout.rollback({ actor: 'a' })).version;
    assert.deepEqual([await back(), await back()], [2, 1]);
    await assert.rejects(back(), { code: 'CORDON-3003' });
    assert.equal((await rollout.rollback({ actor: 'a', to: 3 })).version, 3);
    assert.equal(await back(), 1);
    await assert.rejects(rollout.rollback({ actor: 'a', to: 9 }), { code: 'CORDON-3003', message: /no policy version 9/ });
  });

  void test('whatever the orders were, rollback returns to a version that was enforced before and is not now', () => {
    const step = fc.record({
      act: fc.constantFrom('apply', 'promote', 'rollback', 'start', 'shadow', 'withdraw'),
      enforced: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const kept: { act: string; enforced: number }[] = [];
        for (const { act, enforced } of steps) {
          const quiet = act === 'shadow' || act === 'withdraw';
          kept.push({ act, enforced: quiet ? (kept.at(-1)?.enforced ?? enforced) : enforced });
        }
        const history = kept.toReversed() as unknown as Parameters<typeof enforcedBefore>[0];
        let before: number;
        try {
          before = enforcedBefore(history);
        } catch (error) {
          return assert.equal((error as Refusal).code, 'CORDON-3003');
        }
        assert.notEqual(before, kept.at(-1)?.enforced);
        assert.ok(kept.some(({ enforced }) => enforced === before));
      }),
    );
  });

  void test('[I1] what is not admitted is refused whole: nothing is kept, nothing changes, and the order is on record', async () => {
    const { rollout, ledger } = await up();
    const broken = '@id("x") permit (principal, action == Action::"ledger/nope", resource);';
    for (const shadow of [false, true]) await assert.rejects(apply(broken, { shadow }), { code: 'CORDON-9006', message: /desk\.cedar:1/ });
    await assert.rejects(apply('// nothing', { shadow: true }), { code: 'CORDON-9007' });
    assert.deepEqual([inForce(open as PolicyUp), rollout.placing().candidate, (await ledger.history()).length], [1, undefined, 1]);
    assert.deepEqual(acts().slice(1), ['policy.apply policies', 'policy.shadow policies', 'policy.shadow policies']);
  });

  void test('[I1] a store that cannot keep an order: what was enforced stays', async () => {
    const { publisher, rollout, store } = await up();
    await apply(READS + PAYS, { shadow: true });
    await store.close();
    const orders = [() => apply(READS + SMALL), () => rollout.promote(ORDER), () => rollout.rollback({ actor: 'a', to: 2 })];
    for (const order of orders) await assert.rejects(order, { code: 'CORDON-9004' });
    assert.deepEqual([inForce(open as PolicyUp), publisher.current().candidate?.version], [1, 2]);
    open = undefined;
  });
});

describe('[I7] somebody who can write to the database', () => {
  /** Versions 1 (reads) and 2 (reads, small payments), 2 enforced; then the attack, then a start. */
  async function afterwards(attack: (database: DatabaseSync) => void, keys = KEYS): Promise<PolicyUp> {
    await up();
    await apply(READS + PAYS + SMALL);
    await stop();
    const database = new DatabaseSync(join(dir, 'cordon.db'));
    attack(database);
    database.close();
    return up(keys);
  }
  const run =
    (sql: string, ...values: readonly (string | number | Uint8Array)[]) =>
    (database: DatabaseSync): void => {
      assert.ok(Number(database.prepare(sql).run(...values).changes) > 0, 'the attack did something');
    };
  const wide = JSON.stringify([{ path: 'desk.cedar', text: READS + PAYS }]);
  const forged = generateEd25519().signer;

  const ATTACKS: Readonly<Record<string, (database: DatabaseSync) => void>> = {
    'takes a forbid out of the sources': run('update policy_version set sources = ? where version = 2', wide),
    'takes it out and mends the hash': run(
      'update policy_version set sources = ?, hash = ?, statement = statement where version = 2',
      wide,
      'ab'.repeat(32),
    ),
    'writes no JSON': run("update policy_version set sources = '[' where version = 2"),
    'edits the statement': run(`update policy_version set statement = replace(statement, '"version":2', '"version":02') where version = 2`),
    'signs with a key of their own': (database) => {
      const { statement } = database.prepare('select statement from policy_version where version = 2').get() as { statement: string };
      run('update policy_version set signature = ? where version = 2', forged.sign(Buffer.from(statement)))(database);
    },
    'puts an older version in its place': run(
      'update policy_version set (statement, sources, signature, hash) = (select statement, sources, signature, hash from policy_version where version = 1) where version = 2',
    ),
    'deletes the version': run('delete from policy_version where version = 2'),
    'names another version in the last change': run(
      `update policy_change set statement = replace(statement, '"enforced":2', '"enforced":1')`,
    ),
    'deletes the last change': run('delete from policy_change where seq = 2'),
    'repeats an older change': run('insert into policy_change select 3, statement, signature from policy_change where seq = 1'),
    'deletes the last change and what says that there was one': (database) => {
      run('delete from policy_change where seq = 2')(database);
      run("delete from sealed where name = 'policy/last'")(database);
    },
    'writes the number of the last change unsealed': run("update sealed set sealed = ? where name = 'policy/last'", Buffer.from('1')),
  };
  for (const [what, attack] of Object.entries(ATTACKS)) {
    void test(`[I1] ${what}: everything is denied and said so; an order puts it right`, async () => {
      const attacked = await afterwards(attack);
      const { verdict, code, policyVersion } = attacked.ask(call('clerk', 'ledger/list_invoices'));
      assert.deepEqual([verdict, policyVersion], ['error', 0]);
      assert.match(String(code), /^CORDON-900[68]$/);
      assert.match(attacked.notices.join('\n'), /^x CORDON-\d+ .*every call is denied/);
      const { error } = await attacked.view();
      assert.equal(error?.code, code);
      await attacked.rollout.apply(ORDER);
      assert.equal(attacked.ask(call('clerk', 'ledger/list_invoices')).verdict, 'allow');
      assert.equal(attacked.ask(pay(5000)).code, 'CORDON-3002');
      const mended = await up();
      assert.equal(mended.ask(pay(5000)).code, 'CORDON-3002', 'and stays right');
    });
  }

  void test('[I1] a version that was altered while Cordon runs is not gone back to', async () => {
    const { rollout } = await up();
    await apply(READS + SMALL);
    const database = new DatabaseSync(join(dir, 'cordon.db'));
    run('update policy_version set sources = ? where version = 1', wide)(database);
    database.close();
    await assert.rejects(rollout.rollback({ actor: 'a' }), { code: 'CORDON-9008', message: /policy version 1 was altered/ });
    assert.equal(inForce(open as PolicyUp), 2);
  });

  void test('[I1] the keys are another Cordon’s: nothing of it is believed', async () => {
    const other = { signer: forged, sealer: KEYS.sealer };
    assert.equal(inForce(await afterwards(() => undefined, other)), 'CORDON-9008');
  });
});

describe('a candidate', () => {
  const request = call('clerk', 'ledger/list_invoices');
  const asked = (policies: PolicySet, candidate: PolicySet): Decision => {
    const runs = new Map([['r1', { agent: 'clerk', notAfter: Number.MAX_SAFE_INTEGER, since: 0 }]]);
    const snapshot = {
      version: 1,
      at: 0,
      trustDomain: config.trustDomain,
      world,
      policies,
      candidate,
      runs,
      revoked: NOTHING_REVOKED,
      changedTools: new Set<string>(),
    };
    return decide(snapshot, { request }, 0, { maxStaleness: 1 }).decision;
  };

  void test('[I1] changes no decision, whatever it says or throws', async () => {
    const policies = await policySet(READS, world);
    const alone = policies.decide(request, world);
    const says = (decision: () => Decision): PolicySet => ({ ...policies, version: 9, decide: decision });
    const deny: Decision = { verdict: 'deny', code: 'CORDON-3002', determining: ['x'], errors: [], policyVersion: 9 };
    const throws = says(() => {
      throw new Error('broken');
    });
    assert.deepEqual(
      asked(
        policies,
        says(() => alone),
      ),
      alone,
    );
    const shadow = { verdict: 'deny', code: 'CORDON-3002', determining: ['x'], policyVersion: 9 };
    assert.deepEqual(
      asked(
        policies,
        says(() => deny),
      ),
      { ...alone, shadow },
    );
    assert.deepEqual(asked(policies, throws), {
      ...alone,
      shadow: { verdict: 'error', code: 'CORDON-9001', determining: [], policyVersion: 9 },
    });
    const no = says(() => deny);
    assert.deepEqual(
      asked(
        no,
        says(() => alone),
      ),
      { ...deny, gate: 'agent', shadow: { verdict: 'allow', determining: alone.determining, policyVersion: 7 } },
    );
  });

  void test('speaks before policies in shadow; where it agrees, they are heard', async () => {
    const policies = await policySet(READS, world);
    const alone = policies.decide(request, world);
    const own = { verdict: 'deny', determining: ['quiet'], policyVersion: 7 } as const;
    const enforced = { ...policies, decide: () => ({ ...alone, shadow: own }) };
    assert.deepEqual(asked(enforced, policies).shadow, own);
    const deny: Decision = { verdict: 'deny', determining: [], errors: [], policyVersion: 9 };
    assert.equal(asked(enforced, { ...policies, decide: () => deny }).shadow?.policyVersion, 9);
  });

  void test('[U4] is recorded where it would decide otherwise, counted over restarts, and takes nothing away', async () => {
    const first = await up();
    await apply(READS + PAYS);
    await apply(READS + SMALL.replace('small', 'calm') + PAYS.replaceAll('clerk', 'auditor'), { shadow: true });
    assert.deepEqual([first.ask(pay(5000)).verdict, first.ask(request).verdict], ['allow', 'allow']);
    assert.equal(first.ask(call('clerk', 'mail/read', { id: 1 })).verdict, 'deny');
    const records = log.filter((record): record is DecisionRecord => record.schema === 'cordon.decision/v1');
    const shadow = { verdict: 'deny', code: 'CORDON-3002', policy: { version: 3, determining: ['calm'] } };
    assert.deepEqual(
      records.map((record) => record.shadow),
      [shadow, undefined, undefined],
    );
    assert.deepEqual(
      records.map(({ policy, mode }) => [policy.version, mode]),
      [
        [2, 'enforce'],
        [2, 'enforce'],
        [2, 'enforce'],
      ],
    );
    const again = await up();
    again.ask(pay(6000));
    await again.index.list({ limit: 1 });
    const { candidate } = await again.view();
    assert.deepEqual([candidate?.version, candidate?.seen, candidate?.wouldDeny, candidate?.wouldAllow], [3, 4, 2, 0]);
  });

  void test('that no longer fits the tools is not evaluated, and what is enforced goes on; it is again when they fit', async () => {
    const { publisher, rollout, view, ask } = await up();
    await apply(READS + SMALL, { shadow: true });
    const listed = tool('list_invoices', { type: 'object', properties: {} });
    publisher.setTools('ledger', [listed], []);
    await rollout.refresh();
    assert.deepEqual([publisher.current().candidate, ask(request).verdict], [undefined, 'allow']);
    assert.equal((await view()).candidate?.error?.code, 'CORDON-9006');
    await assert.rejects(rollout.promote(ORDER), { code: 'CORDON-9006' });
    publisher.setTools('ledger', world.tools.get('ledger') ?? [], []);
    await rollout.refresh();
    assert.equal(publisher.current().candidate?.version, 2);
  });

  void test('is promoted, withdrawn, or goes when its text is applied', async () => {
    const { publisher, rollout } = await up();
    await assert.rejects(rollout.promote(ORDER), { code: 'CORDON-3003', message: /no candidate/ });
    await apply(READS + PAYS, { shadow: true });
    assert.equal((await apply(READS + PAYS, { shadow: true })).status, 'unchanged');
    assert.equal((await rollout.withdraw(ORDER)).status, 'withdrawn');
    assert.equal(publisher.current().candidate, undefined);
    await apply(READS + PAYS, { shadow: true });
    assert.deepEqual([(await rollout.promote(ORDER)).version, publisher.current().candidate], [2, undefined]);
    await apply(READS + SMALL, { shadow: true });
    await apply(READS);
    assert.equal(publisher.current().candidate?.version, 3, 'another version is enforced: it is still looked at');
    await apply(READS + SMALL);
    assert.equal(publisher.current().candidate, undefined);
  });
});

describe('[U5] impact', () => {
  const span = { since: 0, limit: 1000 };
  const changed = async (text: string): Promise<readonly (readonly [string, string, readonly string[], number])[]> => {
    write(text);
    const { changes } = await (open as PolicyUp).rollout.impact({ candidate: false, ...span });
    return changes.map(({ change, resource, policies, count }) => [change, resource, policies, count] as const);
  };

  void test('names the permit or the forbid by which an answer changes, in both directions', async () => {
    const { ask } = await up();
    await apply(READS + PAYS + SMALL);
    for (const amount of [1, 2, 5000]) ask(pay(amount));
    ask(call('clerk', 'ledger/list_invoices'));
    ask(call('clerk', 'mail/read', { id: 1 }));
    const forbidGoes = ['deny>allow', 'ledger/pay_invoice', ['small'], 1] as const;
    const permitGoes = ['allow>deny', 'ledger/pay_invoice', ['pays'], 2] as const;
    const forbidComes = ['allow>deny', 'ledger/list_invoices', ['none'], 1] as const;
    assert.deepEqual(await changed(READS + PAYS), [forbidGoes]);
    assert.deepEqual(await changed(READS + SMALL), [permitGoes]);
    const none = '@id("none") forbid (principal, action == Action::"ledger/list_invoices", resource);';
    assert.deepEqual(await changed(READS + PAYS + none), [forbidGoes, forbidComes]);
    const mail = '@id("mails") permit (principal == Agent::"clerk", action == Action::"mail/read", resource);';
    assert.deepEqual(await changed(READS + PAYS + SMALL + mail), [['deny>allow', 'mail/read', ['mails'], 1]]);
    assert.deepEqual(await changed(READS + PAYS + SMALL), []);
  });

  void test('widening is accepted by name, at apply and at promote; else nothing changes and the order is on record', async () => {
    const up1 = await up();
    await apply(READS + PAYS + SMALL);
    up1.ask(pay(5000));
    const refused = await apply(READS + PAYS);
    assert.deepEqual([refused.status, refused.unaccepted, inForce(up1)], ['not_accepted', ['small'], 2]);
    assert.equal((await apply(READS + PAYS, { acceptWidening: ['pays'] })).status, 'not_accepted', 'another name is not that name');
    assert.equal((await apply(READS + PAYS, { shadow: true })).status, 'candidate', 'a candidate has no effect');
    assert.equal((await up1.rollout.promote(ORDER)).status, 'not_accepted', 'and is no way around');
    assert.deepEqual([inForce(up1), acts().filter((act) => act.endsWith('version 3')).length], [2, 4]);
    assert.equal((await up1.rollout.promote({ ...ORDER, acceptWidening: ['small'] })).status, 'enforced');
    assert.equal((await up1.rollout.rollback({ actor: 'a', to: 2 })).status, 'enforced');
  });

  void test('without a recorded decision, and where everything is denied already, nothing has to be accepted', async () => {
    await up();
    assert.equal((await apply(READS + PAYS + SMALL)).status, 'enforced');
    open?.ask(pay(5000));
    await assert.rejects(apply('// nothing'), { code: 'CORDON-9007' });
    assert.equal(inForce(open as PolicyUp), 'CORDON-9007');
    assert.equal((await apply(READS + PAYS)).status, 'enforced');
  });

  void test('what is gone, defined anew or unreadable is not evaluable; a limit is said; what was no request is skipped', async () => {
    const { ask, publisher, rollout, index, store } = await up();
    await apply(POLICIES);
    ask(pay(1));
    ask(call('clerk', 'ledger/list_invoices'));
    ask(call('clerk', 'ledger/nowhere'));
    ask(call('clerk', 'mail/read', { id: 1 }));
    await index.list({ limit: 1 });
    const [newest] = await store.listDecisions({ limit: 1 });
    assert.ok(newest?.inputs);
    await store.putDecisions([{ ...newest, inputs: newest.inputs.fill(0, 40) }]);
    const { inputs: _inputs, ...noRequest } = newest;
    await store.putDecisions([{ ...noRequest, id: 'dec_EARLY', seq: newest.seq + 1 }]);
    const payment = tool('pay_invoice', { type: 'object', properties: { vendor: { type: 'string' } }, additionalProperties: false });
    publisher.setTools('ledger', [payment], []);
    write(PAYS);
    await rollout.refresh();
    assert.equal(inForce(open as PolicyUp), 'CORDON-9006');
    await rollout.apply(ORDER);
    write(`${PAYS}// again`);
    const { counts, decisions, complete } = await rollout.impact({ candidate: false, ...span });
    assert.deepEqual(counts, { allowToDeny: 0, denyToAllow: 0, unchanged: 1, notEvaluable: 3, skipped: 1 });
    assert.deepEqual([decisions, complete], [5, true]);
    const two = await rollout.impact({ candidate: false, since: 0, limit: 2 });
    assert.deepEqual([two.decisions, two.complete], [2, false]);
    const none = await rollout.impact({ candidate: false, since: Date.now() + 1000, limit: 10 });
    assert.deepEqual([none.decisions, none.complete], [0, true]);
  });

  void test('of nothing in force, of no candidate and of a broken draft is refused with the reason', async () => {
    const { rollout } = await up();
    await assert.rejects(rollout.impact({ candidate: true, ...span }), { code: 'CORDON-3003' });
    await assert.rejects(rollout.impact({ candidate: false, sources: [{ path: 'a.cedar', text: 'permit (' }], ...span }), {
      code: 'CORDON-9006',
    });
    await assert.rejects(apply('// nothing'), { code: 'CORDON-9007' });
    await assert.rejects(rollout.impact({ candidate: false, sources: [{ path: 'a.cedar', text: READS }], ...span }), {
      code: 'CORDON-9007',
    });
  });
});
