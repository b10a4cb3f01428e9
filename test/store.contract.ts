// The contract of every `Store`: what `src/store/ports.ts` says, run against one implementation. A second store is done when this passes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { Level } from '../src/domain/access.ts';
import type { Json } from '../src/domain/json.ts';
import type { GrantRow } from '../src/store/grant-port.ts';
import type {
  AgentRow,
  CertificateRow,
  DecisionRow,
  EntryRow,
  LevelChange,
  PolicyChangeRow,
  PolicyVersionRow,
  PostureRow,
  RevocationRow,
  Run,
  SealedRow,
  Store,
} from '../src/store/ports.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Another store over the same data; the first one may still be open. */
  readonly reopen: () => Promise<Store>;
  /** Closes what is open and removes the data. */
  readonly cleanup: () => Promise<void>;
  /** Source of an expression that opens the same data in another process: `(await import('…')).open('…')`. */
  readonly opener: string;
}

type Body = (under: StoreUnderTest) => Promise<void>;

const ODD_NAMES = ["o'brien", '"; drop table run; --', 'naïve 名前 🦊 \u{10FFFF}', '%_\\', '', ' ', 'a'.repeat(5000), '\u0001\u200b'];

const run = (id: string, more: Partial<Run> = {}): Run => ({ id, kind: 'agent', name: 'clerk', createdAt: 1, ...more });
const decision = (seq: number, more: Partial<DecisionRow> = {}): DecisionRow => ({
  id: `d${seq}`,
  at: 1_800_000_000_000 + seq,
  agent: 'clerk',
  verdict: 'allow',
  seq,
  record: { seq },
  ...more,
});
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  const promise = (what: string, body: Body): void =>
    void test(`${name}: ${what}`, async () => {
      const under = await open();
      try {
        await body(under);
      } finally {
        await under.cleanup();
      }
    });

  for (const part of [identity, registrations, state, decisions, policies, texts, durability]) part(promise);
}

type Promises = (what: string, body: Body) => void;

function identity(promise: Promises): void {
  promise('a run is active until it is ended, once', async ({ store }) => {
    const second = run('r2', { createdAt: 2, kind: 'gateway' });
    await store.addRun(second);
    await store.addRun(run('r1'));
    await store.addRun(run('r0', { createdAt: 3, endedAt: 4 }));
    assert.deepEqual(await store.activeRuns(), [run('r1'), second]);
    assert.deepEqual(await store.getRun('r2'), second);
    assert.equal(await store.getRun('r9'), undefined);
    assert.deepEqual([await store.endRun('r1', 9), await store.endRun('r1', 10), await store.endRun('r9', 9)], [true, false, false]);
    assert.deepEqual(await store.getRun('r1'), run('r1', { endedAt: 9 }));
    assert.deepEqual(await store.activeRuns(), [second]);
    await assert.rejects(store.addRun(run('r1')), { name: 'Refusal', code: 'CORDON-9004' });
  });

  promise('[I5] of 50 callers on two connections one gets the token', async ({ store, reopen }) => {
    const other = await reopen();
    const token = { tokenHash: 'ab'.repeat(32), runId: 'r1', expiresAt: 100 };
    await store.addToken(token);
    const taken = await Promise.all(range(0, 50).map((i) => (i % 2 ? store : other).takeToken(token.tokenHash, 99)));
    assert.deepEqual(
      taken.filter((one) => one !== undefined),
      [token],
    );
    await other.close();
  });

  promise('[I5] an expired or unknown token is nobody’s', async ({ store }) => {
    await store.addToken({ tokenHash: 'old', runId: 'r1', expiresAt: 100 });
    assert.equal(await store.takeToken('old', 100), undefined);
    assert.equal(await store.takeToken('old', 99), undefined, 'a clock set back does not revive it');
    assert.equal(await store.takeToken('none', 1), undefined);
  });

  promise('certificates are found by serial and by run, newest first', async ({ store }) => {
    await store.addRun(run('r1'));
    const certificate = (i: number): CertificateRow => ({
      serial: `0${i}`,
      runId: 'r1',
      spiffeId: 'spiffe://desk.example/agent/clerk',
      notBefore: i,
      notAfter: i + 9,
    });
    for (const i of [2, 1, 3]) await store.addCertificate(certificate(i));
    assert.deepEqual(await store.certificate('02'), certificate(2));
    assert.equal(await store.certificate('09'), undefined);
    assert.deepEqual(await store.certificatesOf('r1', 2), [certificate(3), certificate(2)]);
    assert.deepEqual(await store.certificatesOf('r2', 2), []);
    await assert.rejects(store.addCertificate({ ...certificate(4), runId: 'nobody' }), { code: 'CORDON-9004' });
    await assert.rejects(store.addCertificate(certificate(1)), { code: 'CORDON-9004' });
  });
}

