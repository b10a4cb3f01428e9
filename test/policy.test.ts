// The policy engine as the rest of Cordon uses it: admission, decisions, the tools/list filter, and what an attacker would try.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Decision, Level } from '../src/domain/access.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { parseJson } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import type { World } from '../src/domain/registry.ts';
import { admit } from '../src/policy/admit.ts';
import { call, desk, digest, levels, PAYMENT, POLICIES, policySet, request, tool } from './support/policy-desk.ts';

const ALLOW_ALL = '@id("all") permit (principal, action, resource);';
const world = desk();
const set = await policySet(POLICIES, world);

/** `allow clerk-pays`, `deny CORDON-3007 cordon.segment` */
const said = ({ verdict, code, determining }: Decision): string => [verdict, code ?? [], determining].flat(2).join(' ');

const refusal = async (text: string, over?: World): Promise<Refusal> => {
  try {
    await policySet(text, over);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail(`admitted: ${text.slice(0, 200)}`);
};

test('[Cedar] what is permitted is allowed, everything else denied with its own code', () => {
  const table: readonly (readonly [string, Parameters<typeof set.decide>[0], string])[] = [
    ['the permit holds', call('clerk', 'ledger/pay_invoice', PAYMENT), 'allow clerk-pays'],
    ['a read of the segment', call('auditor', 'ledger/list_invoices'), 'allow finance-reads'],
    ['a session method', request('clerk', 'tools/list', 'ledger'), 'allow finance-reads'],
    ['A2A over a link', request('clerk', 'a2a/SendMessage', 'reader', { text: 'hi' }), 'allow clerk-asks-reader'],
    ['another account', call('clerk', 'ledger/pay_invoice', { ...PAYMENT, iban: 'DE1' }), 'deny CORDON-3005'],
    ['too much', call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents: 100001 }), 'deny CORDON-3005'],
    ['a forbid', call('clerk', 'ledger/pay_invoice', { ...PAYMENT, memo: 'urgent' }), 'deny CORDON-3012 no-night-memo'],
    ['another agent', call('auditor', 'ledger/pay_invoice', PAYMENT), 'deny CORDON-3001'],
    ['no permit', request('clerk', 'initialize', 'mail'), 'deny CORDON-3001'],
    ['unknown agent', call('nobody', 'ledger/pay_invoice', PAYMENT), 'deny CORDON-1014'],
    ['unknown tool', call('clerk', 'ledger/pay'), 'deny CORDON-3003'],
    ['unknown server', request('clerk', 'tools/list', 'nowhere'), 'deny CORDON-3003'],
    ['unknown callee', request('clerk', 'a2a/SendMessage', 'nobody'), 'deny CORDON-3003'],
    ['unknown method', request('clerk', 'tools/delete', 'ledger'), 'deny CORDON-3008'],
    ['a method whose arguments are missing', request('clerk', 'resources/read', 'ledger'), 'deny CORDON-3006'],
    ['a group is no method', request('clerk', 'read', 'ledger'), 'deny CORDON-3008'],
    ['a tool call on a server', { ...call('clerk', 'ledger'), resource: { type: 'mcp_server', id: 'ledger' } }, 'deny CORDON-3008'],
    ['a method on an agent', { ...request('clerk', 'ping', 'reader'), resource: { type: 'agent', id: 'reader' } }, 'deny CORDON-3008'],
    ['arguments missing', call('clerk', 'ledger/pay_invoice'), 'deny CORDON-3006'],
    ['arguments undeclared', call('clerk', 'ledger/pay_invoice', { ...PAYMENT, to: 'me' }), 'deny CORDON-3006'],
    ['no link', call('reader', 'ledger/pay_invoice', PAYMENT), 'deny CORDON-3007 cordon.segment'],
  ];
  for (const [name, asked, expected] of table) assert.equal(said(set.decide(asked, world)), expected, name);
});

