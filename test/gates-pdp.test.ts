// Calls on behalf of a user at the PDP: dead tokens, the record, candidates and policies in shadow, what is kept and decided again, and
// what people are shown.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { renderWhy } from '../src/cli/explain.ts';
import { createPaint } from '../src/cli/paint.ts';
import { REPLIES } from '../src/cli/replies.ts';
import { can } from '../src/control/can.ts';
import type { Control } from '../src/control/control.ts';
import {
  type AccessRequest,
  accessRequestJson,
  type Decision,
  type DecisionRecord,
  type Delegation,
  type LogRecord,
  parseAccessRequest,
} from '../src/domain/access.ts';
import { type Json, parseJson, writeJson } from '../src/domain/json.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { decide } from '../src/pdp/decide.ts';
import { decisionRecord } from '../src/pdp/decision-record.ts';
import { NOTHING_REVOKED, type Snapshot } from '../src/pdp/snapshot.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import { explainGates } from '../src/policy/gates.ts';
import { runTable } from '../src/policy/test-table.ts';
import { parseTable } from '../src/server/policy-table.ts';
import { forUser, toolsOnly } from './support/on-behalf.ts';
import { call, desk, levels, PAYMENT, policySet } from './support/policy-desk.ts';
import { policyUp, type PolicyUp } from './support/policy-up.ts';

after(closeAdmission);

const world = desk();
const NOW = 1_800_000_000_000;
const TD = 'desk.example';
const PAY = call('clerk', 'ledger/pay_invoice', PAYMENT);
const ALICE = { user: 'alice', groups: ['finance'] };
const AGENTS = '@id("clerk-pays") permit (principal == Agent::"clerk", action in Action::"tools/call", resource in Server::"ledger");';
const USERS = '@id("payers") permit (principal is User in Group::"finance", action in Action::"tools/call", resource in Server::"ledger");';

/** Reader, auditor, clerk: each by a run of its own. */
const CHAIN: Partial<Delegation> = {
  chain: ['reader/run/r0', 'auditor/run/r1', 'clerk/run/r2'].map((path) => parseSpiffeId(`spiffe://${TD}/agent/${path}`)),
  token: 'jti-2',
  parents: ['jti-0', 'jti-1'],
  txn: 'txn-1',
  expiresAt: NOW + 60_000,
};
const CLERK = parseSpiffeId(`spiffe://${TD}/agent/clerk/run/r2`);
const DELEGATED = forUser({ ...PAY, subject: { ...PAY.subject, spiffeId: CLERK, run: 'r2' } }, ALICE, CHAIN);

let snapshot: Snapshot;
before(async () => {
  const policies = await policySet(`${AGENTS}\n${USERS}`, world);
  const runs = new Map([['r2', { agent: 'clerk', notAfter: NOW + 1, since: 0 }]]);
  const revoked = NOTHING_REVOKED;
  snapshot = { version: 1, at: NOW, trustDomain: parseTrustDomain(TD), world, policies, runs, revoked, changedTools: new Set() };
});
const decided = (over: Partial<Snapshot> = {}, request: AccessRequest = DELEGATED, now = NOW): Decision =>
  decide({ ...snapshot, ...over }, { request }, now, { maxStaleness: 1e9 }).decision;

