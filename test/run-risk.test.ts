// The risk of a run over the wire: what it is denied speaks against it, policy reads that, everybody sees why, and time takes it away.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Answer, type Bed, openBed, POLICIES, send, type Svid, toolCall } from './support/bed.ts';
import { parse, stringify } from 'yaml';
import type { AccessRequest } from '../src/domain/access.ts';
import { CAUSES, riskOf, UNKNOWN_RISK } from '../src/domain/risk.ts';
import type { SpiffeId } from '../src/domain/spiffe-id.ts';
import { randomKey } from '../src/crypto/random.ts';
import { sealer } from '../src/crypto/seal.ts';
import { openHabits } from '../src/server/habits.ts';
import type { Sealed } from '../src/store/ports.ts';
import { causeOfDenial, createRunRisk, type Habits, type RunRisk } from '../src/gateway/run-risk.ts';
import type { Snapshot } from '../src/pdp/snapshot.ts';
import { cordon } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const NOW = 10_000_000;
const HOUR = 3_600_000;
const spiffe = (run: string): SpiffeId => `spiffe://desk.example/agent/a/run/${run}` as SpiffeId;

interface World {
  readonly risk: RunRisk;
  now: number;
  readonly runs: Map<string, { agent: string; notAfter: number; since: number; drifted?: true }>;
  readonly revoked: Set<string>;
  readonly levels: Map<string, string>;
  /** As the gateway sees it when anything has changed. */
  see(): void;
  begin(...runs: readonly string[]): void;
  end(run: string): void;
}

function worldOf(alone = true, habits?: Habits): World {
  const clock = { now: NOW };
  const world: World = {
    risk: createRunRisk({ now: () => clock.now, alone, habits }),
    get now() {
      return clock.now;
    },
    set now(at) {
      clock.now = at;
    },
    runs: new Map(),
    revoked: new Set(),
    levels: new Map(),
    see(): void {
      const agents = [{ name: 'a' }];
      const { runs, levels } = world;
      world.risk.see({ world: { agents, levels }, runs, revoked: { runs: world.revoked } } as unknown as Snapshot);
    },
    begin(...runs): void {
      for (const run of runs) world.runs.set(run, { agent: 'a', notAfter: Infinity, since: world.now });
      world.see();
    },
    end(run): void {
      world.runs.delete(run);
      world.see();
    },
  };
  return world;
}

const asked = (run: string, id = 'crm/read', more: Partial<AccessRequest> = {}): AccessRequest => ({
  subject: { type: 'agent', id: 'a', spiffeId: spiffe(run), run },
  action: { name: 'tools/call' },
  resource: { type: 'tool', id },
  context: { input: {} },
  ...more,
});
const through = (...chain: readonly string[]): Pick<AccessRequest, 'delegation'> => ({
  delegation: { txn: 't', chain: chain.map(spiffe), mandate: [], token: 't', parents: [], expiresAt: 0 },
});
const facts = { effect: 'write', sinks: [], untrusted: [], unseen: [], ambiguous: [], excess: [], known: true, unplanned: false } as const;
const session = { ...facts, exhausted: false, calls: 0, writes: 0, same: 0, sums: {}, recent: { minute: 0, hour: 0 } };

/** Runs that did this and ended, an hour apart. */
function teach(world: World, runs: number, id = 'crm/read'): void {
  for (let n = 0; n < runs; n++) {
    const run = `taught-${id}-${world.now}`;
    world.begin(run);
    world.risk.assess(asked(run, id), true).settle(undefined);
    world.end(run);
    world.now += HOUR;
  }
}

void test('a denial counts from the next call on, what the call itself brings counts for it', () => {
  const world = worldOf();
  world.begin('r1');
  const first = world.risk.assess(asked('r1'), true);
  assert.deepEqual(first.risk, riskOf({}));
  assert.deepEqual(first.settle('denied'), { denied: 10 });
  const second = world.risk.assess(asked('r1', 'mail/send', { session: { ...session, sinks: ['to'], untrusted: ['to', 'body'] } }), true);
  assert.deepEqual(second.risk, riskOf({ denied: 10, untrusted: 20 }));
  assert.deepEqual(world.risk.of('r1'), riskOf({ denied: 10 }), 'asked, and not yet decided');
  assert.deepEqual(second.settle(undefined), { untrusted: 20 });
  assert.deepEqual(world.risk.of('r1'), riskOf({ denied: 10, untrusted: 20 }));
  const third = { ...session, sinks: ['to', 'cc', 'bcc'], untrusted: ['body'], unseen: ['to'], ambiguous: ['cc'], excess: ['bcc'] };
  assert.deepEqual(world.risk.assess(asked('r1', 'mail/send', { session: third }), true).settle(undefined), { unseen: 4, ambiguous: 8 });
});

