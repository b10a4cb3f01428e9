// Why: the policies and clauses that explain allows, forbids, errors and default denies (UX reference J4).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AccessRequest, Clause, Explanation } from '../src/domain/access.ts';
import type { World } from '../src/domain/registry.ts';
import { type Clauses, clausesOf, type PolicyClause, withClauses } from '../src/policy/clauses.ts';
import type { EstPolicy } from '../src/policy/cedar/est.ts';
import { Official } from '../src/policy/cedar/official.ts';
import { statementsOf } from '../src/policy/statements.ts';
import { call, desk, levels, PAYMENT, POLICIES, policySet, request } from './support/policy-desk.ts';

const world = desk();
const set = await policySet(POLICIES, world);
const explain = (asked: AccessRequest, over: World = world): Explanation => set.explain(asked, over);

const MARK = { held: 'v', failed: 'x', not_reached: '.', error: '!' } as const;
const drawn = (clauses: readonly Clause[]): readonly string[] =>
  clauses.map(({ state, clause, observed }) => `${MARK[state]} ${clause}${observed === undefined ? '' : ` | ${observed}`}`);

test('[U2] a default deny names the nearest permit, the clause that stopped it and what it saw', () => {
  const { determining, nearest } = explain(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, iban: 'DE99' }));
  assert.deepEqual(determining, []);
  const [first] = nearest;
  assert.deepEqual(drawn(first?.clauses ?? []), [
    'v principal == Agent::"clerk" | principal: Agent::"clerk" in Segment::"finance"',
    'v action == Action::"ledger/pay_invoice" | action: Action::"ledger/pay_invoice" in Action::"tools/call"',
    'v resource.server.hasTag(context.input.vendor) | resource.server.getTag("Acme"): "DE02120300000000202051", context.input.vendor: "Acme"',
    'x resource.server.getTag(context.input.vendor) == context.input.iban | resource.server.getTag("Acme"): "DE02120300000000202051", context.input.vendor: "Acme", context.input.iban: "DE99"',
    '. context.input.amount_cents <= 100000',
  ]);
  assert.deepEqual([first?.policy, first?.held, first?.total, first?.source], ['clerk-pays', 3, 5, 'desk.cedar:6']);
  assert.equal(first?.failedClause, 'resource.server.getTag(context.input.vendor) == context.input.iban');
  assert.match(first.observed ?? '', /context\.input\.iban: "DE99"/);
  assert.deepEqual(first.annotations, { id: 'clerk-pays', owner: 'treasury' });
});

test('a guard that fails is the failed clause, and what it guards is not reached', () => {
  const [first] = explain(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, vendor: 'Evil' })).nearest;
  assert.deepEqual(drawn(first?.clauses ?? []).slice(2), [
    'x resource.server.hasTag(context.input.vendor) | resource.server.getTag("Evil"): absent, context.input.vendor: "Evil"',
    '. resource.server.getTag(context.input.vendor) == context.input.iban',
    '. context.input.amount_cents <= 100000',
  ]);
});

test('a permit for another agent or action is near, one that shares nothing is not; at most three, best first', async () => {
  const near = (asked: AccessRequest): readonly string[] =>
    explain(asked).nearest.map(({ policy, held, failedClause }) => `${policy} ${held} ${failedClause}`);
  assert.deepEqual(near(call('auditor', 'ledger/pay_invoice', PAYMENT)), [
    'finance-reads 2 action in Action::"read"',
    'clerk-pays 1 principal == Agent::"clerk"',
  ]);
  assert.deepEqual(near(request('reader', 'a2a/SendMessage', 'reader')), ['clerk-asks-reader 2 principal == Agent::"clerk"']);
  const many = await policySet(
    ['clerk', 'auditor', 'reader', 'stranger', 'clerk']
      .map(
        (agent, at) =>
          `@id("p${at}") permit (principal == Agent::"${agent}", action == Action::"ping", resource == Server::"ledger") when { principal.owner == "${at}" };`,
      )
      .join('\n'),
    world,
  );
  assert.deepEqual(
    many.explain(request('clerk', 'ping', 'ledger'), world).nearest.map(({ policy, held }) => [policy, held]),
    [
      ['p0', 3],
      ['p4', 3],
      ['p1', 2],
    ],
  );
});