function registrations(promise: Promises): void {
  const agent: AgentRow = { name: 'clerk', segment: 'desk', owner: 'ops', purpose: 'pays', createdBy: 'op', createdAt: 1 };
  const entry = (id: string, more: Partial<EntryRow> = {}): EntryRow => ({
    id,
    kind: 'agent',
    name: 'clerk',
    selectors: ['unix:uid:1', 'oidc:claim:a%2Fb:x'],
    owner: 'ops',
    purpose: 'pays',
    composition: { model: 'm' },
    createdBy: 'op',
    createdAt: 1,
    ...more,
  });
  const token = (tokenHash: string) => ({ tokenHash, id: 'T1', kind: 'agent' as const, name: 'clerk', expiresAt: 10, createdBy: 'op' });
  const posture = (more: Partial<PostureRow> = {}): PostureRow => ({
    runId: 'r1',
    attestor: 'unix',
    selectors: ['unix:uid:1'],
    owner: 'ops',
    purpose: 'pays',
    composition: {},
    drift: [],
    at: 1,
    ...more,
  });

  promise('agents and entries come back as they were put, replaced by name and id', async ({ store, reopen }) => {
    await store.putAgent(agent);
    await store.putAgent({ ...agent, purpose: 'pays more' });
    await store.putEntry(entry('e1'));
    await store.putEntry(entry('e2', { ttl: 5000, createdAt: 2 }));
    await store.putEntry(entry('e1', { composition: {} }));
    const other = await reopen();
    assert.deepEqual(await other.registeredAgents(), [{ ...agent, purpose: 'pays more' }]);
    assert.deepEqual(await other.entries(), [entry('e1', { composition: {} }), entry('e2', { ttl: 5000, createdAt: 2 })]);
    assert.deepEqual([await other.removeEntry('e1'), await other.removeEntry('e1')], [true, false]);
    await other.close();
  });

  promise("an agent leaves with its entries and tokens, and with nobody else's", async ({ store }) => {
    await store.putAgent(agent);
    await store.putEntry(entry('e1'));
    await store.putEntry(entry('e2', { kind: 'resource' }));
    await store.addAgentToken(token('h1'));
    assert.deepEqual([await store.removeAgent('clerk'), await store.removeAgent('clerk')], [true, false]);
    assert.deepEqual(
      (await store.entries()).map(({ id }) => id),
      ['e2'],
    );
    assert.equal(await store.takeAgentToken('h1', 1), undefined);
  });

  promise('[I5] a token for a host is taken once, and not from when it expires', async ({ store }) => {
    await store.addAgentToken(token('h1'));
    await store.addAgentToken(token('h2'));
    const both = await Promise.all([store.takeAgentToken('h1', 9), store.takeAgentToken('h1', 9)]);
    assert.deepEqual(
      both.filter((taken) => taken !== undefined),
      [token('h1')],
    );
    assert.equal(await store.takeAgentToken('h2', 10), undefined);
    assert.equal(await store.takeAgentToken('h2', 9), undefined, 'an expired one is gone too');
  });

  promise('postures are those of runs that have not ended, replaced as a whole', async ({ store }) => {
    await store.addRun(run('r1'));
    await store.addRun(run('r2'));
    await store.putPosture(posture({ entryId: 'e1' }));
    await store.putPosture(posture({ composition: { prompt: 'x' }, drift: ['prompt'] }));
    await store.putPosture(posture({ runId: 'r2' }));
    await store.endRun('r2', 5);
    assert.deepEqual(await store.postures(), [posture({ composition: { prompt: 'x' }, drift: ['prompt'] })]);
    await assert.rejects(store.putPosture(posture({ runId: 'nobody' })), { code: 'CORDON-9004' });
  });
}

