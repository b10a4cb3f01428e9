// Analyses of the finite world, held against asking everything: every agent, action and resource, with every argument of a small range.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { AccessRequest, Level } from '../src/domain/access.ts';
import type { JsonObject } from '../src/domain/json.ts';
import type { World } from '../src/domain/registry.ts';
import { blastChanges } from '../src/policy/analysis/blast-changes.ts';
import { blastOf, type Blast, type Hop, subjectsIn, withLevel } from '../src/policy/analysis/blast.ts';
import { diffOf, type DiffRow } from '../src/policy/analysis/diff.ts';
import { quoted, unquoted } from '../src/policy/analysis/literals.ts';
import { Suggester } from '../src/policy/analysis/suggest.ts';
import { suggestionText } from '../src/policy/analysis/suggestion-text.ts';
import { type Target, targetsOf } from '../src/policy/analysis/targets.ts';
import type { PolicySet } from '../src/policy/policy-set.ts';
import { call, desk, levels, PAYMENT, POLICIES, policySet, request, tool } from './support/policy-desk.ts';

const RUNS = { numRuns: 60, seed: 20_261_123 };

/** Every value of the arguments that the random policies below can tell apart. */
const INPUTS: readonly JsonObject[] = [0, 5, 10].flatMap((n) => [{ n }, { n, s: 'x' }, { n, s: 'y' }]);
const TEXTS: readonly JsonObject[] = [{}, { text: 'x' }, { text: 'y' }];
const SCHEMA: JsonObject = { type: 'object', properties: { n: { type: 'integer' }, s: { type: 'string' } }, required: ['n'] };

const subset = (names: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...names]);
const SEGMENTS = ['red', 'blue'];
/** No policy below names the last three: these differ by their attributes alone, or not at all. */
const AGENTS = ['ann', 'ben', 'cid', 'dot', 'eve', 'fay'];

const worlds: fc.Arbitrary<World> = fc
  .record({
    links: fc.tuple(subset(SEGMENTS), subset(SEGMENTS)),
    agents: fc.tuple(...AGENTS.map(() => fc.tuple(fc.constantFrom(...SEGMENTS), fc.constantFrom('o', 'p')))),
    servers: fc.tuple(...['one', 'two'].map(() => fc.tuple(fc.constantFrom(...SEGMENTS), subset(['get', 'put', 'del'])))),
    levels: fc.dictionary(fc.constantFrom(...AGENTS), fc.constantFrom<Level>('watched', 'restricted', 'off'), { maxKeys: 1 }),
  })
  .map((of) => ({
    segments: SEGMENTS.map((name, at) => ({ name, links: of.links[at] ?? [] })),
    agents: of.agents.map(([segment, owner], at) => ({ name: AGENTS[at] ?? '', segment, owner, purpose: 'test' })),
    resources: of.servers.map(([segment, reads], at) => ({ name: ['one', 'two'][at] ?? '', segment, reads, tags: { at: String(at) } })),
    tools: new Map(['one', 'two'].map((server) => [server, ['get', 'put', 'del'].map((name) => tool(name, SCHEMA))])),
    levels: levels(of.levels),
  }));

const PRINCIPALS = ['principal', 'principal == Agent::"ann"', 'principal in Segment::"red"', 'principal == Agent::"\\u{62}en"'];
const ACTIONS = [
  'action',
  'action in Action::"read"',
  'action in Action::"tools/call"',
  'action in Action::"a2a/message"',
  'action in [Action::"read", Action::"one/put"]',
];
const RESOURCES = ['resource', 'resource in Server::"one"', 'resource in Segment::"blue"', 'resource == Agent::"cid"'];
const CONDITIONS = [
  'principal.owner == "o"',
  'principal.level == "watched"',
  'principal in Segment::"blue" || principal in [Agent::"cid"]',
];
const ON_ANY = [
  ...CONDITIONS,
  'resource is Agent && principal == resource',
  'resource is Tool && resource.server.hasTag("at") && resource.server.getTag("at") == "1"',
];
const ON_TOOLS = ['context.input.n <= 5', 'context.input has s', 'context.input has s && context.input.s == "x"'];

