// The gates of a call on behalf of a user: the agent's rights, the user's and the mandate, intersected. The two kinds of principals never
// answer for one another, whatever they are called.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { AccessRequest, Decision } from '../src/domain/access.ts';
import type { Json } from '../src/domain/json.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import { CrossCheck, type Divergence } from '../src/policy/cross-check.ts';
import { decideGates, explainGates, traceGates, visibleThroughGates } from '../src/policy/gates.ts';
import { lex } from '../src/policy/lexer.ts';
import type { OnBehalf } from '../src/policy/on-behalf.ts';
import type { PolicySet } from '../src/policy/policy-set.ts';
import { closedText, principalIn } from '../src/policy/principal-text.ts';
import { forItself, forUser, ISSUER, toolsOnly } from './support/on-behalf.ts';
import { call, desk, PAYMENT, policySet, request } from './support/policy-desk.ts';
import { until } from './support/until.ts';

after(closeAdmission);

const world = desk();
const NOW = 1_800_000_000_000;
const PAY = call('clerk', 'ledger/pay_invoice', PAYMENT);
const said = ({ verdict, code, gate, determining }: Decision): string => [verdict, code ?? [], gate ?? [], determining].flat(2).join(' ');
const asked = (set: PolicySet, one: AccessRequest): string => said(decideGates(set, one, world, NOW));

const AGENTS = `
@id("clerk-pays") permit (principal == Agent::"clerk", action in Action::"tools/call", resource in Server::"ledger");
@id("finance-reads") permit (principal in Segment::"finance", action in Action::"read", resource);`;
const USERS = `
@id("payers") permit (principal is User in Group::"finance", action in Action::"tools/call", resource in Server::"ledger");
@id("everyone-reads") permit (principal is User, action in Action::"read", resource);
@id("small-by-trainees") permit (principal in Group::"trainees", action == Action::"ledger/pay_invoice", resource)
when { context.input.amount_cents <= 1000 };
@id("mallory-left") @reason("mallory has left") forbid (principal == User::"mallory", action, resource);
@id("ours-alone") @code("CORDON-2005") forbid (principal is User, action, resource) unless { principal.issuer == "${ISSUER}" };`;

const ALICE: OnBehalf = { user: 'alice', groups: ['finance', 'no-such-group'] };