test('a decision carries its reason and the version of the set', () => {
  const decision = set.decide(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, memo: 'urgent' }), world);
  assert.equal(decision.reason, 'a memo needs a second pair of eyes');
  assert.equal(decision.policyVersion, 7);
  const misfit = set.decide(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, iban: 4 }), world);
  assert.equal(misfit.reason, 'argument `iban` does not fit the input schema, observed number, expected string');
});

test('[I9] guardrails come before arguments and before other forbids, in their order', async () => {
  const all = await policySet(`${ALLOW_ALL} @id("no") forbid (principal, action == Action::"ledger/pay_invoice", resource);`);
  const decided = (agent: string, of: Record<string, Level>, input: JsonObject = {}): string =>
    said(all.decide(call(agent, 'ledger/pay_invoice', input), desk({ levels: levels(of) })));
  assert.equal(decided('clerk', { clerk: 'off' }, PAYMENT), 'deny CORDON-4002 cordon.level.off no');
  assert.equal(decided('stranger', { stranger: 'off' }), 'deny CORDON-4002 cordon.level.off cordon.segment no');
  assert.equal(decided('stranger', { stranger: 'restricted' }), 'deny CORDON-3007 cordon.segment cordon.level.restricted no');
  assert.equal(decided('clerk', {}, PAYMENT), 'deny CORDON-3002 no');
  // who may not call the tool whatever the arguments learns nothing about the arguments
  assert.equal(decided('stranger', {}, { iban: 1 }), 'deny CORDON-3007 cordon.segment no');
});

test('levels: off in both directions, restricted to reads', async () => {
  const all = await policySet(ALLOW_ALL);
  const decided = (asked: Parameters<typeof set.decide>[0], of: Record<string, Level>): string =>
    said(all.decide(asked, desk({ levels: levels(of) })));
  assert.equal(decided(request('clerk', 'a2a/SendMessage', 'auditor'), { auditor: 'off' }), 'deny CORDON-4002 cordon.level.callee-off');
  assert.equal(
    decided(request('reader', 'a2a/SendMessage', 'clerk'), { clerk: 'off' }),
    'deny CORDON-3007 cordon.segment cordon.level.callee-off',
  );
  assert.equal(decided(call('clerk', 'ledger/list_invoices'), { clerk: 'restricted' }), 'allow all');
  assert.equal(decided(request('clerk', 'tools/list', 'ledger'), { clerk: 'restricted' }), 'allow all');
  assert.equal(decided(request('clerk', 'a2a/GetAgentCard', 'reader'), { clerk: 'restricted' }), 'allow all');
  assert.equal(decided(request('clerk', 'a2a/SendMessage', 'reader'), { clerk: 'restricted' }), 'deny CORDON-4004 cordon.level.restricted');
  assert.equal(decided(call('clerk', 'ledger/pay_invoice', PAYMENT), { clerk: 'watched' }), 'allow all');
});

