// The mandate for a plan: it lets the plan through and nothing besides, names nothing that is not there, and reads like any other mandate.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Json, JsonObject } from '../src/domain/json.ts';
import { allows, type Mandate, parseMandate } from '../src/domain/mandate.ts';
import { type Callable, draftMandate } from '../src/domain/mandate-draft.ts';
import { cordon } from './support/cordon.ts';

const CALLABLES: readonly Callable[] = [
  {
    id: 'ledger/pay_invoice',
    type: 'tool',
    arguments: ['supplier', 'iban', 'amount_cents', 'memo'],
    required: ['supplier', 'iban'],
    sinks: ['supplier', 'iban'],
  },
  { id: 'ledger/list', type: 'tool', arguments: [], required: [], sinks: [] },
  { id: 'mail/send', type: 'tool', arguments: ['to', 'body', 'bcc'], required: ['to'], sinks: ['to', 'bcc'] },
  { id: 'files/list', type: 'tool', arguments: [], required: [], sinks: [] },
  { id: 'billing/getInvoice', type: 'route', arguments: ['id'], required: ['id'], sinks: ['id'] },
];
const mandateOf = (plan: Json): Mandate => draftMandate(plan, CALLABLES).mandate;
const may = (mandate: Mandate, id: string, input: JsonObject, made = 0): boolean =>
  allows(mandate, { action: 'tools/call', resource: { type: 'tool', id }, input, made }, 0);

const PLAN: Json = {
  purpose: 'invoices of November',
  steps: [
    { tool: 'ledger/pay_invoice', arguments: { supplier: ['acme', 'globex'], amount_cents: { max: 100_000 } }, calls: 2 },
    { tool: 'mail/send', arguments: { to: '$supplier.contact' } },
  ],
};

void test('[I4] a plan passes as often as it says, and no other call does', () => {
  const mandate = mandateOf(PLAN);
  const paid = { supplier: 'acme', iban: 'DE02', amount_cents: 100_000 };
  assert.equal(may(mandate, 'ledger/pay_invoice', paid, 1), true);
  assert.equal(may(mandate, 'mail/send', { to: 'a@acme.example' }), true);
  assert.equal(may(mandate, 'ledger/pay_invoice', paid, 2), false, 'once more');
  assert.equal(may(mandate, 'ledger/pay_invoice', { ...paid, supplier: 'evil' }), false);
  assert.equal(may(mandate, 'ledger/pay_invoice', { ...paid, amount_cents: 100_001 }), false);
  assert.equal(may(mandate, 'ledger/pay_invoice', { supplier: 'acme' }), false, 'an argument that the plan limits is missing');
  assert.equal(may(mandate, 'mail/send', {}), false, 'a placeholder is to be filled in');
  assert.equal(
    may(mandate, 'mail/send', { to: 'a@acme.example', bcc: 'evil@x.example' }),
    false,
    'an argument that the plan does not name',
  );
  assert.equal(may(mandate, 'ledger/pay_invoice', { ...paid, memo: 'x' }), false, 'nor one that goes nowhere');
  assert.equal(may(mandate, 'ledger/pay_invoice', { supplier: 'acme', amount_cents: 1 }), false, 'without what the tool asks for');
  assert.equal(may(mandate, 'ledger/list', {}), false);
  assert.equal(may(mandate, 'files/list', {}), false);
  assert.ok(mandate.every(({ purpose }) => purpose === 'invoices of November'));
});

void test('[I4] steps with the same tool and other arguments share one count', () => {
  const mandate = mandateOf([
    { name: 'pay_invoice', args: { supplier: 'acme' } },
    { name: 'pay_invoice', args: { supplier: 'globex' } },
    { name: 'pay_invoice', args: { supplier: 'globex' } },
  ]);
  assert.equal(mandate.length, 2);
  assert.equal(may(mandate, 'ledger/pay_invoice', { supplier: 'globex', iban: 'DE02' }, 2), true);
  assert.equal(may(mandate, 'ledger/pay_invoice', { supplier: 'acme', iban: 'DE02' }, 3), false);
});

void test('the forms that planners write, and routes', () => {
  const listed = mandateOf(['ledger/list', 'send']);
  for (const plan of [
    { trajectory: ['ledger/list', 'send'] },
    { tools: ['ledger/list', 'send'] },
    { plan: [{ tool: 'ledger/list' }, 'send'] },
  ])
    assert.deepEqual(mandateOf(plan), listed);
  assert.deepEqual(mandateOf(['billing/getInvoice']), [
    { type: 'cordon_task', actions: ['http/call'], locations: ['route:billing/getInvoice'], budget: { calls: 1 } },
  ]);
  for (const open of [null, '$1', '{{account}}', '<the address>']) {
    const [entry] = mandateOf([{ tool: 'mail/send', arguments: { to: open } }]);
    assert.deepEqual(entry?.arguments, { to: {} });
  }
});