describe('[I4] three gates', () => {
  let set: PolicySet;
  before(async () => {
    set = await policySet(AGENTS + USERS, world);
  });

  test('allowed is what all three permit; the first that does not names the denial; each verdict is told', () => {
    for (const agent of ['clerk', 'auditor']) {
      for (const user of ['finance', 'sales']) {
        for (const location of ['tool:ledger/*', 'tool:mail/*']) {
          const one = forUser(call(agent, 'ledger/pay_invoice', PAYMENT), { user: 'u', groups: [user], mandate: toolsOnly([location]) });
          const permits = { agent: agent === 'clerk', user: user === 'finance', mandate: location === 'tool:ledger/*' };
          const { verdict, gate, gates, code } = decideGates(set, one, world, NOW);
          const first = Object.entries(permits).find(([, permitted]) => !permitted)?.[0];
          assert.deepEqual([verdict, gate], first === undefined ? ['allow', undefined] : ['deny', first]);
          if (first === 'mandate') assert.equal(code, 'CORDON-3019');
          const verdicts = Object.entries(gates ?? {}).map(([name, told]) => [name, told.verdict === 'allow']);
          assert.deepEqual(Object.fromEntries(verdicts), permits);
        }
      }
    }
  });

  const table: readonly (readonly [what: string, request: AccessRequest, said: string])[] = [
    ['on behalf of nobody only the agent is asked', PAY, 'allow clerk-pays'],
    ['and named when it refuses', call('auditor', 'ledger/pay_invoice', PAYMENT), 'deny CORDON-3001 agent'],
    ['both kinds of permits decide an allow', forUser(PAY, ALICE), 'allow clerk-pays payers'],
    ['a user in no group', forUser(PAY, { user: 'bob' }), 'deny CORDON-3001 user'],
    ['other arguments would do for this user', forUser(PAY, { user: 'tim', groups: ['trainees'] }), 'deny CORDON-3005 user'],
    ['as they do', forUser(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents: 1000 }), { user: 'tim', groups: ['trainees'] }), 'allow clerk-pays small-by-trainees'],
    ['a forbid for one user beats the permit of a group', forUser(PAY, { user: 'mallory', groups: ['finance'] }), 'deny CORDON-3002 user mallory-left'],
    ['`unless` reads who vouches for the user', forUser(PAY, { ...ALICE, issuer: 'https://evil.example' }), 'deny CORDON-2005 user ours-alone'],
    ['a method of a server', forUser(request('clerk', 'tools/list', 'ledger'), { user: 'bob' }), 'allow finance-reads everyone-reads'],
    ['what is not registered is that first', forUser(call('clerk', 'ledger/none'), ALICE), 'deny CORDON-3003 agent'],
    ['an agent that acts for itself has no user to ask', forItself(PAY, toolsOnly(['tool:ledger/*'])), 'allow clerk-pays'],
    ['and is held to its mandate', forItself(PAY, toolsOnly(['tool:mail/*'])), 'deny CORDON-3019 mandate'],
    ['guardrails hold for the agent whoever it acts for', forUser(call('stranger', 'ledger/list_invoices'), ALICE), 'deny CORDON-3007 agent cordon.segment'],
  ]; // prettier-ignore
  for (const [what, one, expected] of table) test(what, () => assert.equal(asked(set, one), expected));

  test('[I1] a call on behalf of nobody has no user to ask about, and a user in too many groups is not believed', () => {
    assert.equal(said(set.decide(PAY, world, 'user')), 'error CORDON-9001');
    const crowd = Array.from({ length: 1001 }, (_, at) => (at === 0 ? 'finance' : `g${at}`));
    assert.equal(asked(set, forUser(PAY, { user: 'u', groups: crowd })), 'error CORDON-9001 user');
  });

  test('policies of both kinds that a request exercises are traced', () => {
    const traced = (one: AccessRequest): readonly string[] => traceGates(set, one, world).map(({ policy }) => policy);
    assert.deepEqual(traced(PAY).filter((id) => USERS.includes(`"${id}"`)), []);
    assert.deepEqual(traced(forUser(PAY, ALICE)).filter((id) => USERS.includes(`"${id}"`)).toSorted(), ['ours-alone', 'payers']);
  }); // prettier-ignore
});

