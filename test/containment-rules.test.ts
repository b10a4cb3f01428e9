// Rules that contain an agent by what it did: counted by itself alone, held for a while, taken back by nobody but time or a person.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessRequest, DecisionRecord, Level } from '../src/domain/access.ts';
import { createContainmentRules, type ContainmentRule, type ContainmentRules, type RuleOrder } from '../src/control/containment-rules.ts';
import { parse, stringify } from 'yaml';
import { CAUSES, type Points, riskOf } from '../src/domain/risk.ts';
import { openBed, send } from './support/bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const RULE: ContainmentRule = {
  code: 'CORDON-3002',
  policy: 'containment.*',
  count: 2,
  withinMs: 60_000,
  level: 'restricted',
  forMs: 1_000,
};

interface World {
  readonly rules: ContainmentRules;
  readonly levels: Map<string, Level>;
  readonly ordered: RuleOrder[];
  now: number;
  /** What waits, by when. */
  readonly waiting: { readonly ms: number; readonly act: () => void }[];
}

function worldOf(rules: readonly ContainmentRule[] = [RULE]): World {
  const world: Omit<World, 'rules'> = { levels: new Map(), ordered: [], now: 0, waiting: [] };
  const made = createContainmentRules({
    rules,
    now: () => world.now,
    levelOf: (agent) => world.levels.get(agent) ?? 'normal',
    order: (order) => {
      world.ordered.push(order);
      world.levels.set(order.agent, order.level);
      return Promise.resolve();
    },
    later: (ms, act) => {
      const one = { ms, act };
      world.waiting.push(one);
      return () => void world.waiting.splice(world.waiting.indexOf(one), 1);
    },
    onError: (error) => assert.fail(String(error)),
  });
  return Object.assign(world, { rules: made });
}

const denied = (agent: string, more: Partial<DecisionRecord> = {}): Parameters<ContainmentRules['note']>[0] => ({
  record: {
    id: 'dec_1',
    verdict: 'deny',
    code: 'CORDON-3002',
    policy: { version: 1, determining: ['containment.untrusted'] },
    ...more,
  } as DecisionRecord,
  request: { subject: { type: 'agent', id: agent }, action: { name: 'tools/call' } } as AccessRequest,
});

void test('[I6] as many denials as the rule says within its time, and only of the agent itself', () => {
  const { rules, ordered } = worldOf();
  rules.note(denied('clerk'));
  rules.note(denied('researcher'));
  // nobody was authenticated, somebody else carries it out, another policy, another code, or it was allowed
  rules.note({ ...denied('clerk'), request: undefined });
  rules.note(denied('clerk', { enforced_by: 'nginx' }));
  rules.note(denied('clerk', { policy: { version: 1, determining: ['own'] } }));
  rules.note(denied('clerk', { code: 'CORDON-3001' }));
  rules.note(denied('clerk', { verdict: 'allow' }));
  assert.equal(ordered.length, 0);
  rules.note(denied('clerk'));
  assert.deepEqual(
    ordered.map(({ agent, level }) => [agent, level]),
    [['clerk', 'restricted']],
  );
  assert.match(ordered[0]?.reason ?? '', /2 x CORDON-3002 by containment\.\*, last dec_1; for 1 s/);
});

void test('[I6] what a server asks of an agent and policy denies contains nobody', () => {
  const { rules, ordered } = worldOf([{ ...RULE, count: 1 }]);
  for (const name of ['sampling/createMessage', 'elicitation/create', 'roots/list'])
    rules.note({ ...denied('clerk'), request: { subject: { type: 'agent', id: 'clerk' }, action: { name } } as AccessRequest });
  assert.deepEqual(ordered, []);
});

const BY_RISK: ContainmentRule = { risk: 60, level: 'restricted', forMs: 60_000 };
const HALF_LIFE = CAUSES.denied.halfLifeMs;
const risky = (agent: string, causes: Points, raised?: Points): Parameters<ContainmentRules['note']>[0] =>
  denied(agent, { verdict: 'allow', risk: { ...riskOf(causes), ...(raised === undefined ? {} : { raised }) } });

