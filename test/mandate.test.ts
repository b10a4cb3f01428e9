// Mandates: what is read, what is allowed, and that everything done to them only takes away.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { entry } from '../conformance/delegation-steps.ts';
import { allowedBy, callBeyond, CALLS, firstBeyond } from '../conformance/delegation-universe.ts';
import type { Json, JsonObject } from '../src/domain/json.ts';
import {
  allows,
  endOf,
  EVERYTHING,
  intersect,
  type Mandate,
  type MandateCall,
  narrow,
  parseMandate,
  within,
} from '../src/domain/mandate.ts';
import { Refusal } from '../src/domain/refusal.ts';

const ENTRY = { type: 'cordon_task', actions: ['tools/call'], locations: ['tool:ledger/pay'] };
const of = (...members: readonly JsonObject[]): Mandate => parseMandate(members.map((member) => ({ ...ENTRY, ...member })));
const many = <T>(length: number, make: (at: number) => T): readonly T[] => Array.from({ length }, (_, at) => make(at));
const refusedAs =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof Refusal && error.code === code;

describe('[RFC9396 §2] what is read', () => {
  const good: Readonly<Record<string, Json>> = {
    'one entry': [ENTRY],
    'every member': [
      {
        ...ENTRY,
        arguments: { amount: { min: 1, max: 9007199254740993n }, to: { prefix: 'a', suffix: 'b' }, memo: {}, kind: { in: ['x', 1, true] } },
        other_arguments: false,
        after: ['tool:ledger/list', 'route:billing/get'],
        budget: { calls: 3 },
        purpose: 'month end',
        exp: 1_800_000_000,
      },
    ],
    'every form of place': [
      { ...ENTRY, locations: ['*', 'tool:*', 'tool:a/*', 'tool:a/b/c d'.replace(' ', '-'), 'mcp_server:a', 'agent:*', 'agent:b'] },
    ],
    'as many as there may be': many(32, () => ({ ...ENTRY, locations: many(64, (at) => `tool:s/t${at}`) })),
    'an argument with a name of the language': [{ ...ENTRY, arguments: Object.fromEntries([['__proto__', { max: 1 }]]) }],
  };
  for (const [name, json] of Object.entries(good)) test(name, () => assert.deepEqual(parseMandate(json), json));

  const bad: Readonly<Record<string, Json>> = {
    'no list': { ...ENTRY },
    nothing: [],
    'too many entries': many(33, () => ENTRY),
    'another type': [{ ...ENTRY, type: 'payment_initiation' }],
    'no type': [{ actions: ['*'], locations: ['*'] }],
    'a member that is not known': [{ ...ENTRY, datatypes: ['x'] }],
    'no actions': [{ ...ENTRY, actions: [] }],
    'actions that are no list': [{ ...ENTRY, actions: 'tools/call' }],
    'an action with a pattern': [{ ...ENTRY, actions: ['tools/*'] }],
    'too many actions': [{ ...ENTRY, actions: many(33, (at) => `a${at}`) }],
    'no places': [{ type: 'cordon_task', actions: ['*'] }],
    'too many places': [{ ...ENTRY, locations: many(65, (at) => `tool:s/t${at}`) }],
    'a place of no type': [{ ...ENTRY, locations: ['ledger/pay'] }],
    'a pattern in the middle': [{ ...ENTRY, locations: ['tool:*/pay'] }],
    'a pattern of a beginning': [{ ...ENTRY, locations: ['tool:ledger/pay*'] }],
    'a place with a space': [{ ...ENTRY, locations: ['tool:ledger/pay invoice'] }],
    'a place with a line break': [{ ...ENTRY, locations: ['tool:ledger/pay\n'] }],
    'a place that is no text': [{ ...ENTRY, locations: [7] }],
    'arguments that are a list': [{ ...ENTRY, arguments: [] }],
    'too many arguments': [{ ...ENTRY, arguments: Object.fromEntries(many(17, (at) => [`a${at}`, {}])) }],
    'a limit that is a value': [{ ...ENTRY, arguments: { amount: 5 } }],
    'a limit with a member that is not known': [{ ...ENTRY, arguments: { amount: { pattern: '.*' } } }],
    'no values': [{ ...ENTRY, arguments: { amount: { in: [] } } }],
    'too many values': [{ ...ENTRY, arguments: { amount: { in: many(65, (at) => at) } } }],
    'a value that is an object': [{ ...ENTRY, arguments: { amount: { in: [{}] } } }],
    'a bound that is a text': [{ ...ENTRY, arguments: { amount: { max: '5' } } }],
    'a range that is empty': [{ ...ENTRY, arguments: { amount: { min: 6, max: 5 } } }],
    'a number that is a text': [{ ...ENTRY, arguments: { amount: { min: 6, prefix: 'a' } } }],
    'values outside their own range': [{ ...ENTRY, arguments: { amount: { in: [7], max: 5 } } }],
    'other arguments that are let pass': [{ ...ENTRY, other_arguments: true }],
    'other arguments that are named': [{ ...ENTRY, other_arguments: ['n'] }],
    'nothing to come after': [{ ...ENTRY, after: [] }],
    'too much to come after': [{ ...ENTRY, after: many(17, (at) => `tool:s/t${at}`) }],
    'any tool to come after': [{ ...ENTRY, after: ['tool:ledger/*'] }],
    'an agent to come after': [{ ...ENTRY, after: ['agent:clerk'] }],
    'a budget that is a number': [{ ...ENTRY, budget: 3 }],
    'a budget of nothing': [{ ...ENTRY, budget: { calls: 0 } }],
    'a budget of something else': [{ ...ENTRY, budget: { calls: 1, tokens: 5 } }],
    'an empty purpose': [{ ...ENTRY, purpose: '' }],
    'a long purpose': [{ ...ENTRY, purpose: 'x'.repeat(201) }],
    'an expiry that is a text': [{ ...ENTRY, exp: '2030-01-01' }],
    'an expiry that is no whole number': [{ ...ENTRY, exp: 1.5 }],
    'an expiry before time': [{ ...ENTRY, exp: -1 }],
  };
  for (const [name, json] of Object.entries(bad))
    test(`not ${name}`, () => assert.throws(() => parseMandate(json), refusedAs('CORDON-9011')));
});