describe('[I4] nobody passes the gate of another', () => {
  const attacks: readonly (readonly [what: string, policies: string, user: OnBehalf, said: string])[] = [
    ['a permit for every agent is none for a user', '@id("p") permit (principal, action, resource);', ALICE, 'deny CORDON-3001 user'],
    ['nor one for the type of agents', '@id("p") permit (principal is Agent, action, resource);', ALICE, 'deny CORDON-3001 user'],
    ['a permit for every user is none for an agent', '@id("p") permit (principal is User, action, resource);', ALICE, 'deny CORDON-3001 agent'],
    ['a user called like the agent', '@id("p") permit (principal == Agent::"clerk", action, resource);', { user: 'clerk' }, 'deny CORDON-3001 user'],
    ['an agent called like the user', '@id("p") permit (principal == User::"clerk", action, resource);', { user: 'clerk' }, 'deny CORDON-3001 agent'],
    ['a group called like a segment', '@id("p") permit (principal in Segment::"finance", action, resource);', { user: 'u', groups: ['finance'] }, 'deny CORDON-3001 user'],
    ['a group called like an agent', '@id("p") permit (principal in Agent::"clerk", action, resource);', { user: 'u', groups: ['clerk'] }, 'deny CORDON-3001 user'],
    ['a group called like a user', `@id("a") permit (principal, action, resource);\n@id("p") permit (principal == User::"boss", action, resource);`, { user: 'u', groups: ['boss'] }, 'deny CORDON-3001 user'],
    ['a user called like a group', `@id("a") permit (principal, action, resource);\n@id("p") permit (principal is User in Group::"boss", action, resource);`, { user: 'boss' }, 'deny CORDON-3001 user'],
    ['a name that looks like an entity', `@id("a") permit (principal, action, resource);\n@id("p") permit (principal == User::"boss", action, resource);`, { user: 'x", "boss', groups: ['User::"boss"'] }, 'deny CORDON-3001 user'],
    ['a forbid for every agent is none for users', `@id("a") permit (principal, action, resource);\n@id("p") permit (principal is User, action, resource);\n@id("f") forbid (principal, action, resource) when { principal.owner != "platform" };`, ALICE, 'allow a p'],
    ['a forbid for every user is none for agents', `@id("a") permit (principal, action, resource);\n@id("f") forbid (principal is User, action, resource);`, ALICE, 'deny CORDON-3002 user f'],
    ['a forbid for users that fails to evaluate denies', `@id("a") permit (principal, action, resource);\n@id("p") permit (principal is User, action, resource);\n@id("f") forbid (principal is User, action == Action::"ledger/pay_invoice", resource) when { context.input.amount_cents * 9223372036854775807 > 0 };`, ALICE, 'error CORDON-9005 user f'],
    ['a permit for users that fails to evaluate is none', `@id("a") permit (principal, action, resource);\n@id("p") permit (principal is User, action == Action::"ledger/pay_invoice", resource) when { context.input.amount_cents * 9223372036854775807 > 0 };`, ALICE, 'deny CORDON-3005 user'],
  ]; // prettier-ignore
  for (const [what, policies, user, expected] of attacks) {
    test(what, async () => {
      const set = await policySet(policies, world);
      const official = await policySet(policies, world);
      official.failOver();
      assert.equal(asked(set, forUser(PAY, user)), expected);
      assert.equal(asked(official, forUser(PAY, user)), expected);
    });
  }

  test('what an agents’ policy says of users, and a users’ policy of agents, is refused and told', async () => {
    const refusals: readonly (readonly [policy: string, message: RegExp])[] = [
      ['forbid (principal, action, resource) when { principal in Group::"x" };', /`Group`; a policy is about users only if its scope says so/],
      ['forbid (principal, action, resource) unless { principal is User };', /`User`; a policy is about users only/],
      ['permit (principal == Agent::"clerk", action, resource) when { principal == User::"a" };', /about users only/],
      ['forbid (principal is User, action, resource) when { principal.segment == resource.segment };', /attribute `segment` on entity type `User`/],
      ['permit (principal in Group::"x", action == Action::"ping", resource) when { principal.name == "a" };', /attribute `name`/],
      ['permit (principal is Acme::User, action, resource);', /unrecognized/],
    ]; // prettier-ignore
    for (const [policy, message] of refusals)
      await assert.rejects(policySet(`@id("p") ${policy}`, world), { code: 'CORDON-9006', message });
  });

  test('whom a policy is about is read as the engine reads it, through comments, annotations and line ends', () => {
    const table: readonly (readonly [text: string, principal: string, closed: string | undefined])[] = [
      ['permit (principal, action, resource);', 'agent', 'permit (principal is Agent, action, resource);'],
      ['@permit("(principal is User") forbid(principal // is User\n,action,resource);', 'agent', '@permit("(principal is User") forbid(principal is Agent // is User\n,action,resource);'],
      ['permit (principal is User, action, resource);', 'user', undefined],
      ['permit (// principal is Agent\n principal\n is\n User in Group::"g", action, resource);', 'user', undefined],
      ['permit (principal is User::Agent, action, resource);', 'agent', undefined],
      ['forbid (principal==User::"a\\u{62}", action, resource);', 'user', undefined],
      ['forbid (principal in Group::"g", action, resource);', 'user', undefined],
      ['permit (principal in Segment::"User", action, resource == Agent::"User");', 'agent', undefined],
    ]; // prettier-ignore
    for (const [text, principal, closed = text] of table) {
      const tokens = lex(text);
      assert.ok(!('message' in tokens));
      assert.equal(principalIn({ tokens }), principal, text);
      assert.equal(closedText({ tokens, text, at: 0, line: 1, source: { path: '', text } }), closed);
    }
  });
});