test('a permit of everything that fails on its first condition is near', async () => {
  const broad = await policySet('@id("broad") permit (principal, action, resource) when { principal.owner == "nobody" };', world);
  const [first] = broad.explain(request('clerk', 'ping', 'ledger'), world).nearest;
  assert.deepEqual(drawn(first?.clauses ?? []), ['x principal.owner == "nobody" | principal.owner: "platform"']);
  assert.deepEqual([first?.held, first?.total], [0, 1]);
});

test('[U2] a forbid names itself, its reason and what it saw', () => {
  const { determining, nearest } = explain(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, memo: 'urgent!' }));
  assert.deepEqual(nearest, []);
  assert.deepEqual(
    determining.map(({ policy, effect, source, annotations }) => [policy, effect, source, annotations['reason']]),
    [['no-night-memo', 'forbid', 'desk.cedar:18', 'a memo needs a second pair of eyes']],
  );
  assert.deepEqual(drawn(determining[0]?.clauses ?? []), [
    'v action == Action::"ledger/pay_invoice" | action: Action::"ledger/pay_invoice" in Action::"tools/call"',
    'v context.input has memo | context.input.memo: "urgent!"',
    'v context.input.memo like "*urgent*" | context.input.memo: "urgent!"',
  ]);
});

test('guardrails explain themselves, also when the arguments are not readable', () => {
  const { determining } = explain(call('stranger', 'ledger/pay_invoice', { nonsense: 1 }), desk({ levels: levels({ stranger: 'off' }) }));
  assert.deepEqual(
    determining.map(({ policy }) => policy),
    ['cordon.level.off', 'cordon.segment'],
  );
  assert.deepEqual(drawn(determining[1]?.clauses ?? []), [
    'v unless principal.segment == resource.segment | principal.segment: Segment::"outside", resource.segment: Segment::"finance"',
    'v unless principal.segment.links.contains(resource.segment) | principal.segment.links: [], resource.segment: Segment::"finance"',
  ]);
});

test('an allow names its permits; a request that met no policy has no explanation', () => {
  const { determining } = explain(call('clerk', 'ledger/pay_invoice', PAYMENT));
  assert.deepEqual(
    determining.map(({ policy, effect, clauses }) => [policy, effect, clauses.every(({ state }) => state === 'held')]),
    [['clerk-pays', 'permit', true]],
  );
  const none: Explanation = { determining: [], nearest: [] };
  assert.deepEqual(explain(call('nobody', 'ledger/pay_invoice')), none);
  assert.deepEqual(explain(call('clerk', 'ledger/nothing')), none);
  assert.deepEqual(explain(call('clerk', 'ledger/pay_invoice', { iban: 1 })), none);
});

test('a policy that fails to evaluate shows where', async () => {
  const overflow = 'context.input.amount_cents * 4611686018427387904 > 0';
  const text = (effect: string): string =>
    `@id("odd") ${effect} (principal, action == Action::"ledger/pay_invoice", resource) when { context.input.amount_cents > 1 && ${overflow} && principal.owner == "x" };`;
  const clauses = [
    'v context.input.amount_cents > 1 | context.input.amount_cents: 4200',
    `! ${overflow} | context.input.amount_cents: 4200`,
    '. principal.owner == "x"',
  ];
  const asked = call('clerk', 'ledger/pay_invoice', PAYMENT);
  const forbid = (await policySet(`${text('forbid')} @id("all") permit (principal, action, resource);`, world)).explain(asked, world);
  assert.deepEqual(drawn(forbid.determining[0]?.clauses ?? []).slice(1), clauses);
  const permit = (await policySet(text('permit'), world)).explain(asked, world);
  assert.deepEqual(drawn(permit.nearest[0]?.clauses ?? []).slice(1), clauses);
});

test('observed values are cut, and nothing in them is obeyed by a terminal', () => {
  const [first] = explain(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, iban: `\u001b[2J\u202e\u0000${'x'.repeat(10_000)}` })).nearest;
  const observed = first?.observed ?? '';
  assert.ok(observed.length < 400, observed);
  assert.doesNotMatch(observed, /\p{C}/u);
  assert.match(observed, /context\.input\.iban: "\\u001b\[2J\\u\{202e\}\\u0000xx/);
});

const allClauses = ({ scope, conditions }: Clauses): readonly PolicyClause[] => [...scope, ...conditions.flat()];