describe('[I4] what is allowed', () => {
  const call = (more: Partial<MandateCall> = {}): MandateCall => ({
    action: 'tools/call',
    resource: { type: 'tool', id: 'ledger/pay' },
    input: {},
    ...more,
  });
  const at = (type: string, id: string, action = 'tools/call'): MandateCall => call({ action, resource: { type, id } });
  const cases: readonly (readonly [string, JsonObject, MandateCall, boolean])[] = [
    ['the tool', {}, call(), true],
    ['another tool', {}, at('tool', 'ledger/read'), false],
    ['a tool whose name begins so', {}, at('tool', 'ledger/pay_all'), false],
    ['a tool of the server', { locations: ['tool:ledger/*'] }, at('tool', 'ledger/read'), true],
    ['a tool of a server whose name begins so', { locations: ['tool:ledger/*'] }, at('tool', 'ledger2/read'), false],
    ['an agent of the name of the server', { locations: ['tool:ledger/*'] }, at('agent', 'ledger'), false],
    ['another action', {}, call({ action: 'a2a/SendMessage' }), false],
    ['any action', { actions: ['*'] }, call({ action: 'a2a/SendMessage' }), true],
    ['a session with the server of a tool', {}, at('mcp_server', 'ledger', 'initialize'), true],
    ['the list of tools of that server', {}, at('mcp_server', 'ledger', 'tools/list'), true],
    ['a session with another server', {}, at('mcp_server', 'mail', 'tools/list'), false],
    ['a session with a server whose name begins so', {}, at('mcp_server', 'led', 'tools/list'), false],
    ['something else of that server', {}, at('mcp_server', 'ledger', 'resources/read'), false],
    ['a session when agents are named', { locations: ['agent:*'] }, at('mcp_server', 'ledger', 'initialize'), false],
    ['within a range', { arguments: { n: { min: 1, max: 5 } } }, call({ input: { n: 5 } }), true],
    ['over it', { arguments: { n: { max: 5 } } }, call({ input: { n: 5.1 } }), false],
    ['over it by one, far out', { arguments: { n: { max: 9007199254740993n } } }, call({ input: { n: 9007199254740994n } }), false],
    ['a text in place of a number', { arguments: { n: { max: 5 } } }, call({ input: { n: '1' } }), false],
    ['a list in place of a number', { arguments: { n: { max: 5 } } }, call({ input: { n: [1] } }), false],
    ['null in place of a number', { arguments: { n: { max: 5 } } }, call({ input: { n: null } }), false],
    ['without the argument', { arguments: { n: {} } }, call(), false],
    ['with an inherited argument', { arguments: { toString: {} } }, call(), false],
    ['with whatever the argument is', { arguments: { n: {} } }, call({ input: { n: null } }), true],
    ['one of the values', { arguments: { n: { in: ['a', 1] } } }, call({ input: { n: 1 } }), true],
    ['none of the values', { arguments: { n: { in: ['a', 1] } } }, call({ input: { n: '1' } }), false],
    ['no argument besides', { arguments: { n: {} }, other_arguments: false }, call({ input: { n: 1 } }), true],
    ['an argument besides', { arguments: { n: {} }, other_arguments: false }, call({ input: { n: 1, m: 1 } }), false],
    ['any argument where there is to be none', { other_arguments: false }, call({ input: { n: 1 } }), false],
    ['none where there is to be none', { other_arguments: false }, call(), true],
    ['an argument besides with a name of the language', { other_arguments: false }, call({ input: { toString: 1 } }), false],
    ['arguments that nobody has seen', { other_arguments: false }, call({ unseen: true }), false],
    ['after what was called', { after: ['tool:a/x', 'tool:a/y'] }, call({ done: ['tool:a/y', 'tool:a/x'] }), true],
    ['after what was not', { after: ['tool:a/x', 'tool:a/y'] }, call({ done: ['tool:a/x'] }), false],
    ['after what nobody knows', { after: ['tool:a/x'] }, call(), false],
    ['a session before it', { after: ['tool:a/x'] }, at('mcp_server', 'ledger', 'initialize'), true],
    ['a beginning and an end', { arguments: { n: { prefix: 'ab', suffix: 'bc' } } }, call({ input: { n: 'abc' } }), true],
    ['another end', { arguments: { n: { prefix: 'ab', suffix: 'bc' } } }, call({ input: { n: 'ab' } }), false],
    ['the last of a budget', { budget: { calls: 3 } }, call({ made: 2 }), true],
    ['after the budget', { budget: { calls: 3 } }, call({ made: 3 }), false],
    ['before the end', { exp: 101 }, call(), true],
    ['at the end', { exp: 100 }, call(), false],
    ['a session after the end', { exp: 100 }, at('mcp_server', 'ledger', 'initialize'), false],
  ];
  for (const [name, member, tried, expected] of cases) test(name, () => assert.equal(allows(of(member), tried, 100), expected));

  test('without arguments it is asked whether any would do', () => {
    const { input: _input, ...asked } = call();
    assert.equal(allows(of({ arguments: { n: { max: 5 } } }), asked, 100), true);
  });

  test('everything', () => assert.equal(allows(EVERYTHING, at('agent', 'clerk', 'a2a/SendMessage'), 100), true));

  test('one entry is enough, and none gives to another', () => {
    const two = of({ arguments: { n: { max: 5 } } }, { locations: ['tool:ledger/read'] });
    assert.equal(allows(two, at('tool', 'ledger/read'), 100), true);
    assert.equal(allows(two, call({ input: { n: 6 } }), 100), false);
  });

  test('the last end of all is the end', () => {
    assert.equal(endOf(of({ exp: 5 }, { exp: 9 })), 9);
    assert.equal(endOf(of({ exp: 5 }, {})), undefined);
  });
});

