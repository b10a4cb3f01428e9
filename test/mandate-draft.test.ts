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
  { id: 'ledger/pay_invoice', type: 'tool', arguments: ['supplier', 'iban', 'amount_cents'], sinks: ['supplier', 'iban'] },
  { id: 'ledger/list', type: 'tool', arguments: [], sinks: [] },
  { id: 'mail/send', type: 'tool', arguments: ['to', 'body'], sinks: ['to'] },
  { id: 'files/list', type: 'tool', arguments: [], sinks: [] },
  { id: 'billing/getInvoice', type: 'route', arguments: ['id'], sinks: ['id'] },
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
  assert.equal(may(mandate, 'mail/send', { body: 'hi' }), false, 'a placeholder is to be filled in');
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
  assert.equal(may(mandate, 'ledger/pay_invoice', { supplier: 'globex' }, 2), true);
  assert.equal(may(mandate, 'ledger/pay_invoice', { supplier: 'acme' }, 3), false);
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

void test('sinks that the plan leaves open are told', () => {
  assert.deepEqual(draftMandate(PLAN, CALLABLES).open, ['ledger/pay_invoice iban', 'mail/send to']);
});

void test('what is not there, or no plan, is refused with what was meant', () => {
  const refused: readonly (readonly [Json, RegExp])[] = [
    [['ledger/pay_invoce'], /no tool or route is called `ledger\/pay_invoce`/],
    [['list'], /of several servers: ledger\/list, files\/list/],
    [[{ tool: 'mail/send', arguments: { recipient: 'a' } }], /`mail\/send` has no argument `recipient`/],
    [[{ tool: 'mail/send', arguments: { to: { regex: '.*' } } }], /a value, a list of values, or a limit/],
    [[{ tool: 'mail/send', calls: 0 }], /whole number/],
    [[{ tool: 7 }], /names a tool/],
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
      inputSchema: { type: 'object', properties: { iban: { type: 'string' }, cents: { type: 'integer' } } },
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
    assert.deepEqual([code, stderr], [0, '! ledger/pay_invoice iban says where something goes, and the plan leaves it open\n']);
    assert.deepEqual(parseMandate(JSON.parse(stdout) as Json), [
      {
        type: 'cordon_task',
        actions: ['tools/call'],
        locations: ['tool:ledger/pay_invoice'],
        arguments: { cents: { max: 5 } },
        budget: { calls: 1 },
      },
    ]);
    const json = JSON.parse((await draft('--json')).stdout) as { schema: string; open: string[] };
    assert.deepEqual([json.schema, json.open], ['cordon.mandate/v1', ['ledger/pay_invoice iban']]);
    await writeFile(join(dir, 'plan.yaml'), '- pay_invoce\n');
    const slip = await draft();
    assert.equal(slip.code, 2);
    assert.match(slip.stderr, /did you mean `pay_invoice`\?/);
  } finally {
    await rm(dir, { recursive: true });
  }
});