void test('[I6] so much risk and the agent is restricted, by what its own runs did: not by a restart, nor by those it acts for', () => {
  const { rules, ordered } = worldOf([BY_RISK]);
  rules.note(risky('clerk', { restart: 100 }));
  rules.note(risky('clerk', { unknown: 100 }));
  rules.note(risky('clerk', { chain: 100, denied: 10 }));
  rules.note({ ...risky('clerk', { denied: 60 }), request: undefined });
  rules.note(denied('clerk', { enforced_by: 'nginx', risk: riskOf({ denied: 60 }) }));
  rules.note(risky('clerk', { denied: 30, untrusted: 29 }));
  assert.deepEqual(ordered, []);
  // what it was just denied for counts, and what the call brought is not counted twice
  rules.note(risky('clerk', { denied: 30, untrusted: 20 }, { untrusted: 20 }));
  assert.deepEqual(ordered, []);
  rules.note(risky('clerk', { denied: 30, untrusted: 20 }, { untrusted: 20, denied: 10 }));
  assert.deepEqual(
    ordered.map(({ agent, level, reason }) => [agent, level, reason]),
    [['clerk', 'restricted', 'rule: risk 60 (denied 40, untrusted 20), last dec_1; for 60 s']],
  );
});

void test('[I6] what was restricted at so much risk is let go at half of it: around the bound nothing flickers', () => {
  const world = worldOf([BY_RISK]);
  world.rules.note(risky('clerk', { denied: 60 }));
  const wait = (): void => {
    const { ms, act } = world.waiting.shift() ?? assert.fail('nothing waits');
    world.now += ms;
    act();
  };
  while (world.now + 60_000 < HALF_LIFE) wait();
  assert.equal(world.levels.get('clerk'), 'restricted');
  wait();
  assert.equal(world.now, HALF_LIFE);
  assert.equal(world.levels.get('clerk'), 'normal');
  assert.equal(world.waiting.length, 0);
  // soon after: twice as long
  world.rules.note(risky('clerk', { denied: 60 }));
  assert.equal(world.waiting[0]?.ms, 120_000);
});

void test('denials that are too far apart do not add up', () => {
  const world = worldOf();
  for (let i = 0; i < 5; i++) {
    world.rules.note(denied('clerk'));
    world.now += 60_000;
  }
  assert.deepEqual(world.ordered, []);
});

void test('time takes the level back, a person knows better, and who does it again soon waits twice as long', () => {
  const world = worldOf([{ ...RULE, count: 1 }]);
  world.rules.note(denied('clerk'));
  world.rules.note(denied('clerk')); // contained already
  assert.deepEqual(
    world.waiting.map(({ ms }) => ms),
    [1_000],
  );
  world.now += 1_000;
  world.waiting.shift()?.act();
  assert.equal(world.levels.get('clerk'), 'normal');
  world.rules.note(denied('clerk'));
  assert.deepEqual(
    world.waiting.map(({ ms }) => ms),
    [2_000],
  );
  world.levels.set('clerk', 'off'); // a person
  world.now += 2_000;
  world.waiting.shift()?.act();
  assert.equal(world.levels.get('clerk'), 'off');
  world.rules.note(denied('clerk'));
  assert.equal(world.levels.get('clerk'), 'off', 'a rule takes nothing back that it did not set');
  world.levels.set('clerk', 'normal');
  world.now += 100_000;
  world.rules.note(denied('clerk'));
  assert.deepEqual(
    world.waiting.map(({ ms }) => ms),
    [1_000],
    'after a quiet time it begins anew',
  );
});

void test('[I6] one denied call of a kind, and the agent is off: its connection is cut, the next call is refused, and it is on record by which rule', async () => {
  const bed = await openBed({
    configure: (yaml) =>
      stringify({ ...(parse(yaml) as object), containment: { rules: [{ when: { code: 'CORDON-3005' }, level: 'off', for: '24h' }] } }),
  });
  try {
    await bed.ready();
    const svid = await bed.svid('caller');
    const call = (name: string, args: object): Promise<{ readonly status: number; readonly text: string }> =>
      send({
        port: bed.ports.gateway,
        path: '/mcp/bench',
        svid,
        headers: {
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/call',
          'mcp-name': name,
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: {
            name,
            arguments: args,
            _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} },
          },
        }),
      });
    assert.match((await call('echo', { text: 'a' })).text, /"a"/);
    assert.match((await call('write', { line: 'x', amount: 500 })).text, /CORDON-3005/);
    const level = async (): Promise<unknown> => (await bed.control('GET', '/v1/agents/caller')).json['level'];
    await until('the rule has held', async () => ((await level()) === 'off' ? true : undefined));
    assert.match((await call('echo', { text: 'b' })).text, /CORDON-4002/);
    await signedAll(bed);
    const { acts } = await readLog(bed);
    const act = acts.find(({ act: name }) => name === 'agent.contain');
    assert.deepEqual([act?.['actor'], act?.['target']], ['cordon', 'caller']);
    assert.match(String(act?.['reason']), /^rule: 1 x CORDON-3005, last dec_\w+; for 86400 s$/);
  } finally {
    await bed.close();
  }
});