function state(promise: Promises): void {
  promise('[I6] what is revoked stays so until its end, the longer of two, and across reopening', async ({ store, reopen }) => {
    const row = (kind: 'run' | 'token', until: number, at = 1): RevocationRow => ({ kind, id: 'x', at, until, actor: 'op', reason: 'why' });
    await store.addRevocation(row('run', 10));
    await store.addRevocation(row('token', 20, 2));
    await store.addRevocation(row('token', 15, 3));
    await store.addRevocation(row('run', 12, 4));
    await store.close();
    const again = await reopen();
    assert.deepEqual(await again.activeRevocations(11), [row('run', 12), row('token', 20, 2)]);
    assert.deepEqual(await again.activeRevocations(12), [row('token', 20, 2)]);
    assert.deepEqual(await again.activeRevocations(20), []);
    await again.addRevocation(row('run', 40, 30));
    assert.deepEqual(await again.activeRevocations(0), [row('run', 40, 30)]);
    await again.close();
  });

  promise('the level of an agent is the last one written, even with the clock set back', async ({ store }) => {
    const change = (agent: string, level: Level, at: number): LevelChange => ({
      agent,
      level,
      at,
      actor: 'op',
      reason: 'why',
    });
    await store.addLevel(change('clerk', 'off', 10));
    await store.addLevel(change('payer', 'watched', 11));
    await store.addLevel(change('clerk', 'normal', 5));
    assert.deepEqual(await store.currentLevels(), [change('clerk', 'normal', 5), change('payer', 'watched', 11)]);
    assert.deepEqual(await store.levelHistory('clerk', 5), [change('clerk', 'normal', 5), change('clerk', 'off', 10)]);
    assert.deepEqual(await store.levelHistory('clerk', 1), [change('clerk', 'normal', 5)]);
    assert.deepEqual(await store.levelHistory('nobody', 1), []);
  });

  promise('sealed bytes and pins are replaced by name', async ({ store }) => {
    const bytes = Uint8Array.from(range(0, 256));
    await store.putSealed('ca/root', Uint8Array.of(1));
    await store.putSealed('ca/root', bytes);
    await store.putSealed('empty', new Uint8Array());
    assert.deepEqual(bytesOf(await store.getSealed('ca/root')), bytesOf(bytes));
    assert.deepEqual(bytesOf(await store.getSealed('empty')), []);
    assert.equal(await store.getSealed('ca'), undefined);
    await store.putPin('ledger', 'd1', []);
    await store.putPin('ledger', 'd2', [{ name: 'pay' }]);
    assert.deepEqual(await store.getPin('ledger'), { digest: 'd2', tools: [{ name: 'pay' }] });
    assert.equal(await store.getPin('mail'), undefined);
  });
}