/** The clauses of a policy with this scope and these conditions. */
const textsOf = (rest: string): readonly string[] => {
  const [statement] = statementsOf({ path: 'x', text: `@permit("(") @id("forbid (") permit ${rest};` }).statements;
  return statement === undefined ? [] : allClauses(clausesOf(statement)).map(({ text }) => text);
};

test('clauses are what the author wrote, told apart only where that keeps the meaning', () => {
  const any = '(principal, action, resource)';
  const table: readonly (readonly [string, readonly string[]])[] = [
    [any, []],
    [
      '(principal == Agent::"a,(b", action in [Action::"x", Action::"y"], resource is Tool in Server::"s",)',
      ['principal == Agent::"a,(b"', 'action in [Action::"x", Action::"y"]', 'resource is Tool in Server::"s"'],
    ],
    [`${any} when { a && b\n  &&   c // why\n}`, ['a', 'b', 'c']],
    [`${any} when { a || b && c }`, ['a || b && c']],
    [`${any} when { (a || b) && c }`, ['(a || b)', 'c']],
    [`${any} when { if a then b else c && d }`, ['if a then b else c && d']],
    [`${any} when { (if a then b else c) && d }`, ['(if a then b else c)', 'd']],
    [`${any} when { "x && y" == "}" && { a: "&&" }.a == b }`, ['"x && y" == "}"', '{ a: "&&" }.a == b']],
    [`${any} when { a // x } && y\n && b }`, ['a', 'b']],
    [`${any} unless { a || b } when { c }`, ['unless a', 'unless b', 'c']],
    [`${any} unless { a && b || c }`, ['unless a && b', 'unless c']],
    [`${any} unless { (a || b) }`, ['unless (a || b)']],
    [`${any} unless { if a then b else c || d }`, ['unless if a then b else c || d']],
    [`${any} when { a } when { b && [1,\n2].contains(x) }`, ['a', 'b', '[1, 2].contains(x)']],
    [`${any} when { a . b && f ( c ) }`, ['a . b', 'f ( c )']],
  ];
  for (const [text, expected] of table) assert.deepEqual(textsOf(text), expected, text);
});

test('[Cedar] a policy told apart into its clauses is the same to the engine', () => {
  const official = new Official();
  const atom = fc.constantFrom(
    'true',
    'principal == resource',
    'context.a > 1',
    '"&&" == "||"',
    'context has b.c',
    '!(context.d)',
    '[1, 2].contains(1)',
    'resource in Server::"s"',
    'principal is Agent',
  );
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 3 },
      atom,
      fc
        .tuple(tie('expression'), fc.constantFrom('&&', '||', '&& // no\n', '||\n'), tie('expression'))
        .map(([a, operator, b]) => `${a} ${operator} ${b}`),
      tie('expression').map((inner) => `(${inner})`),
      fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
    ),
  }));
  const condition = fc.tuple(
    fc.constantFrom('when', 'unless'),
    fc.oneof(
      expression,
      expression.map((body) => `if true then false else ${body}`),
    ),
  );
  const scope = fc.constantFrom(
    '(principal, action, resource)',
    '(principal == Agent::"a\\"(", action in [Action::"b"], resource is Tool in Server::"c")',
  );
  fc.assert(
    fc.property(scope, fc.array(condition, { maxLength: 3 }), (head, conditions) => {
      const text = `@id("x") permit ${head} ${conditions.map(([kind, body]) => `${kind} { ${body} }`).join(' ')};`;
      const [statement] = statementsOf({ path: 'x', text }).statements;
      assert.ok(statement !== undefined);
      const clauses = clausesOf(statement);
      const told = withClauses(estOf(official, text), clauses, statement).conditions;
      const shown = clauses.conditions.flat();
      assert.equal(told.length, shown.length, text);
      for (const [at, { kind, body }] of told.entries()) {
        // each clause, alone, is to the engine what it was in the policy
        const alone = `permit (principal, action, resource) ${kind} { ${shown[at]?.text.replace(/^unless /, '') ?? ''} };`;
        assert.deepEqual(estOf(official, alone).conditions, [{ kind, body }], text);
      }
    }),
    { numRuns: 200 },
  );
});

function estOf(official: Official, text: string): EstPolicy {
  const parsed = official.parsePolicy(text);
  return 'effect' in parsed ? parsed : assert.fail(parsed[0]?.message);
}