void test('[I6] what others do in the name of a run speaks against nobody: another data plane, what a server asks', () => {
  const world = worldOf();
  world.begin('r1');
  const shown = world.risk.assess(asked('r1', 'mail/send', { session: { ...session, sinks: ['to'], untrusted: ['to'] } }), false);
  assert.deepEqual([shown.risk, shown.settle('denied')], [riskOf({}), {}]);
  assert.deepEqual(world.risk.of('r1'), riskOf({}));
  // for a user who may not, anybody can ask
  const decision = { verdict: 'deny', code: 'CORDON-3001', determining: [], errors: [], policyVersion: 1 } as const;
  assert.equal(causeOfDenial({ ...decision, gate: 'user' }), undefined);
  assert.equal(causeOfDenial({ ...decision, gate: 'mandate' }), 'denied');
  assert.equal(causeOfDenial({ ...decision, verdict: 'allow' }), undefined);
});

void test('[I1] a run that nobody knows, or that is seen elsewhere too, has all the risk there is; that of a restart fades', () => {
  const world = worldOf();
  assert.deepEqual(world.risk.assess(asked('strange'), true).risk, UNKNOWN_RISK);
  world.runs.set('old', { agent: 'a', notAfter: Infinity, since: NOW - 1 });
  world.see();
  assert.deepEqual(world.risk.of('old'), riskOf({ restart: 100 }));
  world.now += 24 * HOUR;
  assert.deepEqual(world.risk.of('old'), riskOf({}));
  const beside = worldOf(false);
  beside.begin('r1');
  beside.risk.assess(asked('r1'), true).settle('denied');
  assert.deepEqual(beside.risk.of('r1'), { value: 100, causes: { denied: 10, unknown: 100 } });
});

void test('[I4] who acts for a run in doubt is in doubt, also when that has ended; it does not go the other way', () => {
  const world = worldOf();
  world.begin('r1', 'r2');
  for (let n = 0; n < 6; n++) world.risk.assess(asked('r1'), true).settle('denied');
  assert.deepEqual(world.risk.assess(asked('r2', 'crm/read', through('r1', 'r2')), true).risk, riskOf({ chain: 60 }));
  assert.deepEqual(world.risk.now(asked('r2')), riskOf({}), 'for itself it is not');
  world.risk.assess(asked('r2', 'crm/read', through('r1', 'r2')), true).settle('probed');
  assert.deepEqual(world.risk.now(asked('r1')), riskOf({ denied: 60 }));
  world.end('r1');
  assert.deepEqual(world.risk.now(asked('r2', 'crm/read', through('r1', 'r2'))), riskOf({ probed: 12, chain: 60 }));
  world.now += 2 * HOUR;
  world.see();
  assert.equal(world.risk.now(asked('r2', 'crm/read', through('r1', 'r2'))).causes.chain, 100, 'no token of it can live any more');
});

void test('a tool that clean runs of the agent did not call is a first, once in a run', () => {
  const world = worldOf();
  teach(world, 5);
  world.begin('r1');
  assert.deepEqual(world.risk.assess(asked('r1'), true).risk, riskOf({}));
  const strange = world.risk.assess(asked('r1', 'bank/pay'), true);
  assert.deepEqual(strange.risk, riskOf({ 'first-tool': 8 }));
  assert.deepEqual(strange.settle(undefined), { 'first-tool': 8 });
  assert.deepEqual(world.risk.assess(asked('r1', 'bank/pay'), true).settle(undefined), {});
  assert.deepEqual(world.risk.assess(asked('r1', 'clerk', { resource: { type: 'agent', id: 'clerk' } }), true).risk.causes, {
    'first-tool': 8,
    'first-peer': 10,
  });
  const list = { action: { name: 'tools/list' }, resource: { type: 'mcp_server', id: 'new' } } as const;
  assert.deepEqual(world.risk.assess(asked('r1', '', list), true).settle(undefined), {}, 'whatever a client is for, it lists');
});