test('[I1] a set that cannot be admitted says what to mend, with file, line and caret', async () => {
  const pay = 'action == Action::"ledger/pay_invoice"';
  const table: readonly (readonly [string, string, RegExp])[] = [
    [
      'misspelt attribute',
      `\n@id("a") // é\npermit (principal, ${pay}, resource)\nwhen { "é" == "é" && context.input.ibn == "" };`,
      /^desk\.cedar:4:22: attribute `input\.ibn` .*did you mean `iban`\?\n {2}4 \| when \{ "é" == "é" && context\.input\.ibn == "" \};\n {4}\| {22}\^{17}$/,
    ],
    [
      'misspelt action',
      '@id("a") permit (principal, action == Action::"ledger/pay_invoic", resource);',
      /:1:39: unrecognized action .*did you mean `Action::"ledger\/pay_invoice"`/,
    ],
    ['misspelt type', '@id("a") permit (principal is Agnt, action, resource);', /did you mean `Agent`/],
    ['a type error', `@id("a") forbid (principal, ${pay}, resource) when { context.input.iban in ["x"] };`, /unexpected type/],
    ['an optional attribute unguarded', `@id("a") forbid (principal, ${pay}, resource) when { context.input.memo == "x" };`, /has memo/],
    [
      'inside what is not typed',
      `@id("a") forbid (principal, ${pay}, resource) when { context.input has options && context.input.options like "x" };`,
      /unexpected type/,
    ],
    [
      'a forbid that can never apply',
      `@id("a") forbid (principal, ${pay}, resource) when { context.input has mem };`,
      /:1:1: this forbid can never apply/,
    ],
    ['no id', 'permit (principal, action, resource);', /:1:1: the policy has no `@id`/],
    ['an empty id', '@id permit (principal, action, resource);', /the `@id` is not a name/],
    ['a hostile id', '@id("__proto__") permit (principal, action, resource);', /the `@id` is not a name/],
    ['an id with a line break', '@id("a\\nb") permit (principal, action, resource);', /the `@id` is not a name/],
    ['an id of ours', '@id("cordon.segment") permit (principal, action, resource);', /guardrails/],
    ['an id twice', `${ALLOW_ALL}\n${ALLOW_ALL}`, /desk\.cedar:2:1: .*taken by the policy at desk\.cedar:1\n/],
    ['a template', '@id("a") permit (principal == ?principal, action, resource);', /:1:31: expected a static policy/],
    ['a syntax error', '@id("a") permit (principal, action, resource) whn { true };', /condition must be either/],
    ['no end', '@id("a") permit (principal, action, resource) when { true', /unexpected end/],
    ['a string without an end', `${ALLOW_ALL}\n  "`, /^desk\.cedar:2:3: a string without an end/],
    ['a foreign character', `${ALLOW_ALL} ~`, /a character that Cedar does not know/],
    [
      'two policies told as one',
      '@id("a") permit (principal, action, resource) // x\r permit (principal, action, resource);',
      /unexpected token/,
    ],
    ['a mode that is not there', '@id("a") @mode("watch") permit (principal, action, resource);', /`@mode` is not known/],
    [
      'an integer beyond 64 bits',
      `@id("a") permit (principal, ${pay}, resource) when { context.input.amount_cents == 9223372036854775808 };`,
      /is too large/,
    ],
  ];
  for (const [name, text, message] of table) {
    const refused = await refusal(text, world);
    assert.equal(refused.code, 'CORDON-9006', name);
    assert.match(refused.message, message, name);
  }
});

test('every problem of a set is reported, up to ten', async () => {
  const { message } = await refusal('permit (principal, action, resource);\n'.repeat(12), world);
  assert.equal(message.match(/has no `@id`/g)?.length, 10);
  assert.match(message, /and 2 more$/);
});

test('[I1] guardrails alone are no policy', async () => {
  for (const text of ['', '// nothing\n', '  \n']) assert.equal((await refusal(text, world)).code, 'CORDON-9007');
  await assert.rejects(admit([], world, 1, digest), { code: 'CORDON-9007' });
});