function decisions(promise: Promises): void {
  promise('a decision comes back as it went in, and is replaced by id', async ({ store }) => {
    const exact: Json = {
      n: 12_345_678_901_234_567_890n,
      m: -9_007_199_254_740_993n,
      f: 1.5,
      e: 1e300,
      s: 'a\u0000b 12345678901234567890',
      l: [null, true],
    };
    const full = decision(1, {
      code: 'CORDON-3001',
      verdict: 'deny',
      record: exact,
      inputs: Uint8Array.of(0, 255),
      explanation: { nearest: [] },
    });
    await store.putDecisions([full, decision(2)]);
    const back = await store.getDecision('d1');
    assert.deepEqual({ ...back, inputs: bytesOf(back?.inputs) }, { ...full, inputs: [0, 255] });
    assert.deepEqual(await store.getDecision('d2'), decision(2));
    await store.putDecisions([decision(1), decision(1, { agent: 'payer' })]);
    assert.deepEqual(
      await store.getDecision('d1'),
      decision(1, { agent: 'payer' }),
      'fields that are gone are gone, and the last of a batch wins',
    );
    await store.putDecisions([]);
    assert.equal(await store.getDecision('d9'), undefined);
  });

  promise('10,000 decisions in one batch page through newest first, each once', async ({ store }) => {
    await store.putDecisions(
      range(0, 10_000).map((seq) => decision(seq, { agent: seq % 3 ? 'clerk' : 'payer', verdict: seq % 10 ? 'allow' : 'deny' })),
    );
    assert.deepEqual(await pages(store, {}), range(0, 10_000).toReversed());
    const wanted = range(0, 10_000).filter((seq) => seq % 3 === 0 && seq % 10 === 0);
    assert.deepEqual(await pages(store, { agent: 'payer', verdict: 'deny' }), wanted.toReversed());
    assert.deepEqual(await store.listDecisions({ limit: 5, before: 0 }), []);
    assert.deepEqual(await store.listDecisions({ limit: 5, agent: 'nobody' }), []);
  });

  promise('a limit outside 1 to 1,000 is refused', async ({ store }) => {
    for (const limit of [0, -1, 1001, 1.5, Number.NaN, Infinity]) {
      await assert.rejects(store.listDecisions({ limit }), { code: 'CORDON-9011' });
      await assert.rejects(store.certificatesOf('r1', limit), { code: 'CORDON-9011' });
      await assert.rejects(store.levelHistory('clerk', limit), { code: 'CORDON-9011' });
    }
  });

  promise('a batch with one bad row leaves nothing behind', async ({ store }) => {
    await assert.rejects(store.putDecisions([...range(0, 150).map((seq) => decision(seq)), decision(150, { agent: 'a\0' })]), {
      code: 'CORDON-9011',
    });
    assert.deepEqual(await store.listDecisions({ limit: 1 }), []);
    await store.putDecisions([decision(1)]);
    assert.equal((await store.listDecisions({ limit: 9 })).length, 1);
  });
}

function policies(promise: Promises): void {
  const change = (seq: number): PolicyChangeRow => ({ seq, statement: `{"seq":${seq}}`, signature: Uint8Array.of(seq) });
  const version = (number: number, hash = `h${number}`): PolicyVersionRow => ({
    version: number,
    hash,
    sources: [{ path: 'a.cedar', text: 'permit (\u0000);' }],
    statement: `{"version":${number}}`,
    signature: Uint8Array.of(0, number),
  });
  const last = (seq: number): SealedRow => ({ name: 'policy/last', sealed: Uint8Array.of(seq) });
  const plain = (row: { readonly signature: Uint8Array } | undefined): unknown => row && { ...row, signature: [...row.signature] };

  promise('policy versions and changes come back as they went in, newest first', async ({ store }) => {
    assert.deepEqual([await store.policyHashes(), await store.policyChanges(9), await store.policyVersion(1)], [[], [], undefined]);
    await store.addPolicyChange(change(1), last(1), version(1));
    await store.addPolicyChange(change(2), last(2), version(2, 'h1'));
    await store.addPolicyChange(change(3), last(3));
    assert.deepEqual(plain(await store.policyVersion(2)), plain(version(2, 'h1')));
    assert.deepEqual(await store.policyHashes(), [
      { version: 2, hash: 'h1' },
      { version: 1, hash: 'h1' },
    ]);
    assert.deepEqual((await store.policyChanges(2)).map(plain), [change(3), change(2)].map(plain));
    assert.deepEqual(bytesOf(await store.getSealed('policy/last')), [3]);
    await assert.rejects(store.policyChanges(0), { code: 'CORDON-9011' });
  });

  promise('[I1] of two that take the same number one is refused, and nothing of it is left', async ({ store, reopen }) => {
    const other = await reopen();
    await store.addPolicyChange(change(1), last(1), version(1));
    await assert.rejects(other.addPolicyChange(change(1), last(9), version(2)), { code: 'CORDON-9004' });
    await assert.rejects(other.addPolicyChange(change(2), last(9), version(1)), { code: 'CORDON-9004' });
    assert.deepEqual([(await store.policyHashes()).length, (await store.policyChanges(9)).length], [1, 1]);
    assert.deepEqual(bytesOf(await store.getSealed('policy/last')), [1]);
    await other.close();
  });

  promise(
    'decisions are counted beside the shadow of one version, from a number on, without those that were no request',
    async ({ store }) => {
      const shadow = (of: number, verdict: string): Partial<DecisionRow> => ({ shadow: { version: of, verdict } });
      const kept = [
        decision(1, shadow(2, 'deny')),
        decision(2, shadow(2, 'deny')),
        decision(3, shadow(2, 'error')),
        decision(4, { ...shadow(2, 'allow'), verdict: 'deny' }),
        decision(5, shadow(1, 'deny')),
        decision(6),
        decision(7, { agent: '', verdict: 'deny' }),
      ];
      await store.putDecisions(kept);
      assert.deepEqual(await store.getDecision('d4'), kept[3]);
      const counted = [
        { verdict: 'allow', shadow: 'deny', count: 1 },
        { verdict: 'allow', shadow: 'error', count: 1 },
        { verdict: 'deny', shadow: 'allow', count: 1 },
      ];
      assert.deepEqual(await store.countShadow(2, 1), { seen: 5, differing: counted });
      assert.deepEqual(await store.countShadow(9, 6), { seen: 0, differing: [] });
    },
  );
}

