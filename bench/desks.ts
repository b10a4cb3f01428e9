// Policies and a world such as a company has: desks (an agent, its team, the server it works on), each with the rules that desks have.
import type { JsonObject } from '../src/domain/json.ts';
import type { Tool, World } from '../src/domain/registry.ts';

export interface Desk {
  readonly agent: string;
  readonly team: string;
  readonly server: string;
}

const string = { type: 'string' };

export const TOOLS: readonly JsonObject[] = [
  {
    name: 'pay_invoice',
    description: 'pays an invoice to an account',
    inputSchema: {
      type: 'object',
      properties: { vendor: string, iban: string, amount_cents: { type: 'integer' }, invoice: string, memo: string },
      required: ['vendor', 'iban', 'amount_cents', 'invoice'],
      additionalProperties: false,
    },
  },
  {
    name: 'list_invoices',
    description: 'lists what is due',
    inputSchema: { type: 'object', properties: { due_before: string }, additionalProperties: false },
  },
  {
    name: 'send_mail',
    description: 'sends a mail',
    inputSchema: {
      type: 'object',
      properties: { to: string, subject: string, text: string },
      required: ['to', 'subject', 'text'],
      additionalProperties: false,
    },
  },
];
export const READS = ['list_invoices'];

/** Vendors and their accounts, as the operator put them on record. */
export const TAGS = { Acme: 'DE02120300000000202051', Globex: 'DE02500105170137075030', Initech: 'DE88100900001234567892' };

/** A payment that the policies of a desk allow up to 1,000,000 cents; about 900 bytes of arguments. */
export const payment = (amount_cents: number, serial: number): JsonObject => ({
  vendor: 'Acme',
  iban: TAGS.Acme,
  amount_cents,
  invoice: `INV-2026-${serial}`,
  memo: 'quarterly maintenance of the cooling plant, according to the framework contract of March. '.repeat(8).trim(),
});

const SESSIONS = '@id("sessions") permit (principal, action in Action::"mcp/session", resource);';

/** The rules of one desk. The first four of them decide on its payments. */
const RULES: readonly ((desk: Desk, id: string) => string)[] = [
  ({ agent, server }, id) => `@id("${id}-pays-vendors-on-record")
@owner("finance-team")
@reason("a payment goes only to the account that is on record for this vendor")
permit (principal == Agent::"${agent}", action == Action::"${server}/pay_invoice", resource)
when { context.input.amount_cents <= 1000000 }
when { resource.server.hasTag(context.input.vendor) }
when { resource.server.getTag(context.input.vendor) == context.input.iban };`,
  ({ agent, server }, id) => `@id("${id}-no-haste")
@code("CORDON-3012")
@reason("an urgent memo needs a second pair of eyes")
forbid (principal == Agent::"${agent}", action == Action::"${server}/pay_invoice", resource)
when { context.input has memo && context.input.memo like "*urgent*" };`,
  ({ team, server }, id) => `@id("${id}-reads")
permit (principal in Segment::"${team}", action in Action::"read", resource in Server::"${server}");`,
  ({ agent, server }, id) => `@id("${id}-mails-vendors")
@reason("mail leaves the house only to a vendor on record")
permit (principal == Agent::"${agent}", action == Action::"${server}/send_mail", resource)
when { resource.server.hasTag(context.input.to) };`,
  ({ team, agent }, id) => `@id("${id}-is-asked")
permit (principal in Segment::"${team}", action in [Action::"a2a/message", Action::"a2a/GetAgentCard"], resource == Agent::"${agent}");`,
];

/** `count` policies over these desks, one desk after the other. */
export function policiesOf(count: number, desks: readonly Desk[]): string {
  const all = [SESSIONS, ...desks.flatMap((desk, index) => RULES.map((rule) => rule(desk, `${desk.agent}-${index}`)))];
  if (all.length < count) throw new Error(`${desks.length} desks have ${all.length} policies, not ${count}`);
  return all.slice(0, count).join('\n\n');
}

export const desksFor = (policies: number): readonly Desk[] =>
  Array.from({ length: Math.ceil((policies - 1) / RULES.length) }, (_, n) => ({
    agent: `clerk-${n}`,
    team: `team-${n % 4}`,
    server: `ledger-${n}`,
  }));

export function worldOf(desks: readonly Desk[]): World {
  const teams = [...new Set(desks.map(({ team }) => team))];
  const tools: readonly Tool[] = TOOLS.map((definition) => ({
    name: definition['name'] as string,
    definition,
    inputSchema: definition['inputSchema'] as JsonObject,
  }));
  return {
    segments: [...teams.map((name) => ({ name, links: ['systems'] })), { name: 'systems', links: [] }],
    agents: desks.map(({ agent, team }) => ({ name: agent, segment: team, owner: 'finance', purpose: 'pays invoices' })),
    resources: desks.map(({ server }) => ({ name: server, segment: 'systems', reads: READS, tags: TAGS })),
    tools: new Map(desks.map(({ server }) => [server, tools])),
    levels: new Map(),
  };
}