const policies = fc
  .array(
    fc.oneof(
      fc.tuple(
        fc.constantFrom('permit', 'permit', 'forbid'),
        fc.constantFrom(...PRINCIPALS),
        fc.constantFrom(...ACTIONS),
        fc.constantFrom(...RESOURCES),
        subset(ON_ANY).map((all) => all.slice(0, 2)),
      ),
      fc.tuple(
        fc.constantFrom('permit', 'forbid'),
        fc.constantFrom(...PRINCIPALS),
        fc.constantFrom('action == Action::"one/put"', 'action in [Action::"one/get", Action::"two/del"]'),
        fc.constant('resource'),
        subset([...ON_TOOLS, ...CONDITIONS]).map((all) => all.slice(0, 2)),
      ),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((all) =>
    all.map(([effect, principal, action, resource, conditions], at) => {
      const when = conditions.map((condition) => ` when { ${condition} }`).join('');
      return `@id("p${at}") ${effect} (${principal}, ${action}, ${resource})${when};`;
    }),
  );

/** Of methods on a server that have arguments. */
const ASKED: Readonly<Record<string, readonly JsonObject[]>> = {
  'resources/read': [{ uri: 'file:///a' }],
  'resources/subscribe': [{ uri: 'file:///a' }],
  'resources/unsubscribe': [{ uri: 'file:///a' }],
  'prompts/get': [{ name: 'greet' }, { name: 'greet', arguments: { to: 'x' } }],
  'completion/complete': [{ of: 'prompt', name: 'greet', argument: 'to', value: 'x' }],
  'a2a/CreateTaskPushNotificationConfig': [{ task: 't', host: 'hooks.example', port: 443, scheme: 'https', path: '/' }],
  'a2a/GetTaskPushNotificationConfig': [{ task: 't' }],
  'a2a/ListTaskPushNotificationConfigs': [{ task: 't' }],
  'a2a/DeleteTaskPushNotificationConfig': [{ task: 't' }],
};
const inputsOf = ({ type, action }: Target): readonly (JsonObject | undefined)[] =>
  type === 'tool' ? INPUTS : (ASKED[action] ?? (action.startsWith('a2a/') ? TEXTS : [undefined]));
const asked = (agent: string, { action, id }: Target, input: JsonObject | undefined): AccessRequest => request(agent, action, id, input);

function* pairs({ agents }: World, targets: readonly Target[]): Generator<readonly [agent: string, target: Target]> {
  for (const { name } of agents) for (const target of targets) yield [name, target];
}

const reachIn = (set: PolicySet, world: World, agent: string, target: Target): string => set.reach({ agent, ...target }, world).access;

void test('[DESIGN-5] reach says never only if every call is denied, always only if every call is allowed', () =>
  fc.assert(
    fc.asyncProperty(worlds, policies, async (world, texts) => {
      const set = await policySet(texts.join('\n'), world);
      for (const [agent, target] of pairs(world, targetsOf(world))) {
        const verdicts = new Set(inputsOf(target).map((input) => set.decide(asked(agent, target, input), world).verdict === 'allow'));
        const access = reachIn(set, world, agent, target);
        const certain = { never: !verdicts.has(true), may: true, always: !verdicts.has(false) }[access];
        assert.equal(certain, true, `${access}: ${agent} ${target.action} ${target.id}`);
      }
    }),
    RUNS,
  ));

describe('diff', () => {
  const rowOf = ({ agent, action, resource, before, after }: Omit<DiffRow, 'policies'>): string =>
    [agent, action, resource, before, after].join(' ');

  void test('[U5] its rows are exactly the agents, actions and resources whose reach differs, each with a policy that came or went', () =>
    fc.assert(
      fc.asyncProperty(worlds, policies, policies, fc.integer({ min: 0, max: 3 }), async (world, one, two, kept) => {
        const both = one.slice(0, kept);
        const [before, after] = [one, [...both, ...two.map((text) => text.replace('@id("p', '@id("q'))]];
        const [from, to] = await Promise.all([policySet(before.join('\n'), world), policySet(after.join('\n'), world)]);
        const { rows, counts, widening, policies: changed } = await diffOf({ from, to, world }, 10_000);
        for (const level of ['normal', 'watched', 'restricted'] as const) {
          const there = { ...world, levels: levels(Object.fromEntries(AGENTS.map((agent) => [agent, level]))) };
          const expected = [...pairs(world, targetsOf(world))].flatMap(([agent, target]) => {
            const [was, is] = [reachIn(from, there, agent, target), reachIn(to, there, agent, target)];
            return was === is ? [] : [[agent, target.action, target.id, was, is].join(' ')];
          });
          const differing = rows.filter((row) => row.before !== row.after);
          const found = differing.filter((row) => row.level === level).map(rowOf);
          const usual = new Set(differing.filter((row) => row.level === 'normal').map(rowOf));
          assert.deepEqual(new Set(found.filter((row) => !expected.includes(row))), new Set(), level);
          assert.deepEqual(new Set(expected.filter((row) => !found.includes(row) && !usual.has(row))), new Set(), level);
        }
        assert.equal(rows.length, counts.widens + counts.narrows + counts.changed);
        const known = new Set([...changed.added, ...changed.removed, ...changed.changed]);
        for (const { change, before: was, after: is, policies: by, ...row } of rows) {
          assert.ok(by.length > 0 && by.every((id) => known.has(id)), JSON.stringify(row));
          assert.ok(was !== is || was === 'may', JSON.stringify(row));
          if (change === 'narrows') checkNoneAllowed(from, to, { ...world, levels: levels({ [row.agent]: row.level }) }, row);
          else
            assert.ok(
              by.some((id) => widening.includes(id)),
              JSON.stringify(row),
            );
        }
      }),
      RUNS,
    ));

  /** Nothing that `from` denies, `to` allows. */
  function checkNoneAllowed(from: PolicySet, to: PolicySet, world: World, row: Pick<DiffRow, 'agent' | 'action' | 'resource'>): void {
    const target = targetsOf(world).find(({ action, id }) => action === row.action && id === row.resource);
    assert.ok(target);
    for (const input of inputsOf(target)) {
      const one = asked(row.agent, target, input);
      assert.ok(from.decide(one, world).verdict === 'allow' || to.decide(one, world).verdict !== 'allow', JSON.stringify(row));
    }
  }

  const diff = async (from: string, to: string, limit = 100): ReturnType<typeof diffOf> => {
    const world = desk();
    return diffOf({ from: await policySet(from, world), to: await policySet(to, world), world }, limit);
  };

  void test('a name, a place, a comment and an annotation change nothing', async () => {
    const renamed = POLICIES.replace('finance-reads', 'reads')
      .replace('@owner("treasury")', '@reason("permit (")')
      .replace('when {', 'when  // pay\n {');
    const { rows, policies: changed } = await diff(POLICIES, `${renamed}\n`);
    assert.deepEqual([rows, changed], [[], { added: [], removed: [], changed: [] }]);
  });

  void test('another text of one policy is named, and what it widens cannot be told from what it narrows', async () => {
    const { rows, policies: changed, widening } = await diff(POLICIES, POLICIES.replace('100000', '200000'));
    const all = [rows.map(rowOf), rows.map(({ change }) => change), widening];
    assert.deepEqual(all, [['clerk tools/call ledger/pay_invoice may may'], ['changed'], ['clerk-pays']]);
    assert.deepEqual(changed, { added: [], removed: [], changed: ['clerk-pays'] });
  });

  void test('a forbid that goes widens, one that comes narrows, and shadow takes no part', async () => {
    const allowing = POLICIES.replace(/@id\("no-night[^]*$/, '');
    const with_ = (mode: string): string => `${allowing}@id("f") @mode("${mode}") forbid (principal == Agent::"clerk", action, resource);`;
    const [enforced, shadow] = [with_('enforce'), with_('shadow')];
    const changes = async (from: string, to: string): Promise<readonly string[]> => [
      ...new Set((await diff(from, to)).rows.map(({ change, policies: by }) => `${change} ${by.join()}`)),
    ];
    assert.deepEqual(await changes(enforced, allowing), ['widens f']);
    assert.deepEqual(await changes(allowing, enforced), ['narrows f']);
    assert.deepEqual(await changes(shadow, enforced), ['narrows f']);
    assert.deepEqual(await changes(allowing, shadow), []);
  });

  void test('a policy that holds at one level alone is compared there, whatever the levels of now', async () => {
    const watched =
      '@id("w") forbid (principal == Agent::"clerk", action, resource in Server::"ledger") when { principal.level == "watched" };';
    const [from, to] = await Promise.all([policySet(POLICIES + watched), policySet(POLICIES)]);
    const { rows, widening } = await diffOf({ from, to, world: desk({ levels: levels({ clerk: 'off' }) }) }, 100);
    assert.deepEqual(new Set(rows.map(({ change, agent, level }) => `${change} ${agent} ${level}`)), new Set(['widens clerk watched']));
    assert.deepEqual(widening, ['w']);
  });

  void test('rows are capped, counts and what widens are not', async () => {
    const { rows, counts, widening } = await diff(POLICIES, `${POLICIES}@id("all") permit (principal, action, resource);`, 3);
    assert.equal(rows.length, 3);
    assert.ok(counts.widens > 10);
    assert.deepEqual(widening, ['all']);
  });

  void test('what an agent may do to itself alone is told from what it may do to others', async () => {
    const agents = ['ann', 'ben'].map((name) => ({ name, segment: 'finance', owner: 'platform', purpose: '' }));
    const world = desk({ agents });
    const own = '@id("own") permit (principal, action == Action::"a2a/SendMessage", resource is Agent) when { principal == resource };';
    const [from, to] = await Promise.all([policySet('@id("p") forbid (principal, action, resource);', world), policySet(own, world)]);
    const { rows } = await diffOf({ from, to, world }, 100);
    assert.deepEqual(rows.map(rowOf), ['ann a2a/SendMessage ann never always', 'ben a2a/SendMessage ben never always']);
  });

  void test('agents and tools that no policy can tell apart are asked about once', async () => {
    const agents = Array.from({ length: 300 }, (_, at) => ({ name: `a${at}`, segment: 'finance', owner: 'platform', purpose: '' }));
    const listing = Array.from({ length: 100 }, (_, at) => tool(`t${at}`, SCHEMA));
    const world = desk({ agents, tools: new Map([['ledger', listing]]) });
    const [one = '', two = ''] = ['a7', 'a8'].map(
      (name) => `@id("p") permit (principal == Agent::"${name}", action == Action::"ledger/t3", resource);`,
    );
    const [from, to] = await Promise.all([policySet(one, world), policySet(two, world)]);
    let questions = 0;
    const counting = (set: PolicySet): PolicySet => ({ ...set, reach: (...args) => (questions++, set.reach(...args)) });
    const { rows } = await diffOf({ from: counting(from), to: counting(to), world }, 100);
    assert.deepEqual(
      rows.map(({ change, agent, resource }) => `${change} ${agent} ${resource}`),
      ['widens a8 ledger/t3', 'narrows a7 ledger/t3'],
    );
    assert.ok(questions < 20_000, `${questions} of ${2 * 300 * (100 + 4 + 4 + 900)}`);
  });
});

describe('blast', () => {
  /** Everything that agents reach by asking others, worked out step by step: `agent action resource`. */
  function closure(set: PolicySet, world: World): ReadonlyMap<string, ReadonlySet<string>> {
    const targets = targetsOf(world).filter(({ type, action }) => type !== 'mcp_server' || action in ASKED);
    const own = new Map(AGENTS.map((agent) => [agent, targets.filter((target) => reachIn(set, world, agent, target) !== 'never')]));
    const asks = (agent: string): readonly string[] =>
      (own.get(agent) ?? []).filter(({ action }) => action.startsWith('a2a/Send')).map(({ id }) => id);
    return new Map(
      AGENTS.map((agent) => {
        const met = new Set([agent]);
        for (const one of met) for (const next of asks(one)) met.add(next);
        return [agent, new Set([...met].flatMap((one) => own.get(one) ?? []).map(({ id }) => id))];
      }),
    );
  }

  const reachedIn = (hops: readonly Hop[]): ReadonlySet<string> =>
    new Set(hops.flatMap(({ reaches }) => reaches.filter(({ action }) => action !== 'mcp/session').map(({ resource }) => resource)));

  void test('[U13] what is reached, directly and through others, is the closure of reach; who reaches it is the same backwards', () =>
    fc.assert(
      fc.asyncProperty(worlds, policies, async (world, texts) => {
        const set = await policySet(texts.join('\n'), world);
        const all = closure(set, world);
        for (const agent of AGENTS) {
          const { reaches, complete } = await blastOf(set, world, { kind: 'agent', name: agent }, 1_000);
          assert.equal(complete, true);
          assert.deepEqual(reachedIn(reaches), all.get(agent));
          for (const { path } of reaches) assert.equal(path[0], agent);
        }
        for (const name of ['one/get', 'two/put']) {
          const { reachedBy } = await blastOf(set, world, { kind: 'resource', name }, 1_000);
          assert.deepEqual(
            new Set(reachedBy.map(({ path }) => path[0])),
            new Set(AGENTS.filter((agent) => all.get(agent)?.has(name) === true)),
          );
        }
      }),
      RUNS,
    ));

  const AROUND = `${POLICIES}
@id("reader-reads") permit (principal == Agent::"reader", action in Action::"read", resource in Segment::"inbox");
@id("auditor-asks") permit (principal == Agent::"auditor", action in Action::"a2a/message", resource == Agent::"clerk");`;
  const blast = async (kind: 'agent' | 'resource' | 'segment', name: string, world = desk(), text = AROUND): Promise<Blast> =>
    blastOf(await policySet(text, world), world, { kind, name }, 1_000);
  const pathsOf = (hops: readonly Hop[]): readonly string[] => hops.map(({ path, access }) => `${path.join(' > ')} ${access}`);

  void test('an agent: by itself, through others with the way, and who may ask it', async () => {
    const { reaches, reachedBy } = await blast('agent', 'clerk');
    assert.deepEqual(pathsOf(reaches), ['clerk always', 'clerk > reader always']);
    assert.deepEqual(
      reaches[0]?.reaches.map(({ action, resource, access, reads }) => [action, resource, access, reads]),
      [
        ['mcp/session', 'ledger', 'always', true],
        ['resources/read', 'ledger', 'always', true],
        ['resources/subscribe', 'ledger', 'always', true],
        ['resources/unsubscribe', 'ledger', 'always', true],
        ['prompts/get', 'ledger', 'always', true],
        ['completion/complete', 'ledger', 'always', true],
        ['tools/call', 'ledger/pay_invoice', 'may', false],
        ['tools/call', 'ledger/list_invoices', 'always', true],
        ['a2a/task', 'clerk', 'always', true],
        ['a2a/GetAgentCard', 'clerk', 'always', true],
        ['a2a/GetExtendedAgentCard', 'clerk', 'always', true],
        ['a2a/task', 'auditor', 'always', true],
        ['a2a/GetAgentCard', 'auditor', 'always', true],
        ['a2a/GetExtendedAgentCard', 'auditor', 'always', true],
        ['a2a/message', 'reader', 'always', false],
      ],
    );
    const pays = reaches.flatMap((hop) => hop.reaches).find(({ resource }) => resource === 'ledger/pay_invoice');
    assert.deepEqual([pays?.permits, pays?.forbids], [['clerk-pays'], ['no-night-memo']]);
    assert.deepEqual(pathsOf(reachedBy), ['auditor always']);
  });

  void test('a server, a tool and a segment: who reaches them', async () => {
    assert.deepEqual(pathsOf((await blast('resource', 'mail')).reachedBy), [
      'reader always',
      'clerk > reader always',
      'auditor > clerk > reader always',
    ]);
    assert.deepEqual(pathsOf((await blast('resource', 'ledger/pay_invoice')).reachedBy), ['clerk always', 'auditor > clerk always']);
    assert.deepEqual((await blast('resource', 'mail')).reaches, []);
    const { reaches, reachedBy } = await blast('segment', 'inbox');
    assert.deepEqual(pathsOf(reaches), ['reader always']);
    assert.deepEqual(pathsOf(reachedBy), ['clerk always', 'auditor > clerk always']);
  });

  void test('a way that always holds before a shorter one that may; a step that may makes the way one that may', async () => {
    const chatty = `@id("a") permit (principal == Agent::"clerk", action in Action::"a2a/message", resource == Agent::"reader") when { context.input has text };
@id("b") permit (principal == Agent::"clerk", action in Action::"a2a/message", resource == Agent::"auditor");
@id("c") permit (principal == Agent::"auditor", action in Action::"a2a/message", resource == Agent::"reader")`;
    const reads = '@id("d") permit (principal == Agent::"reader", action == Action::"mail/read", resource);';
    const certain = await blast('agent', 'clerk', desk(), `${chatty};${reads}`);
    assert.ok(pathsOf(certain.reaches).includes('clerk > auditor > reader always'));
    const doubtful = await blast('agent', 'clerk', desk(), `${chatty} when { context.input has text };${reads}`);
    assert.ok(pathsOf(doubtful.reaches).includes('clerk > reader may'));
  });

  void test('after another level: off reaches nothing and is not reached, restricted only reads', async () => {
    const world = desk();
    const subject = { kind: 'agent', name: 'clerk' } as const;
    const [before, off, restricted] = [
      await blast('agent', 'clerk'),
      await blast('agent', 'clerk', withLevel(world, subject, 'off')),
      await blast('agent', 'clerk', withLevel(world, subject, 'restricted')),
    ];
    assert.deepEqual([off.reaches, off.reachedBy], [[], []]);
    assert.ok(restricted.reaches.every(({ reaches }) => reaches.every(({ reads }) => reads)));
    const gone = blastChanges(before, off);
    assert.deepEqual(new Set(gone.reaches.map(({ after }) => after)), new Set(['never']));
    assert.deepEqual(gone.reachedBy, [{ agent: 'auditor', segment: 'finance', before: 'always', after: 'never' }]);
    const lost = blastChanges(before, restricted).reaches.map(({ resource, before: was }) => `${resource} ${was}`);
    assert.deepEqual(lost.slice(0, 2), ['ledger/pay_invoice may', 'reader always']);
    assert.deepEqual(blastChanges(before, before), { reaches: [], reachedBy: [] });
  });

  void test('what is beyond the limit is not listed, and that is said', async () => {
    const world = desk();
    const { reaches, complete } = await blastOf(await policySet(AROUND, world), world, { kind: 'agent', name: 'clerk' }, 3);
    assert.equal(reaches.flatMap((hop) => hop.reaches).length, 3);
    assert.equal(complete, false);
  });

  void test('agents come before resources and segments of the same name', () => {
    const subjects = subjectsIn(desk()).filter(({ name }) => ['clerk', 'mail', 'mail/read', 'inbox'].includes(name));
    assert.deepEqual(
      subjects.map(({ kind, name }) => `${kind} ${name}`),
      ['agent clerk', 'resource mail', 'resource mail/read', 'segment inbox'],
    );
  });
});

describe('suggest', () => {
  const AT = Date.UTC(2026, 10, 23);
  const observe = (set: PolicySet, world: World, calls: readonly AccessRequest[], agent = 'clerk'): Suggester => {
    const suggester = new Suggester(set, world, agent);
    for (const [index, one] of calls.entries()) {
      const { verdict, code } = set.decide(one, world);
      suggester.add({ request: one, verdict, at: AT + index, ...(code === undefined ? {} : { code }) });
    }
    return suggester;
  };
  const pay = (over: JsonObject = {}): AccessRequest => call('clerk', 'ledger/pay_invoice', { ...PAYMENT, ...over });

  void test('[U15] permits for what was seen, in the words of the permit that allowed it, with what the arguments had in common', async () => {
    const world = desk();
    const set = await policySet(POLICIES, world);
    const calls = [
      ...[100, 4200, 900, 4200, 1].map((amount_cents) => pay({ amount_cents, memo: 'rent' })),
      pay(),
      pay({ amount_cents: 1_000_000 }),
      call('clerk', 'ledger/list_invoices'),
      request('clerk', 'tools/list', 'ledger'),
      request('clerk', 'a2a/SendMessage', 'reader', { text: 'hi' }),
      call('clerk', 'mail/read', { id: 3 }),
    ];
    const suggester = observe(set, world, calls);
    const { permits, denied, unused, calls: count } = suggester.suggestion();
    assert.equal(count, 11);
    assert.deepEqual(
      permits.map(({ id, actions, resource, calls: times, narrows }) => [id, actions.join(), resource, times, narrows]),
      [
        ['clerk.ledger', 'tools/list', 'ledger', 1, 'finance-reads'],
        ['clerk.ledger/list_invoices', 'tools/call', 'ledger/list_invoices', 1, 'finance-reads'],
        ['clerk.ledger/pay_invoice', 'tools/call', 'ledger/pay_invoice', 6, 'clerk-pays'],
        ['clerk.reader', 'a2a/SendMessage', 'reader', 1, 'clerk-asks-reader'],
      ],
    );
    assert.deepEqual(
      permits[2]?.conditions.map(({ clause, seen }) => `${clause} | ${seen}`),
      [
        'context.input.vendor == "Acme" | one value in 6 calls',
        'context.input.iban == "DE02120300000000202051" | one value in 6 calls',
        'context.input.amount_cents <= 4200 | 1 to 4200 in 6 calls',
        'if context.input has memo then context.input.memo == "rent" else true | one value in 5 calls',
      ],
    );
    assert.deepEqual(denied, [
      { action: 'tools/call', resource: 'ledger/pay_invoice', code: 'CORDON-3005', calls: 1 },
      { action: 'tools/call', resource: 'mail/read', code: 'CORDON-3001', calls: 1 },
    ]);
    assert.deepEqual(unused, { permits: [], resources: [] });
    const text = suggestionText(suggester.suggestion(), set, AT);
    assert.match(text, /^\/\/ What "clerk" did in 11 calls since 2026-11-23T00:00:00\.000Z, and no more\./);
    assert.match(text, /resource\.server\.getTag\(context\.input\.vendor\) == context\.input\.iban/);
    assert.match(text, /@owner\("treasury"\)/);
    assert.match(text, /\/\/ Denied, and not proposed:\n\/\/ {3}1 call: "tools\/call" "ledger\/pay_invoice", CORDON-3005\n/);
    assert.deepEqual((await checkProposal(text, set, world, calls)).warnings, []);
  });

  /** It is admitted, allows what was allowed, and widens nothing. */
  async function checkProposal(text: string, set: PolicySet, world: World, calls: readonly AccessRequest[]): Promise<PolicySet> {
    const proposed = await policySet(text, world);
    for (const one of calls) assert.equal(proposed.decide(one, world).verdict === 'allow', set.decide(one, world).verdict === 'allow');
    return proposed;
  }

  void test('[U15] what is proposed allows every call it was made of and none that is denied now', () =>
    fc.assert(
      fc.asyncProperty(worlds, policies, fc.infiniteStream(fc.boolean()), async (world, texts, picks) => {
        const set = await policySet(texts.join('\n'), world);
        const every = targetsOf(world).flatMap((target) => inputsOf(target).map((input) => asked('ann', target, input)));
        const calls = every.filter(() => picks.next().value === true);
        const text = suggestionText(observe(set, world, calls, 'ann').suggestion(), set, AT);
        if (!text.includes('permit (')) return;
        const proposed = await policySet(text, world);
        const forbids = set.policies.filter(({ effect, id }) => effect === 'forbid' && !id.startsWith('cordon.'));
        const whole = await policySet([text, ...forbids.map((policy) => policy.text)].join('\n'), world);
        for (const one of calls) {
          const allowed = set.decide(one, world).verdict === 'allow';
          if (allowed) assert.equal(proposed.decide(one, world).verdict, 'allow', JSON.stringify(one));
        }
        for (const one of every) {
          if (whole.decide(one, world).verdict === 'allow') assert.equal(set.decide(one, world).verdict, 'allow', JSON.stringify(one));
        }
      }),
      RUNS,
    ));

  void test('permits and tools without use are named', async () => {
    const world = desk();
    const set = await policySet(POLICIES, world);
    const { unused } = observe(set, world, [pay()]).suggestion();
    assert.deepEqual(unused, { permits: ['finance-reads', 'clerk-asks-reader'], resources: ['ledger/list_invoices', 'reader'] });
  });

  void test('a call that was allowed then and is denied now is not proposed, nor one that was denied then', async () => {
    const world = desk();
    const suggester = new Suggester(await policySet(POLICIES, world), world, 'clerk');
    suggester.add({ request: pay({ amount_cents: 999_999 }), verdict: 'allow', at: AT });
    suggester.add({ request: pay(), verdict: 'deny', code: 'CORDON-4002', at: AT });
    suggester.add({ request: call('clerk', 'gone/tool'), verdict: 'allow', at: AT });
    const { permits, denied } = suggester.suggestion();
    assert.deepEqual(permits, []);
    assert.deepEqual(
      denied.map(({ code }) => code),
      ['CORDON-3005', 'CORDON-4002', 'CORDON-3003'],
    );
  });

  void test('hostile names and values stay inside their quotes', async () => {
    const evil = 'x"); permit (principal, action, resource);\n//\u202e\u0000';
    const schema = { type: 'object', properties: { [evil]: { type: 'string' }, if: { type: 'boolean' } }, required: [evil] };
    const world = desk({ tools: new Map([['ledger', [tool(evil, schema)]]]) });
    const set = await policySet('@id("all") permit (principal, action, resource);', world);
    const calls = Array.from({ length: 6 }, () => call('clerk', `ledger/${evil}`, { [evil]: evil, if: true }));
    const refused = call('clerk', evil);
    const text = suggestionText(observe(set, world, [...calls, refused]).suggestion(), set, AT);
    const proposed = await checkProposal(text, set, world, calls);
    assert.equal(proposed.policies.filter(({ id }) => !id.startsWith('cordon.')).length, 1);
    assert.match(text, /context\.input has "if" && context\.input\["if"\] == true/);
    assert.doesNotMatch(text.replaceAll('\n', ''), /\p{C}/u);
    assert.equal(proposed.decide(call('clerk', 'ledger/list_invoices'), world).verdict, 'deny');
  });

  void test('decimals and large integers are bounded exactly; what looks confidential is left out', async () => {
    const properties = { rate: { type: 'number' }, big: { type: 'integer' }, api_key: { type: 'string' }, free: { type: 'string' } };
    const world = desk({ tools: new Map([['ledger', [tool('post', { type: 'object', properties })]]]) });
    const set = await policySet('@id("all") permit (principal, action, resource);', world);
    const calls = Array.from({ length: 6 }, (_, at) =>
      call('clerk', 'ledger/post', { rate: 1.5 + at, big: 9_007_199_254_740_993n, api_key: 'k', free: `text ${at}` }),
    );
    const suggester = observe(set, world, calls);
    assert.deepEqual(
      suggester.suggestion().permits[0]?.conditions.map(({ clause }) => clause),
      [
        'context.input has rate && context.input.rate.lessThanOrEqual(decimal("6.5000"))',
        'context.input has big && context.input.big <= 9007199254740993',
      ],
    );
    await checkProposal(suggestionText(suggester.suggestion(), set, AT), set, world, calls);
  });
});

void test('a string literal of Cedar stands for what was quoted, whatever that is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const literal = quoted(text);
      assert.equal(unquoted(literal), text);
      assert.doesNotMatch(literal, /[\n\r]/);
    }),
  );
  assert.equal(unquoted(String.raw`"\u{63}l\x65\"\\\n\0\*"`), 'cle"\\\n\0*');
});