function texts(promise: Promises): void {
  promise('quotes, controls and characters of every plane are data', async ({ store }) => {
    for (const odd of ODD_NAMES) {
      await store.addRun(run(odd, { name: odd }));
      await store.putSealed(odd, Buffer.from(odd));
    }
    for (const odd of ODD_NAMES) {
      assert.deepEqual(await store.getRun(odd), run(odd, { name: odd }));
      assert.deepEqual(bytesOf(await store.getSealed(odd)), bytesOf(Buffer.from(odd)));
    }
    assert.equal((await store.activeRuns()).length, ODD_NAMES.length);
  });

  promise('U+0000 and half a surrogate pair are refused, written or asked for', async ({ store }) => {
    const refused = { name: 'Refusal', code: 'CORDON-9011' };
    // the second and third would both be stored as U+FFFD: two names, one row
    for (const bad of ['a\0b', 'a\ud800', 'a\udfff']) {
      await assert.rejects(store.addRun(run(bad)), refused);
      await assert.rejects(store.addRun(run('r1', { name: bad })), refused);
      await assert.rejects(store.getRun(bad), refused);
      await assert.rejects(store.takeToken(bad, 0), refused);
      await assert.rejects(store.putSealed(bad, new Uint8Array()), refused);
    }
    assert.deepEqual(await store.activeRuns(), []);
  });
}