test('[I10] text that would overflow the engine is refused before the engine sees it', async () => {
  const body = (expression: string): string => `@id("a") permit (principal, action, resource) when { ${expression} };`;
  const chain = (operator: string): string => Array(95).fill('true').join(` ${operator} `);
  const table: readonly (readonly [string, string])[] = [
    ['a chain', body(Array(300).fill('true').join(' || '))],
    ['a sum', body(`${Array(300).fill('1').join(' + ')} == 1`)],
    ['brackets', body(`${'('.repeat(65)}true${')'.repeat(65)}`)],
    ['records', body(`${'{a:'.repeat(65)}1${'}'.repeat(65)} == {a:1}`)],
    ['else if', body(`${'if true then true else '.repeat(120)}true`)],
    ['conditions', `@id("a") permit (principal, action, resource) ${'when { true } '.repeat(120)};`],
    ['attributes', body(`principal${'.segment'.repeat(300)} == principal`)],
    ['a chain in a chain', body(`${chain('&&')} && (${chain('||')} || (${chain('&&')}))`)],
    ['too many clauses', `@id("a") permit (principal, action, resource) ${`when { ${Array(60).fill('true').join(' && ')} } `.repeat(2)};`],
    ['megabytes', `${ALLOW_ALL}//${'x'.repeat(8_000_000)}`],
  ];
  for (const [name, text] of table) assert.equal((await refusal(text, world)).code, 'CORDON-9006', name);
  // what is within the bounds is evaluated, again and again
  const deep = await policySet(
    body(`${'('.repeat(60)}${Array(100).fill('principal.owner == "nobody"').join(' || ')}${')'.repeat(60)}`),
    world,
  );
  for (let at = 0; at < 20; at++) assert.equal(said(deep.decide(call('clerk', 'ledger/list_invoices'), world)), 'deny CORDON-3001');
});

test('[I1] an engine that fails is an error that denies, and the next decision stands', async () => {
  const broken = desk({
    levels: new (class extends Map<string, Level> {
      override get(): never {
        throw new Error('the levels are gone');
      }
    })(),
  });
  const all = await policySet(ALLOW_ALL);
  const decision = all.decide(request('clerk', 'ping', 'ledger'), broken);
  assert.equal(said(decision), 'error CORDON-9001');
  assert.equal(decision.reason, 'the levels are gone');
  assert.deepEqual(all.visibleTools('clerk', 'ledger', broken), []);
  assert.equal(said(all.decide(request('clerk', 'ping', 'ledger'), world)), 'allow all');
});

test('[I1] a forbid that fails to evaluate denies; a permit that fails is skipped and listed', async () => {
  const overflow = 'context.input.amount_cents * 4611686018427387904 > 0';
  const pay = 'principal, action == Action::"ledger/pay_invoice", resource';
  const forbid = await policySet(`${ALLOW_ALL} @id("odd") forbid (${pay}) when { ${overflow} };`);
  const denied = forbid.decide(call('clerk', 'ledger/pay_invoice', PAYMENT), world);
  assert.equal(said(denied), 'error CORDON-9005 odd');
  assert.deepEqual(
    denied.errors.map(({ policy }) => policy),
    ['odd'],
  );
  assert.match(denied.errors[0]?.message ?? '', /^integer overflow$/);
  assert.equal(said(forbid.decide(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, amount_cents: 0 }), world)), 'allow all');
  // a forbid that holds is a better answer than one that fails
  const both = await policySet(`${ALLOW_ALL} @id("odd") forbid (${pay}) when { ${overflow} }; @id("no") forbid (${pay});`);
  assert.equal(said(both.decide(call('clerk', 'ledger/pay_invoice', PAYMENT), world)), 'deny CORDON-3002 no');
  const permit = await policySet(`@id("odd") permit (${pay}) when { ${overflow} }; ${ALLOW_ALL}`);
  const allowed = permit.decide(call('clerk', 'ledger/pay_invoice', PAYMENT), world);
  assert.equal(said(allowed), 'allow all');
  assert.deepEqual(
    allowed.errors.map(({ policy }) => policy),
    ['odd'],
  );
});

test('a code that a policy cannot give is replaced and warned of', async () => {
  const text = ['CORDON-3099', 'CORDON-3007', 'CORDON-1001', 'CORDON-9001', 'nonsense']
    .map(
      (code, at) =>
        `@id("f${at}") @code("${code}") forbid (principal, action == Action::"ping", resource) when { principal.owner == "${at}" };`,
    )
    .join('\n');
  const codes = await policySet(`${ALLOW_ALL} ${text}`, world);
  const given = [0, 1, 2, 3, 4].map((at) => {
    const agents = world.agents.map((agent) => ({ ...agent, owner: `${at}` }));
    return codes.decide(request('clerk', 'ping', 'ledger'), desk({ agents })).code;
  });
  assert.deepEqual(given, ['CORDON-3002', 'CORDON-3007', 'CORDON-3002', 'CORDON-3002', 'CORDON-3002']);
  assert.deepEqual(
    codes.warnings.map(({ policy }) => policy),
    ['f0', 'f2', 'f3', 'f4'],
  );
});