void test('[I10] nothing is learned from a run that was denied, revoked, contained, in conflict, or acted for one in doubt', () => {
  const ends: Readonly<Record<string, (world: World, run: string) => void>> = {
    denied: ({ risk }, run) => risk.assess(asked(run, 'bank/pay'), true).settle('denied'),
    refused: ({ risk }, run) => risk.refused(run, 'CORDON-1009'),
    revoked: ({ revoked }, run) => void revoked.add(run),
    contained(world) {
      world.levels.set('a', 'watched');
      world.see();
      world.levels.clear();
    },
    conflict: ({ risk }, run) =>
      risk.assess(asked(run, 'bank/pay', { session: { ...session, sinks: ['to'], untrusted: ['to'] } }), true).settle(undefined),
    drift(world, run) {
      world.runs.set(run, { agent: 'a', notAfter: 0, since: world.now, drifted: true });
      world.see();
      assert.deepEqual(world.risk.of(run).causes.drift, 40);
    },
    chain(world, run) {
      world.begin('rogue');
      world.risk.assess(asked('rogue'), true).settle('denied');
      world.risk.assess(asked(run, 'bank/pay', through('rogue', run)), true).settle(undefined);
      world.end('rogue');
    },
  };
  const isFirst = (spoil: (world: World, run: string) => void): boolean => {
    const world = worldOf();
    teach(world, 5);
    for (let n = 0; n < 10; n++) {
      const run = `trainer-${n}`;
      world.begin(run);
      world.risk.assess(asked(run, 'bank/pay'), true).settle(undefined);
      spoil(world, run);
      world.end(run);
      world.now += HOUR;
    }
    world.begin('r1');
    return world.risk.assess(asked('r1', 'bank/pay'), true).risk.causes['first-tool'] !== undefined;
  };
  for (const [name, spoil] of Object.entries(ends)) assert.equal(isFirst(spoil), true, name);
  assert.equal(
    isFirst(() => undefined),
    false,
    'clean',
  );
});

void test('what is usual outlives a restart, sealed: whoever can write to the store teaches nothing', async () => {
  const rows = new Map<string, Uint8Array>();
  const store: Sealed = {
    putSealed: async (name, bytes) => void rows.set(name, bytes),
    getSealed: async (name) => rows.get(name),
  };
  const seal = sealer(randomKey());
  const notices: string[] = [];
  /** A life of Cordon, in which `act` happens. @returns what a strange tool is to a run of it */
  const live = async (act?: (world: World) => void): Promise<unknown> => {
    await using stack = new AsyncDisposableStack();
    const parts = { store, sealer: seal, agents: [{ name: 'a' }], onNotice: (line: string) => void notices.push(line) };
    const world = worldOf(true, await openHabits(parts, stack));
    act?.(world);
    world.begin('r1');
    return world.risk.assess(asked('r1', 'bank/pay'), true).risk.causes;
  };
  assert.deepEqual(await live(), {}, 'nothing is known yet');
  assert.deepEqual(await live((world) => teach(world, 5)), { 'first-tool': 8 });
  assert.deepEqual(await live(), { 'first-tool': 8 }, 'after a restart');
  assert.deepEqual(notices, []);
  const [[name, good] = ['', new Uint8Array()]] = rows;
  rows.set(name, seal.seal('another', Buffer.from('{"runs":5,"peak":999999,"learned":0,"seen":[]}')));
  assert.deepEqual(await live(), {}, 'nothing is believed of it');
  assert.match(notices.join('\n'), /^! a: what its runs usually do cannot be read and is learned anew/);
  rows.set(name, good);
  assert.deepEqual(await live(), { 'first-tool': 8 });
});

void test('[I10] no run keeps more than a bound of what ended runs had, and those beyond it are unknown', () => {
  const world = worldOf();
  world.begin('r1');
  for (let n = 0; n < 17_000; n++) world.runs.set(`e${n}`, { agent: 'a', notAfter: Infinity, since: world.now });
  world.see();
  for (let n = 0; n < 17_000; n++) world.runs.delete(`e${n}`);
  world.see();
  world.see();
  assert.deepEqual(world.risk.of('e0'), UNKNOWN_RISK);
  assert.deepEqual(world.risk.of('e16999'), riskOf({}));
  assert.ok(CAUSES.unknown.halfLifeMs === Infinity);
});

const OWN = `${POLICIES}
@id("not-while-in-doubt")
@reason("too much speaks against this run")
forbid (principal, action == Action::"bench/echo", resource) unless { context.risk < 40 };
`;

interface Recorded {
  readonly id: string;
  readonly verdict: string;
  readonly code?: string;
  readonly risk?: { readonly value: number; readonly causes: Record<string, number>; readonly raised?: Record<string, number> };
}