describe('[I4] narrowing', () => {
  const parent = of({ locations: ['tool:ledger/*'], arguments: { n: { max: 5 } }, budget: { calls: 3 }, purpose: 'trip', exp: 100 });
  test('what is not mentioned is the parent’s', () => {
    assert.deepEqual(narrow(parent, of({ arguments: { n: { max: 2 } } })), [
      { ...ENTRY, arguments: { n: { max: 2 } }, budget: { calls: 3 }, purpose: 'trip', exp: 100 },
    ]);
  });

  const wider: Readonly<Record<string, JsonObject>> = {
    'another place': { locations: ['tool:mail/send'], arguments: { n: { max: 5 } } },
    'a wider place': { locations: ['*'], arguments: { n: { max: 5 } } },
    'one place too many': { locations: ['tool:ledger/pay', 'tool:mail/send'], arguments: { n: { max: 5 } } },
    'another action': { actions: ['tools/call', 'a2a/SendMessage'], arguments: { n: { max: 5 } } },
    'a limit left out': {},
    'a wider limit': { arguments: { n: { max: 6 } } },
    'another kind of limit': { arguments: { n: { prefix: '1' } } },
    'a value outside': { arguments: { n: { in: [1, 6] } } },
    'a larger budget': { arguments: { n: { max: 5 } }, budget: { calls: 4 } },
    'another purpose': { arguments: { n: { max: 5 } }, purpose: 'fun' },
    'a later end': { arguments: { n: { max: 5 } }, exp: 101 },
  };
  for (const [name, member] of Object.entries(wider)) {
    test(`refused: ${name}`, () => assert.throws(() => narrow(parent, of(member)), refusedAs('CORDON-2003')));
    test(`not within: ${name}`, () =>
      assert.equal(within(of({ budget: { calls: 3 }, purpose: 'trip', exp: 100, ...member }), parent), false));
  }

  test('other arguments: who holds none gives none', () => {
    const closed = of({ arguments: { n: { max: 5 } }, other_arguments: false });
    for (const asked of [
      { arguments: { n: { max: 5 } } },
      { arguments: { n: { max: 5 }, m: {} } },
      { arguments: { n: { max: 5 }, m: {} }, other_arguments: false as const },
    ])
      assert.throws(() => narrow(closed, of(asked)), refusedAs('CORDON-2003'), JSON.stringify(asked));
    assert.deepEqual(narrow(closed, of({ arguments: { n: { max: 2 } }, other_arguments: false })), [
      { ...ENTRY, arguments: { n: { max: 2 } }, other_arguments: false },
    ]);
    assert.deepEqual(narrow(of({}), closed), closed);
    assert.equal(intersect(closed, of({ arguments: { m: {} } })), undefined, 'what one asks for the other lets nobody say');
    assert.deepEqual(intersect(closed, of({ arguments: { n: { min: 1 } } })), [
      { ...ENTRY, arguments: { n: { min: 1, max: 5 } }, other_arguments: false },
    ]);
  });

  test('order: what comes after stays so, and may come after more', () => {
    const later = of({ after: ['tool:a/x'] });
    for (const asked of [{}, { after: ['tool:a/y'] }]) assert.throws(() => narrow(later, of(asked)), refusedAs('CORDON-2003'));
    const both = of({ after: ['tool:a/x', 'tool:a/y'] });
    assert.deepEqual(narrow(later, both), both);
    assert.deepEqual(intersect(of({ after: ['tool:a/y'], budget: { calls: 1 } }), later), [
      { ...ENTRY, after: ['tool:a/y', 'tool:a/x'], budget: { calls: 1 } },
    ]);
    const many_ = (name: string): Mandate => of({ after: many(16, (at) => `tool:${name}/t${at}`) });
    assert.throws(() => intersect(many_('a'), many_('b')), refusedAs('CORDON-2003'));
  });

  const text = of({ arguments: { n: { prefix: 'acme-', suffix: '-x' } } });
  for (const limit of [
    { prefix: 'acme', suffix: '-x' },
    { prefix: 'acme-1' },
    { prefix: 'evil-', suffix: '-x' },
    { prefix: 'acme-', suffix: 'x' },
    { in: ['acme-x', 'evil-x'] },
    {},
  ]) {
    test(`refused: ${JSON.stringify(limit)} of a text with a beginning and an end`, () =>
      assert.throws(() => narrow(text, of({ arguments: { n: limit } })), refusedAs('CORDON-2003')));
  }

  test('two entries hold together what neither holds alone', () => {
    const two = of({ locations: ['tool:a/x'] }, { locations: ['tool:b/y'] });
    assert.equal(within(of({ locations: ['tool:a/x', 'tool:b/y'] }), two), true);
  });

  test('what is shared may be too long to say', () => {
    const [a, b] = ['a', 'b'].map((name) => of(...many(32, (at) => ({ locations: ['*'], arguments: { [name]: { in: [at] } } }))));
    assert.throws(() => intersect(a ?? [], b ?? []), refusedAs('CORDON-2003'));
  });

  // each against every call of a small world, by an oracle that shares no line with what is tested
  const mandate = fc
    .array(entry, { minLength: 1, maxLength: 3 })
    .map(parsed)
    .filter((one) => one !== undefined);
  const trial = { numRuns: 2_000, seed: 20_261_123 };

  test('what a mandate allows is what the words say', () => {
    fc.assert(
      fc.property(mandate, fc.nat(), (one, from) => {
        const allowed = allowedBy(one);
        for (let at = from % 50; at < CALLS.length; at += 50) {
          const { action, type, id, input, made, done, at: now } = CALLS[at] ?? assert.fail();
          assert.equal(
            allows(one, { action, resource: { type, id }, input, made, done }, now),
            allowed[at] === 1,
            JSON.stringify([one, CALLS[at]]),
          );
        }
        assert.equal(within(one, one), true);
      }),
      trial,
    );
  });

  test('an intersection allows nothing that both do not', () => {
    fc.assert(
      fc.property(mandate, mandate, (a, b) => {
        const shared = intersect(a, b);
        const [had, other] = [allowedBy(a), allowedBy(b)];
        const has = allowedBy(shared ?? []);
        assert.equal(callBeyond(has, had), undefined);
        assert.equal(callBeyond(has, other), undefined);
        if (shared !== undefined) assert.ok(within(shared, a) && within(shared, b));
      }),
      trial,
    );
  });

  test('who is within allows nothing more', () => {
    fc.assert(
      fc.property(mandate, mandate, (a, b) => {
        if (within(a, b)) assert.equal(callBeyond(allowedBy(a), allowedBy(b)), undefined);
        const left = narrowed(a, b);
        if (left === undefined) return;
        assert.equal(callBeyond(allowedBy(left), allowedBy(a)), undefined);
        assert.equal(callBeyond(allowedBy(left), allowedBy(b)), undefined);
        assert.equal(firstBeyond(allowedBy(b), allowedBy(a)), undefined, 'less was given than was asked for, without a word');
      }),
      trial,
    );
  });
});

function parsed(json: readonly JsonObject[]): Mandate | undefined {
  try {
    return parseMandate(json);
  } catch {
    return undefined;
  }
}

function narrowed(held: Mandate, asked: Mandate): Mandate | undefined {
  try {
    return narrow(held, asked);
  } catch (error) {
    assert.ok(refusedAs('CORDON-2003')(error));
    return undefined;
  }
}