test('[Cedar] integers are exact to 64 bits, on both sides', async () => {
  const exact = await policySet(
    '@id("a") permit (principal, action == Action::"ledger/pay_invoice", resource) when { context.input.amount_cents == 9007199254740993 };',
  );
  const decided = (literal: string): string => {
    const text = `{"vendor":"Acme","iban":"x","amount_cents":${literal}}`;
    const input = parseJson(new TextEncoder().encode(text), { maxBytes: 1000, maxDepth: 5 });
    return said(exact.decide(call('clerk', 'ledger/pay_invoice', input as JsonObject), world));
  };
  assert.equal(decided('9007199254740993'), 'allow a');
  assert.equal(decided('9007199254740992'), 'deny CORDON-3005');
  assert.equal(decided('9007199254740994'), 'deny CORDON-3005');
  assert.equal(decided('-9223372036854775808'), 'deny CORDON-3005');
  for (const beyond of ['9223372036854775808', '-9223372036854775809', '1e16', '1.5', '1e300', 'null', '"1"', 'true', '[1]', '{}']) {
    assert.equal(decided(beyond), 'deny CORDON-3006', beyond);
  }
});

test('the hash follows the text, its place and its order; the sets are told apart by version', async () => {
  const one = await admit([{ path: 'a', text: ALLOW_ALL }], world, 1, digest);
  const again = await admit([{ path: 'a', text: ALLOW_ALL }], desk(), 2, digest);
  const moved = await admit([{ path: 'b', text: ALLOW_ALL }], world, 3, digest);
  assert.equal(one.hash, again.hash);
  assert.notEqual(one.hash, moved.hash);
  assert.match(one.hash, /^[0-9a-f]{64}$/);
  assert.deepEqual([one.version, again.version], [1, 2]);
  assert.deepEqual(
    one.policies.map(({ id, effect, source }) => `${effect} ${id} ${source}`),
    [
      'forbid cordon.level.off guardrails:2',
      'forbid cordon.segment guardrails:8',
      'forbid cordon.level.callee-off guardrails:14',
      'forbid cordon.level.restricted guardrails:20',
      'permit all a:1',
    ],
  );
});

test('a set judges the tools it was validated against, under any levels, agents, links and tags', async () => {
  const all = await policySet(POLICIES, world);
  const ledger = world.tools.get('ledger') ?? [];
  const changed = (tools: World['tools'], over: Partial<World> = {}): World => desk({ ...over, tools });
  const moved = desk({ levels: levels({ clerk: 'watched' }), resources: world.resources.map((one) => ({ ...one, tags: { Acme: 'XX' } })) });
  assert.equal(all.covers(moved), true);
  assert.equal(said(all.decide(call('clerk', 'ledger/pay_invoice', { ...PAYMENT, iban: 'XX' }), moved)), 'allow clerk-pays');

  const grown = changed(new Map([...world.tools, ['ledger', [...ledger, tool('wipe', { type: 'object' })]]]));
  assert.equal(all.covers(grown), false);
  assert.equal(said(all.decide(call('clerk', 'ledger/wipe'), grown)), 'error CORDON-9001');
  assert.equal(said(all.decide(call('clerk', 'ledger/pay_invoice', PAYMENT), grown)), 'allow clerk-pays');

  const retyped = changed(new Map([['ledger', [tool('pay_invoice', { type: 'object', properties: { iban: { type: 'string' } } })]]]));
  assert.equal(said(all.decide(call('clerk', 'ledger/pay_invoice', { iban: 'x' }), retyped)), 'error CORDON-9001');
  assert.deepEqual(all.visibleTools('clerk', 'ledger', retyped), []);

  const nowRead = desk({ resources: world.resources.map((one) => ({ ...one, reads: ['list_invoices', 'pay_invoice', 'read'] })) });
  assert.equal(all.covers(nowRead), false);
  assert.equal(said(all.decide(call('auditor', 'ledger/pay_invoice', PAYMENT), nowRead)), 'error CORDON-9001');

  const gone = changed(new Map());
  assert.equal(all.covers(gone), false);
  assert.equal(said(all.decide(call('clerk', 'ledger/pay_invoice', PAYMENT), gone)), 'deny CORDON-3003');
});