describe('over the wire', () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed({ policies: OWN });
    await bed.ready();
  });
  after(async () => {
    await (bed as Bed | undefined)?.close();
  });

  const call = (svid: Svid, name: string, args: object): Promise<Answer> =>
    send({ port: bed.ports.gateway, method: 'POST', svid, ...toolCall(name, args) });
  const echo = (svid: Svid): Promise<Answer> => call(svid, 'echo', { text: 'hi' });
  const tooMuch = (svid: Svid): Promise<Answer> => call(svid, 'write', { line: 'x', amount: 500 });

  void test('[I6] denials raise the risk of the run that made them; then policy denies what it allowed, and says why', async () => {
    const [rogue, other] = [await bed.svid('caller'), await bed.svid('caller')];
    assert.equal((await echo(rogue)).status, 200);
    for (let n = 0; n < 5; n++) assert.match((await tooMuch(rogue)).text, /CORDON-3005/);
    assert.match((await echo(rogue)).text, /too much speaks against this run/);
    // what risk alone denies adds nothing, however often it is tried
    for (let n = 0; n < 20; n++) assert.match((await echo(rogue)).text, /CORDON-3002/);
    assert.equal((await echo(other)).status, 200, 'another run of the agent has done nothing');
    await signedAll(bed);
    const decisions = (await readLog(bed)).decisions as unknown as readonly Recorded[];
    const raised = decisions.filter(({ code }) => code === 'CORDON-3005').map(({ risk }) => risk?.raised);
    assert.deepEqual(
      raised,
      Array.from({ length: 5 }, () => ({ denied: 10 })),
    );
    const denied = decisions.filter(({ code }) => code === 'CORDON-3002');
    assert.ok(denied.every(({ risk }) => (risk?.value ?? 0) >= 40 && risk?.raised === undefined && risk?.causes['denied'] === risk?.value));
    const id = denied[0]?.id ?? '';
    const why = (await until('the decision can be explained', async () => {
      const { status, json } = await bed.control('GET', `/v1/decisions/${id}`);
      return status === 200 ? json : undefined;
    })) as { readonly explanation: { readonly determining: readonly { readonly clauses: readonly { readonly observed?: string }[] }[] } };
    assert.match(JSON.stringify(why), /context\.risk: [45]\d/);
  });

  void test('[I1] after a restart a run that went on is in doubt by `restart`, and one that begins now is not', async () => {
    const caller = await bed.svid('caller');
    assert.equal((await echo(caller)).status, 200);
    await bed.stop('SIGKILL');
    await bed.start();
    await bed.ready();
    assert.match((await echo(caller)).text, /CORDON-3002/);
    assert.equal((await echo(await bed.svid('caller'))).status, 200);
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const denied = (decisions as unknown as readonly Recorded[]).findLast(({ code }) => code === 'CORDON-3002');
    assert.deepEqual(denied?.risk, { value: 100, causes: { restart: 100 } });
  });
});

describe('with time', () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed({
      policies: OWN,
      svidTtl: '8h',
      up: 'test/support/moved-up.ts',
      configure: (yaml) =>
        stringify({ ...(parse(yaml) as object), containment: { rules: [{ when: { risk: 60 }, level: 'restricted', for: '24h' }] } }),
    });
    await bed.ready();
  });
  after(async () => {
    await (bed as Bed | undefined)?.close();
  });
  const call = (svid: Svid, name: string, args: object): Promise<Answer> =>
    send({ port: bed.ports.gateway, method: 'POST', svid, ...toolCall(name, args) });

  void test('[I6] what was denied for its risk is allowed when that has faded; at more risk a rule restricts the agent, which says why', async () => {
    const rogue = await bed.svid('caller');
    const tooMuch = (): Promise<Answer> => call(rogue, 'write', { line: 'x', amount: 500 });
    const echo = (): Promise<Answer> => call(rogue, 'echo', { text: 'hi' });
    for (let n = 0; n < 5; n++) assert.match((await tooMuch()).text, /CORDON-3005/);
    const said = async (...args: readonly string[]): Promise<string> =>
      (await cordon(args, { cwd: bed.dir, env: { CORDON_DATA: bed.data } })).stdout;
    const shown = JSON.parse(await said('agent', 'get', 'caller', '--json')) as { runs: { id: string; risk: { value: number } }[] };
    const value = shown.runs.find(({ id }) => id === rogue.run)?.risk.value ?? 0;
    assert.ok(value > 40 && value <= 50);
    assert.match(await said('agent', 'get', 'caller'), new RegExp(`${rogue.run} .*risk ${value}: denied ${value}`));
    assert.match((await echo()).text, /CORDON-3002/);
    const why = await said('why', '--last');
    assert.match(why, /context\.risk: [45]\d/);
    assert.match(why, /risk +[45]\d: denied [45]\d$/m);
    bed.process().kill('SIGUSR2');
    await until('the risk has faded', async () => {
      await bed.svid('caller'); // the gateway has a snapshot of that time
      return (await echo()).text.includes('"hi"') ? true : undefined;
    });
    // and it is quickly there again
    const isRestricted = async (): Promise<true | undefined> =>
      (await bed.control('GET', '/v1/agents/caller')).json['level'] === 'restricted' ? true : undefined;
    for (let n = 0; n < 7; n++) await tooMuch();
    await until('the rule has held', isRestricted);
    assert.match((await call(rogue, 'write', { line: 'x', amount: 1 })).text, /CORDON-4004/);
    await signedAll(bed);
    const { acts } = await readLog(bed);
    const act = acts.find(({ act: name }) => name === 'agent.contain');
    assert.match(String(act?.['reason']), /^rule: risk 6\d \(denied \d\d\), last dec_\w+; for 86400 s$/);
  });
});