describe('[DESIGN-5] why, by gate', () => {
  let set: PolicySet;
  before(async () => {
    set = await policySet(AGENTS + USERS, world);
  });
  const nearest = (one: AccessRequest): readonly unknown[] =>
    explainGates(set, one, world, NOW).nearest.map(({ policy, failedClause, observed }) => [policy, failedClause, observed]);

  test('the gate of the user names the nearest permits for users, and those alone', () => {
    const [first, ...others] = nearest(forUser(PAY, { user: 'bob' }));
    assert.deepEqual(first, ['payers', 'principal is User in Group::"finance"', 'principal: User::"bob"']);
    assert.ok(!JSON.stringify(others).includes('clerk-pays'));
    assert.deepEqual(nearest(call('auditor', 'ledger/pay_invoice', PAYMENT)).length, 2, 'and that of the agent those for agents');
  });

  test('a forbid names itself and what it saw; an allow the permits of both', () => {
    const forbidden = explainGates(set, forUser(PAY, { user: 'mallory', groups: ['finance'] }), world, NOW);
    assert.deepEqual(
      forbidden.determining.map(({ policy, clauses }) => [policy, clauses[0]?.observed]),
      [['mallory-left', 'principal: User::"mallory" in Group::"finance"']],
    );
    const allowed = explainGates(set, forUser(PAY, ALICE), world, NOW);
    assert.deepEqual(
      allowed.determining.map(({ policy }) => policy),
      ['clerk-pays', 'payers'],
    );
  });

  test('the gate of the mandate names the entry that came nearest, the argument, what was seen and what was wanted', () => {
    const mandate: Json = [
      { type: 'cordon_task', actions: ['a2a/SendMessage'], locations: ['agent:reader'] },
      {
        type: 'cordon_task',
        actions: ['tools/call'],
        locations: ['tool:ledger/pay_invoice'],
        arguments: { amount_cents: { max: 1000 }, vendor: { in: ['Acme'] }, memo: {} },
        exp: NOW / 1000 + 60,
      },
    ];
    const { nearest: near } = explainGates(set, forUser(PAY, { ...ALICE, mandate }), world, NOW);
    assert.deepEqual(
      near.map(({ policy, held, total, failedClause }) => [policy, held, total, failedClause]),
      [
        ['mandate entry 2', 4, 6, 'amount_cents: max 1000'],
        ['mandate entry 1', 0, 2, 'actions: a2a/SendMessage'],
      ],
    );
    assert.deepEqual(
      near[0]?.clauses.map(({ clause, state, observed }) => [clause, state, observed]),
      [
        ['actions: tools/call', 'held', 'action: tools/call'],
        ['locations: tool:ledger/pay_invoice', 'held', 'resource: tool:ledger/pay_invoice'],
        ['amount_cents: max 1000', 'failed', 'context.input.amount_cents: 4200'],
        ['vendor: in ["Acme"]', 'held', 'context.input.vendor: "Acme"'],
        ['memo: present', 'failed', 'context.input.memo: absent'],
        ['until 2027-01-15T08:01:00.000Z', 'held', 'now: 2027-01-15T08:00:00.000Z'],
      ],
    );
  });

  test('an argument that a closed entry does not name is shown', () => {
    const one: Json = { type: 'cordon_task', actions: ['*'], locations: ['*'], arguments: { vendor: {} }, other_arguments: false };
    const { nearest: near } = explainGates(set, forUser(PAY, { ...ALICE, mandate: [one] }), world, NOW);
    assert.equal(near[0]?.failedClause, 'no other arguments than vendor');
    assert.match(near[0].observed ?? '', /^context\.input: \[.*"amount_cents"/);
  });

  test('what is shown of a mandate is what was enforced: an entry allows exactly if all of its parts hold', () => {
    const some = <T>(...values: T[]): fc.Arbitrary<T[]> => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 });
    const limit = fc.constantFrom<Json>({}, { max: 4200 }, { max: 4199 }, { min: 4200 }, { in: ['Acme'] }, { prefix: 'Ac' }, { prefix: 'Ac', suffix: 'me' }, { suffix: 'x' }); // prettier-ignore
    const entry = fc.record({
      type: fc.constant('cordon_task'),
      actions: some('tools/call', 'ping', '*'),
      locations: some('tool:ledger/*', 'tool:ledger/pay_invoice', 'mcp_server:ledger', 'tool:mail/*', '*'),
      budget: fc.constantFrom({ calls: 1 }, { calls: 2 }),
      arguments: fc.dictionary(fc.constantFrom('amount_cents', 'vendor', 'memo'), limit, { maxKeys: 2 }),
      other_arguments: fc.constantFrom(false, undefined),
      after: fc.constantFrom(['tool:ledger/list'], ['tool:ledger/other'], undefined),
      exp: fc.constantFrom(NOW / 1000, NOW / 1000 + 1),
    });
    fc.assert(
      fc.property(
        entry,
        fc.constantFrom(PAY, request('clerk', 'ping', 'ledger')),
        ({ other_arguments: others, after: order, ...open }, wanted) => {
          const one = {
            ...open,
            ...(others === undefined ? {} : { other_arguments: others }),
            ...(order === undefined ? {} : { after: order }),
          };
          const on = forUser(wanted, { ...ALICE, mandate: [one] }, { made: 1, done: ['tool:ledger/list'] });
          const allowed = decideGates(set, on, world, NOW).gates?.mandate.verdict === 'allow';
          const { nearest: near } = explainGates({ ...set, decide: () => ALLOW }, on, world, NOW);
          if (allowed) return assert.equal(near.length, 0);
          assert.ok((near[0]?.clauses ?? []).some(({ state }) => state === 'failed'));
        },
      ),
      { numRuns: 300 },
    );
  });
});