test('an agent whose segment is not registered reaches nothing, itself included', async () => {
  const lost = desk({ agents: [...world.agents, { name: 'lost', segment: 'gone', owner: '', purpose: '' }] });
  const all = await policySet(ALLOW_ALL, lost);
  assert.equal(said(all.decide(request('lost', 'a2a/SendMessage', 'lost'), lost)), 'deny CORDON-3007');
  assert.equal(said(all.decide(request('clerk', 'a2a/SendMessage', 'lost'), lost)), 'deny CORDON-3007');
});

test('an agent may be permitted to call itself', async () => {
  assert.equal(said((await policySet(ALLOW_ALL)).decide(request('clerk', 'a2a/SendMessage', 'clerk', { text: 'x' }), world)), 'allow all');
});

test('tools/list shows what may be allowed for some arguments, and nothing else that is certain', () => {
  const visible = (agent: string, resource: string, over: World = world): string => set.visibleTools(agent, resource, over).join(' ');
  assert.equal(visible('clerk', 'ledger'), 'pay_invoice list_invoices');
  assert.equal(visible('auditor', 'ledger'), 'list_invoices');
  assert.equal(visible('clerk', 'mail'), '');
  assert.equal(visible('reader', 'ledger'), '');
  assert.equal(visible('nobody', 'ledger'), '');
  assert.equal(visible('clerk', 'nowhere'), '');
  assert.equal(visible('clerk', 'ledger', desk({ levels: levels({ clerk: 'off' }) })), '');
  assert.equal(visible('clerk', 'ledger', desk({ levels: levels({ clerk: 'restricted' }) })), 'list_invoices');
});

test('[I9] [I1] under a permit of everything, exactly the guardrails decide', async () => {
  const all = await policySet(ALLOW_ALL);
  const name = fc.constantFrom('s1', 's2', 's3');
  const level = fc.constantFrom<Level>('normal', 'watched', 'restricted', 'off');
  const links = fc.uniqueArray(name);
  const action = fc.constantFrom('ledger/list_invoices', 'ledger/pay_invoice', 'a2a/SendMessage', 'a2a/GetAgentCard', 'ping');
  const shape = fc.record({ links: fc.tuple(links, links, links), from: name, to: name, server: name, mine: level, its: level, action });
  fc.assert(
    fc.property(shape, (at) => {
      const segments = ['s1', 's2', 's3'].map((segment, index) => ({ name: segment, links: at.links[index] ?? [] }));
      const agents = [
        ['a', at.from],
        ['b', at.to],
      ].map(([agent = '', segment = '']) => ({ name: agent, segment, owner: '', purpose: '' }));
      const resources = world.resources.map((one) => ({ ...one, segment: at.server }));
      const random: World = {
        ...world,
        segments,
        agents,
        resources,
        levels: new Map([
          ['a', at.mine],
          ['b', at.its],
        ]),
      };
      const isA2a = at.action.startsWith('a2a/');
      const asked = isA2a
        ? request('a', at.action, 'b')
        : at.action === 'ping'
          ? request('a', 'ping', 'ledger')
          : call('a', at.action, at.action === 'ledger/pay_invoice' ? PAYMENT : {});
      const target = isA2a ? at.to : at.server;
      const linked = at.from === target || segments.some((segment) => segment.name === at.from && segment.links.includes(target));
      const isRead = at.action !== 'ledger/pay_invoice' && at.action !== 'a2a/SendMessage';
      const expected =
        at.mine === 'off'
          ? 'CORDON-4002'
          : !linked
            ? 'CORDON-3007'
            : isA2a && at.its === 'off'
              ? 'CORDON-4002'
              : at.mine === 'restricted' && !isRead
                ? 'CORDON-4004'
                : undefined;
      const decision = all.decide(asked, random);
      assert.equal(decision.code, expected);
      assert.equal(decision.verdict, expected === undefined ? 'allow' : 'deny');
      const visible = all.visibleTools('a', 'ledger', random);
      const mayCall = (read: boolean): boolean =>
        at.mine !== 'off' &&
        (at.from === at.server || segments.some((one) => one.name === at.from && one.links.includes(at.server))) &&
        (at.mine !== 'restricted' || read);
      assert.deepEqual(visible, [...(mayCall(false) ? ['pay_invoice'] : []), ...(mayCall(true) ? ['list_invoices'] : [])]);
    }),
    { numRuns: 150 },
  );
});