describe('[I5] a token that is dead', () => {
  const revoked = (kind: 'runs' | 'tokens' | 'txns', name: string): Partial<Snapshot> => ({
    revoked: { ...NOTHING_REVOKED, [kind]: new Set([name]) },
  });
  const off = (name: string): Partial<Snapshot> => ({ world: desk({ levels: levels({ [name]: 'off' }) }) });
  const withChain = (...ids: readonly string[]): AccessRequest => forUser(DELEGATED, ALICE, { ...CHAIN, chain: ids.map(parseSpiffeId) });
  const table: readonly (readonly [what: string, decide: () => Decision, said: string])[] = [
    ['lives while nothing of it is revoked', () => decided(revoked('tokens', 'jti-9')), 'allow'],
    ['dies by itself', () => decided({}, DELEGATED, NOW + 60_000), 'deny CORDON-1010'],
    ['lives until then', () => decided({}, DELEGATED, NOW + 59_999), 'allow'],
    ['when it is revoked', () => decided(revoked('tokens', 'jti-2')), 'deny CORDON-2007'],
    ['when the token that it was exchanged from is', () => decided(revoked('tokens', 'jti-1')), 'deny CORDON-2007'],
    ['or the first of them', () => decided(revoked('tokens', 'jti-0')), 'deny CORDON-2007'],
    ['with its task', () => decided(revoked('txns', 'txn-1')), 'deny CORDON-2007'],
    ['with a run that handed the task on', () => decided(revoked('runs', 'r0')), 'deny CORDON-2007'],
    ['with the run of the caller', () => decided({ runs: new Map() }), 'deny CORDON-4005'],
    ['while an agent of its chain is off', () => decided(off('reader')), 'deny CORDON-2007'],
    ['the caller being off is for policy to say', () => decided(off('clerk')), 'deny CORDON-4002'],
    ['an agent that is not of the chain is another matter', () => decided(off('stranger')), 'allow'],
    ['as is one of another domain with the same name', () => decided(off('reader'), withChain('spiffe://other.example/agent/reader/run/x', `spiffe://${TD}/agent/clerk/run/r2`)), 'allow'],
    ['whatever was in the chain besides', () => decided({}, withChain(`spiffe://${TD}/ns/x`, `spiffe://${TD}/agent/clerk/run/r2`)), 'deny CORDON-1012'],
    ['is told before anything about policy', () => decided(revoked('tokens', 'jti-2'), forUser(DELEGATED, { user: 'bob' }, CHAIN)), 'deny CORDON-2007'],
  ]; // prettier-ignore
  for (const [what, decision, said] of table) {
    test(what, () => {
      const { verdict, code } = decision();
      assert.equal([verdict, code ?? []].flat().join(' '), said);
    });
  }

  test('says what was revoked', () => {
    assert.match(decided(revoked('runs', 'r0')).reason ?? '', /run of `reader`/);
    assert.match(decided(off('auditor')).reason ?? '', /`auditor`, through which the task came, is off/);
  });
});