const ALLOW: Decision = { verdict: 'allow', determining: [], errors: [], policyVersion: 7 };

describe('[I4] lists show what all three gates leave', () => {
  const visible = (set: PolicySet, one: AccessRequest): readonly string[] => visibleThroughGates(set, one, 'ledger', world, NOW);

  test('of the agent, the user and the mandate', async () => {
    const set = await policySet(AGENTS + USERS, world);
    const listed = request('clerk', 'tools/list', 'ledger');
    assert.deepEqual(visible(set, listed), ['pay_invoice', 'list_invoices']);
    assert.deepEqual(visible(set, forUser(listed, ALICE)), ['pay_invoice', 'list_invoices']);
    assert.deepEqual(visible(set, forUser(listed, { user: 'bob' })), ['list_invoices']);
    assert.deepEqual(visible(set, forUser(listed, { user: 'mallory', groups: ['finance'] })), []);
    assert.deepEqual(visible(set, forUser(request('auditor', 'tools/list', 'ledger'), ALICE)), ['list_invoices']);
    const small = toolsOnly(['tool:ledger/pay_invoice'], { amount_cents: { max: 1 } });
    assert.deepEqual(visible(set, forUser(listed, { ...ALICE, mandate: small })), ['pay_invoice'], 'there are arguments that it allows');
    assert.deepEqual(visible(set, forUser(listed, { ...ALICE, mandate: toolsOnly(['tool:mail/*']) })), []);
  });
});