function durability(promise: Promises): void {
  promise('everything is there after reopening', async ({ store, reopen }) => {
    await store.addRun(run('r1'));
    await store.addToken({ tokenHash: 't', runId: 'r1', expiresAt: 9 });
    await store.addLevel({ agent: 'clerk', level: 'off', at: 1, actor: 'op', reason: 'leak' });
    await store.putSealed('k', Uint8Array.of(7));
    await store.putPin('ledger', 'd', {});
    await store.putDecisions([decision(1)]);
    const signed = { statement: '{}', signature: Uint8Array.of(1) };
    await store.addPolicyChange(
      { seq: 1, ...signed },
      { name: 'last', sealed: Uint8Array.of(1) },
      { version: 1, hash: 'h', sources: [], ...signed },
    );
    await store.close();
    const again = await reopen();
    assert.deepEqual(await again.activeRuns(), [run('r1')]);
    assert.equal((await again.takeToken('t', 1))?.runId, 'r1');
    assert.equal((await again.currentLevels())[0]?.level, 'off');
    assert.deepEqual(bytesOf(await again.getSealed('k')), [7]);
    assert.equal((await again.getPin('ledger'))?.digest, 'd');
    assert.deepEqual(await again.getDecision('d1'), decision(1));
    assert.deepEqual([(await again.policyChanges(1))[0]?.seq, (await again.policyVersion(1))?.hash], [1, 'h']);
    await again.close();
  });

  promise('closing waits for what was asked, works twice, and refuses what comes after', async ({ store, reopen }) => {
    const asked = [store.addRun(run('r1')), store.putDecisions(range(0, 250).map((seq) => decision(seq)))];
    await Promise.all([store.close(), store.close(), ...asked]);
    await store.close();
    await assert.rejects(store.getRun('r1'), { name: 'Refusal', code: 'CORDON-9004', message: /is closed/ });
    await assert.rejects(store.putDecisions([decision(1)]), { code: 'CORDON-9004' });
    const again = await reopen();
    assert.equal((await again.listDecisions({ limit: 1000 })).length, 250);
    await again.close();
  });

  promise('grants are replaced whole, listed newest first, and closed together', async ({ store, reopen }) => {
    const row = (at: number, over: Partial<GrantRow> = {}): GrantRow => ({
      id: `gr_${at}`,
      digest: 'd',
      agent: 'clerk',
      action: 'tools/call',
      resource: 'ledger/pay',
      request: new Uint8Array([0, 255]),
      decision: 'dec_1',
      approver: 'operator',
      policies: ['a', 'b.c/d'],
      reason: '',
      askedAt: at,
      times: 1,
      state: 'asked',
      until: 10,
      uses: 0,
      used: 0,
      ...over,
    });
    await store.putGrant(row(1));
    await store.putGrant(row(2));
    await store.putGrant(row(3, { state: 'refused', answeredBy: 'o', answeredAt: 4, comment: 'no' }));
    await store.putGrant(row(2, { state: 'approved', uses: 3, times: 7 }));
    assert.deepEqual(await store.grants(2), [
      row(3, { state: 'refused', answeredBy: 'o', answeredAt: 4, comment: 'no' }),
      row(2, { state: 'approved', uses: 3, times: 7 }),
    ]);
    assert.equal(await store.grant('gr_9'), undefined);
    assert.equal(await store.closeGrants(5), 2);
    await store.close();
    const again = await reopen();
    assert.deepEqual(
      (await again.grants(9)).map((one) => [one.state, one.until]),
      [
        ['refused', 10],
        ['expired', 5],
        ['expired', 5],
      ],
    );
    await again.close();
  });

  promise('what a process was told is stored survives its kill -9', async ({ store, reopen, opener }) => {
    await store.close();
    const acknowledged = await killedWriter(opener, 60);
    const again = await reopen();
    for (const i of range(0, acknowledged)) {
      assert.ok(await again.getRun(`r${i}`), `run ${i} of ${acknowledged}`);
      assert.ok(await again.getSealed(`s${i}`));
      for (const j of range(0, 5)) assert.ok(await again.getDecision(`d${i}-${j}`));
    }
    const left = (await again.listDecisions({ limit: 1000 })).length;
    assert.equal(left % 5, 0, 'a batch is there as a whole or not at all');
    await again.close();
  });
}

/** Starts a process that writes without end, kills it after `many` acknowledged rounds, and tells how many it had acknowledged. */
async function killedWriter(opener: string, many: number): Promise<number> {
  const source = `
    import { writeSync } from 'node:fs';
    const store = await ${opener};
    for (let i = 0; ; i++) {
      await store.addRun({ id: 'r' + i, kind: 'agent', name: 'clerk', createdAt: i });
      await store.putSealed('s' + i, new Uint8Array(500));
      const row = (j) => ({ id: 'd' + i + '-' + j, at: i, agent: 'clerk', verdict: 'allow', seq: i * 5 + j, record: {} });
      await store.putDecisions([0, 1, 2, 3, 4].map(row));
      writeSync(1, 'ok\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let acknowledged = 0;
  for await (const line of createInterface(child.stdout)) {
    assert.equal(line, 'ok');
    if (++acknowledged === many) child.kill('SIGKILL');
  }
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  return acknowledged;
}

async function pages(store: Store, filter: { readonly agent?: string; readonly verdict?: string }): Promise<number[]> {
  const seen: number[] = [];
  for (;;) {
    const before = seen.at(-1);
    const page = await store.listDecisions({ ...filter, limit: 999, ...(before === undefined ? {} : { before }) });
    if (page.length === 0) return seen;
    seen.push(...page.map((row) => row.seq));
  }
}

const bytesOf = (bytes: Uint8Array | undefined): number[] | undefined => bytes && [...bytes];