void test('[I4] whatever the plan leaves open is told, sinks as such, and which calls are counted together', () => {
  const told = (plan: Json): readonly string[] =>
    draftMandate(plan, CALLABLES).open.map(({ callable, argument, sink }) => `${callable} ${argument}${sink ? ' sink' : ''}`);
  assert.deepEqual(told(PLAN), ['ledger/pay_invoice iban sink', 'mail/send to sink']);
  assert.deepEqual(told(['mail/send']), ['mail/send to sink', 'mail/send body', 'mail/send bcc sink'], 'a step that says nothing of them');
  assert.deepEqual(told([{ tool: 'mail/send', args: { to: 'a@b.example', body: '$1' } }]), ['mail/send body']);
  assert.deepEqual(told([{ tool: 'mail/send', args: { to: 'a@b.example', body: {} } }]), ['mail/send body'], 'a limit that limits nothing');
  assert.deepEqual(draftMandate(PLAN, CALLABLES).pooled, []);
  const two = draftMandate(
    [
      { tool: 'mail/send', arguments: { to: 'a@x.example' } },
      { tool: 'mail/send', arguments: { to: 'b@x.example' }, calls: 2 },
    ],
    CALLABLES,
  );
  assert.deepEqual(two.pooled, [{ callable: 'mail/send', calls: 3, ways: 2 }]);
});

void test('[I4] the steps of an ordered plan come one after the other', () => {
  const steps = [
    'ledger/list',
    { tool: 'pay_invoice', calls: 2 },
    { tool: 'pay_invoice', arguments: { memo: 'x' } },
    'mail/send',
    'ledger/list',
  ];
  const afters = (ordered: boolean): Json =>
    mandateOf({ ordered, steps }).map(({ locations: [place = ''], after = [] }) => [place, ...after]);
  assert.deepEqual(afters(true), [
    ['tool:ledger/list'],
    ['tool:ledger/pay_invoice', 'tool:ledger/list'],
    ['tool:ledger/pay_invoice', 'tool:ledger/list'],
    ['tool:mail/send', 'tool:ledger/pay_invoice'],
  ]);
  assert.deepEqual(afters(false), [['tool:ledger/list'], ['tool:ledger/pay_invoice'], ['tool:ledger/pay_invoice'], ['tool:mail/send']]);
  assert.throws(() => mandateOf({ ordered: 'yes', steps }), /`ordered` is/);
});

void test('[I4] a step without arguments allows any, one with none allows none', () => {
  assert.equal(may(mandateOf(['mail/send']), 'mail/send', { to: 'a', bcc: 'b' }), true);
  assert.equal(may(mandateOf([{ tool: 'ledger/list', arguments: {} }]), 'ledger/list', {}), true);
  assert.equal(may(mandateOf([{ tool: 'ledger/list', arguments: {} }]), 'ledger/list', { all: true }), false);
});

void test('[I4] a value that only looks like a placeholder is a value', () => {
  for (const value of [
    '<b>paid</b>',
    '<a> and <b>',
    '{{a}} {{b}}',
    '$',
    '$5 and more',
    '$2',
    '$100',
    '$100USD',
    '$5.00',
    '<>',
    '{{}}',
    ' $1',
    '<a>\n',
  ]) {
    const mandate = mandateOf([{ tool: 'mail/send', arguments: { to: value } }]);
    assert.equal(may(mandate, 'mail/send', { to: value }), true, value);
    assert.equal(may(mandate, 'mail/send', { to: 'evil@x.example' }), false, value);
  }
});

void test('[I4] a word that is not known is refused: what it was to limit would be free', () => {
  const refused: readonly (readonly [Json, RegExp])[] = [
    [[{ tool: 'mail/send', argumnets: { to: 'a' } }], /step 1 has a member `argumnets` that is not known/],
    [['ledger/list', { tool: 'mail/send', parameters: { to: 'a' } }], /step 2 has a member `parameters`/],
    [{ steps: ['mail/send'], purpos: 'x' }, /the plan has a member `purpos`/],
    [{ steps: ['mail/send'], tools: ['ledger/list'] }, /`steps` and `tools` are two lists/],
    [[{ tool: 'mail/send', name: 'ledger/list' }], /`tool` and `name`, which are the same/],
    [[{ tool: 'mail/send', arguments: { to: 'a' }, args: {} }], /`arguments` and `args`, which are the same/],
    [[7], /step 1 is neither/],
    [[['mail/send']], /step 1 is neither/],
  ];
  for (const [plan, message] of refused) assert.throws(() => draftMandate(plan, CALLABLES), { code: 'CORDON-9011', message });
  assert.throws(() => draftMandate([{ tool: 'mail/send', argumnets: {} }], CALLABLES), { fix: 'did you mean `arguments`?' });
});

