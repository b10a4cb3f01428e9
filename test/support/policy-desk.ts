// A small registered world for the tests of the policy engine: an invoice desk in two linked segments and one without a link.
import { createHash } from 'node:crypto';
import type { AccessRequest, Level } from '../../src/domain/access.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Tool, World } from '../../src/domain/registry.ts';
import { parseSpiffeId } from '../../src/domain/spiffe-id.ts';
import { admit } from '../../src/policy/admit.ts';
import type { PolicySet } from '../../src/policy/policy-set.ts';

const string = { type: 'string' };

export const PAY_INVOICE: JsonObject = {
  type: 'object',
  properties: {
    vendor: string,
    iban: string,
    amount_cents: { type: 'integer' },
    memo: string,
    rate: { type: 'number' },
    options: { anyOf: [string, { type: 'object' }] },
  },
  required: ['vendor', 'iban', 'amount_cents'],
  additionalProperties: false,
};

export const tool = (name: string, inputSchema: JsonObject): Tool => ({ name, inputSchema, definition: { name, inputSchema } });

/** `finance` may call `inbox`, `inbox` may not call back; `outside` is linked with nothing. */
export function desk(over: Partial<World> = {}): World {
  return {
    segments: [
      { name: 'finance', links: ['inbox'] },
      { name: 'inbox', links: [] },
      { name: 'outside', links: [] },
    ],
    agents: ['clerk:finance', 'auditor:finance', 'reader:inbox', 'stranger:outside'].map((each) => {
      const [name = '', segment = ''] = each.split(':');
      return { name, segment, owner: 'platform', purpose: 'test' };
    }),
    resources: [
      { name: 'ledger', segment: 'finance', reads: ['list_invoices'], tags: { Acme: 'DE02120300000000202051' } },
      { name: 'mail', segment: 'inbox', reads: ['read'], tags: {} },
    ],
    tools: new Map([
      ['ledger', [tool('pay_invoice', PAY_INVOICE), tool('list_invoices', { type: 'object', properties: {} })]],
      ['mail', [tool('read', { type: 'object', properties: { id: { type: 'integer' } } })]],
    ]),
    levels: new Map(),
    ...over,
  };
}

export const levels = (of: Readonly<Record<string, Level>>): World['levels'] => new Map(Object.entries(of));

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

export const policySet = (text: string, world: World = desk()): Promise<PolicySet> =>
  admit([{ path: 'desk.cedar', text }], world, 7, digest);

/** A request as the gateway makes it. `target`: `ledger/pay_invoice`, `ledger` or `clerk`, as the action wants. */
export function request(agent: string, action: string, target: string, input?: JsonObject): AccessRequest {
  const type = action === 'tools/call' ? 'tool' : action.startsWith('a2a/') ? 'agent' : 'mcp_server';
  return {
    subject: { type: 'agent', id: agent, spiffeId: parseSpiffeId('spiffe://desk.example/agent/any/run/r1'), run: 'r1' },
    action: { name: action },
    resource: { type, id: target },
    context: input === undefined ? {} : { input },
  };
}

export const call = (agent: string, target: string, input: JsonObject = {}): AccessRequest => request(agent, 'tools/call', target, input);

export const PAYMENT = { vendor: 'Acme', iban: 'DE02120300000000202051', amount_cents: 4200 };

/** The policies of the desk, one of each kind that the tests want. */
export const POLICIES = `
// what everyone in finance may do
@id("finance-reads")
permit (principal in Segment::"finance", action in Action::"read", resource in Segment::"finance");

@id("clerk-pays")
@owner("treasury")
permit (principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource)
when {
  resource.server.hasTag(context.input.vendor) &&
  resource.server.getTag(context.input.vendor) == context.input.iban &&
  context.input.amount_cents <= 100000
};

@id("clerk-asks-reader")
permit (principal == Agent::"clerk", action in Action::"a2a/message", resource == Agent::"reader");

@id("no-night-memo")
@code("CORDON-3012")
@reason("a memo needs a second pair of eyes")
forbid (principal, action == Action::"ledger/pay_invoice", resource)
when { context.input has memo && context.input.memo like "*urgent*" };
`;