const CLAUSES = [
  'principal.issuer == "i"',
  'principal in Group::"g"',
  'principal.id like "a*"',
  'context.input.amount_cents > 10',
  'resource.reads',
  'context.input.amount_cents * 4611686018427387904 > 0',
];
const OF_AGENTS = ['principal', 'principal is Agent', 'principal == Agent::"clerk"', 'principal in Segment::"finance"'];
const OF_USERS = ['principal is User', 'principal == User::"alice"', 'principal == User::"clerk"', 'principal in Group::"g"', 'principal is User in Group::"clerk"']; // prettier-ignore

/** Policies of both kinds, and a user. */
const shape = fc.record({
  policies: fc.array(
    fc.tuple(
      fc.constantFrom('permit', 'permit', 'forbid'),
      fc.constantFrom(...OF_AGENTS, ...OF_USERS),
      fc.constantFrom('when', 'unless'),
      fc.constantFrom('context.input.vendor == "Acme"', ...CLAUSES),
    ),
    { minLength: 1, maxLength: 12 },
  ),
  users: fc.array(
    fc.record({
      user: fc.constantFrom('alice', 'clerk', 'User::"alice"'),
      issuer: fc.constantFrom('i', 'j'),
      groups: fc.subarray(['g', 'clerk', 'finance']),
    }),
    { minLength: 3, maxLength: 3 },
  ),
});

function textOf(policies: readonly (readonly [string, string, string, string])[]): string {
  const lines = policies.map(([effect, principal, kind, clause], at) => {
    const isOfAgents = OF_AGENTS.includes(principal) && clause.startsWith('principal');
    const condition = isOfAgents ? 'principal.owner == "platform"' : clause;
    return `@id("p${at}") ${effect} (${principal}, action == Action::"ledger/pay_invoice", resource) ${kind} { ${condition} };`;
  });
  return lines.join('\n');
}

const amounts = [1, 20].map((amount_cents) => call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents }));

describe('[DESIGN-5] the official engine beside the compiled one, on requests for users', () => {
  test('agrees in a cross-check, and decides the same after a failover', async () => {
    const diverged: Divergence[] = [];
    const failed: string[] = [];
    const told = {
      onDivergence: (one: Divergence) => diverged.push(one),
      onFailure: ({ message }: { message: string }) => failed.push(message),
    };
    const check = new CrossCheck({ sample: 1, random: () => 0, restMs: 0, ...told });
    after(() => check.close());
    await fc.assert(
      fc.asyncProperty(shape, async ({ policies, users }) => {
        const text = textOf(policies);
        const [set, official] = [await policySet(text, world), await policySet(text, world)];
        official.failOver();
        set.watch(check);
        const checked = check.counts.checked;
        const requests = users.flatMap((user) => amounts.map((one) => forUser(one, user)));
        for (const one of requests) {
          const [ours, theirs] = [decideGates(set, one, world, NOW), decideGates(official, one, world, NOW)];
          assert.deepEqual(
            [said(ours), ours.errors.map(({ policy }) => policy)],
            [said(theirs), theirs.errors.map(({ policy }) => policy)],
            text,
          );
        }
        await until('all are checked', () => (check.counts.checked === checked + 2 * requests.length ? true : undefined));
      }),
      { numRuns: 25 },
    );
    assert.deepEqual([diverged, failed], [[], []]);
  });

  test('what is allowed for a user is visible to them, and the intersection never holds more than either', async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ policies, users }) => {
        const set = await policySet(textOf(policies), world);
        for (const one of users.flatMap((user) => amounts.map((amount) => forUser(amount, user)))) {
          const allowed = decideGates(set, one, world, NOW).verdict === 'allow';
          const each = [set.decide(one, world), set.decide(one, world, 'user')].map(({ verdict }) => verdict === 'allow');
          assert.equal(allowed, each.every(Boolean));
          if (allowed) assert.ok(visibleThroughGates(set, one, 'ledger', world, NOW).includes('pay_invoice'), textOf(policies));
        }
      }),
      { numRuns: 25 },
    );
  });
});