void test('what is not there, or no plan, is refused with what was meant', () => {
  const refused: readonly (readonly [Json, RegExp])[] = [
    [['ledger/pay_invoce'], /no tool or route is called `ledger\/pay_invoce`/],
    [['list'], /of several servers: ledger\/list, files\/list/],
    [[{ tool: 'mail/send', arguments: { recipient: 'a' } }], /`mail\/send` has no argument `recipient`/],
    [[{ tool: 'mail/send', arguments: { to: { regex: '.*' } } }], /a value, a list of values, or a limit/],
    [[{ tool: 'mail/send', calls: 0 }], /whole number/],
    [[{ tool: 7 }], /names no tool/],
    [[], /1 to 256 steps/],
    [Array.from({ length: 257 }, () => 'send'), /1 to 256 steps/],
    ['send', /1 to 256 steps/],
    [{ purpose: 'x'.repeat(201), steps: ['send'] }, /purpose/],
    [[{ tool: 'mail/send', arguments: { to: [] } }], /1 to 64/],
    [[{ tool: 'mail/send', arguments: { to: { min: 2, max: 1 } } }], /no value satisfies/],
  ];
  for (const [plan, message] of refused) assert.throws(() => draftMandate(plan, CALLABLES), { code: 'CORDON-9011', message });
});

void test('[U9] the command: a mandate on stdout, what is open on stderr, `--json` whole', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-mandate-'));
  try {
    const definition = {
      name: 'pay_invoice',
      inputSchema: { type: 'object', properties: { iban: { type: 'string' }, cents: { type: 'integer' } }, required: ['iban'] },
    };
    const world = {
      schema: 'cordon.world/v1',
      segments: [{ name: 's', links: [] }],
      agents: [],
      resources: [{ name: 'ledger', segment: 's', reads: [], tags: {} }],
      tools: { ledger: [definition] },
      levels: {},
    };
    await writeFile(join(dir, 'world.json'), JSON.stringify(world));
    await writeFile(join(dir, 'plan.yaml'), 'steps:\n  - tool: pay_invoice\n    arguments: { cents: { max: 5 } }\n');
    const draft = (...more: readonly string[]): ReturnType<typeof cordon> =>
      cordon(['mandate', 'draft', 'plan.yaml', '--world', 'world.json', ...more], { cwd: dir });
    const { code, stdout, stderr } = await draft();
    assert.deepEqual([code, stderr], [0, '! ledger/pay_invoice iban may be anything, and says where something goes\n']);
    assert.deepEqual(parseMandate(JSON.parse(stdout) as Json), [
      {
        type: 'cordon_task',
        actions: ['tools/call'],
        locations: ['tool:ledger/pay_invoice'],
        arguments: { cents: { max: 5 }, iban: {} },
        other_arguments: false,
        budget: { calls: 1 },
      },
    ]);
    const json = JSON.parse((await draft('--json')).stdout) as { schema: string; open: object[]; pooled: object[] };
    assert.deepEqual(json.open, [{ callable: 'ledger/pay_invoice', argument: 'iban', sink: true }]);
    assert.deepEqual([json.schema, json.pooled], ['cordon.mandate/v1', []]);
    const help = (await draft('--help')).stdout;
    assert.doesNotMatch(help, /\\n/);
    await writeFile(join(dir, 'plan.yaml'), `- pay_invoice # ${'x'.repeat(1_048_576)}\n`);
    const long = await draft();
    assert.equal(long.code, 2);
    assert.match(long.stderr, /longer than 1048576 bytes/);
    const endless = await cordon(['mandate', 'draft', '/dev/zero', '--world', 'world.json'], { cwd: dir });
    assert.match(endless.stderr, /cannot be read from `\/dev\/zero`/);
    await writeFile(join(dir, 'plan.yaml'), '- pay_invoce\n');
    const slip = await draft();
    assert.equal(slip.code, 2);
    assert.match(slip.stderr, /did you mean `pay_invoice`\?/);
  } finally {
    await rm(dir, { recursive: true });
  }
});