describe('[U3] the record of a call on behalf of a user', () => {
  const recordOf = (request: AccessRequest): DecisionRecord =>
    decisionRecord(snapshot, request, decided({}, request), { id: 'dec_TEST', now: NOW, pep: { id: 'gateway-1', version: '0' } });

  test('says for whom, through whom, within what, and what each gate said', () => {
    const { on_behalf_of, chain, txn, mandate, gate, gates, verdict } = recordOf(forUser(DELEGATED, { user: 'bob' }, CHAIN));
    assert.deepEqual([verdict, on_behalf_of, txn, gate], ['deny', 'bob', 'txn-1', 'user']);
    assert.deepEqual(
      chain?.map(({ sub }) => sub),
      CHAIN.chain,
    );
    assert.match(mandate?.digest ?? '', /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(gates, {
      agent: { verdict: 'allow', determining: ['clerk-pays'] },
      user: { verdict: 'deny', determining: [] },
      mandate: { verdict: 'allow', determining: [] },
    });
    assert.notEqual(
      recordOf(forUser(DELEGATED, { ...ALICE, mandate: toolsOnly(['tool:ledger/*']) }, CHAIN)).mandate?.digest,
      mandate?.digest,
    );
  });

  test('of a call on behalf of nobody has none of it', () => {
    const { delegation: _delegation, ...alone } = DELEGATED;
    for (const member of ['on_behalf_of', 'chain', 'txn', 'mandate', 'gates']) assert.ok(!(member in recordOf(alone)), member);
  });

  test('`cordon why` shows the user, the way, the gate and what came nearest', () => {
    const paint = createPaint(false, false, {});
    const shown = (request: AccessRequest): string => {
      const explanation = explainGates(snapshot.policies as never, request, world, NOW);
      const reply = parseJson(Buffer.from(writeJson({ record: recordOf(request), seq: 3, explanation })), { maxBytes: 1e6, maxDepth: 30 });
      return renderWhy(paint, REPLIES.why.parse(reply)).join('\n');
    };
    const byUser = shown(forUser(DELEGATED, { user: 'bob' }, CHAIN));
    assert.match(byUser, /clerk \(spiffe:\S+\) {2}for bob {2}chain bob > reader > auditor > clerk/);
    assert.match(byUser, /because {2}no permit matched \(default deny\); gate user/);
    assert.match(byUser, /nearest {2}payers .* 2 held, 1 failed/);
    assert.match(byUser, /gates {4}agent allow by clerk-pays {3}user deny {3}mandate allow/);
    const small = forUser(DELEGATED, { ...ALICE, mandate: toolsOnly(['tool:ledger/*'], { amount_cents: { max: 1000 } }) }, CHAIN);
    const byMandate = shown(small);
    assert.match(byMandate, /CORDON-3019/);
    assert.match(byMandate, /because {2}outside the mandate; gate mandate/);
    assert.match(byMandate, /nearest {2}mandate entry 1 {3}2 held, 1 failed/);
    assert.match(byMandate, /x {2}amount_cents: max 1000 +observed context\.input\.amount_cents: 4200/);
    assert.match(byMandate, /fix +1 stay within `amount_cents: max 1000` of mandate entry 1\n +2 the task was not given this/);
  });
});

describe('[U5] policies that are only looked at, on requests for users', () => {
  const bob = forUser(DELEGATED, { user: 'bob' }, CHAIN);

  test('a candidate is asked at both gates', async () => {
    const wider = await policySet(`${AGENTS}\n@id("everyone") permit (principal is User, action, resource);`, world);
    const narrower = await policySet(`${AGENTS}\n${USERS}\n@id("no") forbid (principal == User::"alice", action, resource);`, world);
    assert.deepEqual(decided({ candidate: wider }, bob).shadow?.verdict, 'allow');
    assert.deepEqual(decided({ candidate: wider }).shadow, undefined);
    const { verdict, shadow } = decided({ candidate: narrower });
    assert.deepEqual([verdict, shadow?.verdict, shadow?.determining], ['allow', 'deny', ['no']]);
  });

  test('a policy in shadow is told of if the whole would come out otherwise, and only then', async () => {
    const both = `${AGENTS}\n${USERS}\n@id("watched") @mode("shadow") forbid (principal == User::"alice", action, resource);
      @id("hoped") @mode("shadow") permit (principal == User::"bob", action, resource);`;
    const policies = await policySet(both, world);
    assert.deepEqual([decided({ policies }).verdict, decided({ policies }).shadow?.determining], ['allow', ['watched']]);
    assert.deepEqual(decided({ policies }, bob).shadow?.verdict, 'allow');
    const narrow = forUser(bob, { user: 'bob', mandate: toolsOnly(['tool:mail/*']) }, CHAIN);
    const { gate, shadow } = decided({ policies }, narrow);
    assert.deepEqual([gate, shadow?.verdict, shadow?.code], ['user', 'deny', 'CORDON-3019'], 'the mandate would refuse it all the same');
  });
});

describe('[U5] what is kept of a call on behalf of a user', () => {
  test('is the request, mandate included, and nothing else is read back', () => {
    const mandate = toolsOnly(['tool:ledger/*'], { amount_cents: { max: 9_007_199_254_740_993n }, memo: {} });
    const kept = writeJson(accessRequestJson(forUser(DELEGATED, { ...ALICE, mandate }, CHAIN)));
    const read = (text: string): AccessRequest => parseAccessRequest(parseJson(Buffer.from(text), { maxBytes: 1e6, maxDepth: 20 }));
    assert.equal(writeJson(accessRequestJson(read(kept))), kept);
    const broken: readonly (readonly [string, string])[] = [
      ['"groups":["finance"]', '"groups":"finance"'],
      ['"groups":["finance"]', '"groups":[1]'],
      ['"expiresAt":', '"expires":'],
      ['"txn":"txn-1"', '"txn":1'],
      ['"type":"cordon_task"', '"type":"other"'],
      ['spiffe://desk.example/agent/reader', 'http://desk.example/agent/reader'],
    ];
    for (const [from, to] of broken) {
      assert.ok(kept.includes(from), from);
      assert.throws(() => read(kept.replace(from, to)), { name: 'Refusal' }, to);
    }
  });

  describe('and decided again', () => {
    let dir: string;
    let up: PolicyUp;
    const log: LogRecord[] = [];
    const write = (text: string): void => writeFileSync(join(dir, 'policies', 'desk.cedar'), text);
    before(async () => {
      dir = mkdtempSync(join(tmpdir(), 'cordon-gates-'));
      mkdirSync(join(dir, 'policies'));
      write(`${AGENTS}\n${USERS}`);
      up = await policyUp({ dir, log });
    });
    after(async () => {
      await up.close();
      rmSync(dir, { recursive: true });
    });

    test('impact tells whom a policy for users would deny or allow', async () => {
      const later = { expiresAt: Date.now() + 60_000 };
      const small = toolsOnly(['tool:ledger/*'], { amount_cents: { max: 1 } });
      for (const user of [ALICE, { user: 'bob' }, { ...ALICE, user: 'carol', mandate: small }]) up.ask(forUser(PAY, user, later));
      const changes = async (text: string): Promise<unknown> => {
        write(text);
        const impact = await up.rollout.impact({ candidate: false, since: 0, limit: 10 });
        return impact.changes.map(({ change, policies, count }) => [change, policies, count]);
      };
      // Carol's call is refused by its mandate whatever policies say
      assert.deepEqual(await changes(`${AGENTS}\n${USERS}\n@id("no") forbid (principal is User, action, resource);`), [
        ['allow>deny', ['no'], 1],
      ]);
      assert.deepEqual(await changes(`${AGENTS}\n@id("all") permit (principal is User, action, resource);`), [
        ['deny>allow', ['clerk-pays', 'all'], 1],
      ]);
    });

    test('and why it was denied is kept with it', async () => {
      const denied = log.findLast((record): record is DecisionRecord => record.schema === 'cordon.decision/v1');
      const kept = await up.index.get(denied?.id ?? '');
      assert.equal(kept?.record.gate, 'mandate');
      assert.match(JSON.stringify(kept.explanation), /amount_cents: max 1/);
    });
  });
});

describe('[U2] asked without a call', () => {
  const asking = {
    agentId: (agent: string) => parseSpiffeId(`spiffe://${TD}/agent/${agent}`),
    ask: (request: AccessRequest) => ({ decision: decided({}, request), explanation: undefined }),
  } as unknown as Control;
  const question = { agent: 'clerk', action: 'tools/call', resource: 'ledger/pay_invoice', input: PAYMENT };

  test('`cordon can` takes a user, groups and a mandate', async () => {
    const gateFor = async (onBehalf: { user: string; groups?: string[]; mandate?: Json }): Promise<string | undefined> =>
      (await can(asking, { ...question, onBehalf })).decision.gate;
    assert.equal((await can(asking, question)).allowed, true);
    assert.equal(await gateFor(ALICE), undefined);
    assert.equal(await gateFor({ user: 'alice' }), 'user');
    assert.equal(await gateFor({ ...ALICE, mandate: toolsOnly(['tool:mail/*']) }), 'mandate');
    await assert.rejects(gateFor({ ...ALICE, mandate: [] }), { code: 'CORDON-9011' });
  });

  const table = (tests: string): ReturnType<typeof parseTable> =>
    parseTable(`defaults: { agent: clerk, call: ledger/pay_invoice, input: ${JSON.stringify(PAYMENT)} }\ntests:\n${tests}`, 't.yaml', {
      agents: [{ name: 'clerk' }],
      resources: [{ name: 'ledger' }],
    });

  test('table tests take them too', async () => {
    const { tests, problems } = table(`
  - { name: alice, user: alice, groups: [finance], expect: allow, policy: payers }
  - { name: bob, user: bob, expect: deny }
  - { name: nobody, expect: allow, policy: clerk-pays }
  - name: too much
    user: alice
    groups: [finance]
    mandate: [{ type: cordon_task, actions: [tools/call], locations: ['tool:ledger/*'], arguments: { amount_cents: { max: 1 } } }]
    expect: CORDON-3019`);
    assert.deepEqual(problems, []);
    const { results, traces } = runTable(await policySet(`${AGENTS}\n${USERS}`, world), world, tests);
    assert.deepEqual(
      results.filter(({ passed }) => !passed).map(({ test: { name } }) => name),
      [],
    );
    assert.ok(traces.some(({ policy }) => policy === 'payers'));
  });

  test('what a table says wrong of them is told with its line', () => {
    const { problems } = table(`
  - { name: a, groups: [finance], expect: deny }
  - { name: b, user: alice, mandate: [{ type: cordon_task }], expect: deny }
  - { name: c, user: alice, mandate: [], expect: deny }`);
    assert.equal(problems.length > 0, true);
    assert.match(problems.join('\n'), /t\.yaml:5.*not a mandate/);
    assert.match(table('\n  - { name: a, groups: [finance], expect: deny }').problems.join(), /`user` is missing/);
  });
});