test('whatever decide allows for some arguments, tools/list shows', async () => {
  const clause = fc.constantFrom(
    'principal.owner == "platform"',
    'principal.level != "off"',
    'resource.server.hasTag("Acme")',
    'resource.reads',
    'principal == Agent::"clerk"',
    'context.input.amount_cents > 10',
    'context.input has memo && context.input.memo == "x"',
    'resource.server.hasTag(context.input.vendor)',
    '(context.input.amount_cents > 10 || principal.owner == "x")',
    '(if context.input.amount_cents > 5 then resource.reads else principal.owner == "platform")',
    'principal.segment == resource.segment',
    'context.input.amount_cents * 4611686018427387904 > 0',
    'true',
    'false',
  );
  const condition = fc.tuple(
    fc.constantFrom('when', 'unless'),
    fc.array(clause, { minLength: 1, maxLength: 3 }),
    fc.constantFrom(' && ', ' || '),
  );
  const policy = fc.tuple(
    fc.constantFrom('permit', 'permit', 'forbid'),
    fc.constantFrom('principal', 'principal == Agent::"clerk"', 'principal in Segment::"finance"'),
    fc.array(condition, { maxLength: 2 }),
  );
  const payments = ['x', 'y'].flatMap((memo) =>
    ['Acme', 'Other'].flatMap((vendor) => [1, 7, 20].map((amount_cents) => ({ vendor, iban: '', amount_cents, memo }))),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(policy, { minLength: 1, maxLength: 8 }), async (policies) => {
      const text = policies.map(([effect, principal, conditions], at) => {
        const body = conditions.map(([kind, clauses, operator]) => `${kind} { ${clauses.join(operator)} }`).join(' ');
        return `@id("p${at}") ${effect} (${principal}, action in Action::"tools/call", resource == Tool::"ledger/pay_invoice") when { action == Action::"ledger/pay_invoice" } ${body};`;
      });
      const random = await policySet(text.join('\n'), world);
      for (const agent of ['clerk', 'auditor', 'reader']) {
        const isVisible = random.visibleTools(agent, 'ledger', world).includes('pay_invoice');
        const verdicts = payments.map((payment) => random.decide(call(agent, 'ledger/pay_invoice', payment), world));
        assert.ok(isVisible || verdicts.every(({ verdict }) => verdict !== 'allow'), text.join('\n'));
        // a default deny is blamed on the arguments only where other arguments could have been allowed
        assert.ok(isVisible || verdicts.every(({ code }) => code !== 'CORDON-3005'), text.join('\n'));
      }
    }),
    { numRuns: 12 },
  );
});
