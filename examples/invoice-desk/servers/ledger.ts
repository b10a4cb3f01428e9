// The ledger: vendors, accounts and payments, as an MCP server. Whoever calls must hold its API key.
import { EventEmitter } from 'node:events';
import { McpServer, type CallToolResult } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { formatEur } from '../documents/money.ts';
import { maskIban, normalIban } from '../documents/iban.ts';
import { sameVendor } from '../documents/vendors.ts';
import { setting } from '../wire.ts';
import { runServer } from './host.ts';
import { appendAccess, readLedger, writeLedger, type Payment } from './state.ts';
import { watch } from './watch.ts';

const stateDir = setting('DESK_STATE');
const settled = new EventEmitter<{ payment: [Payment] }>().setMaxListeners(0);
let queue: Promise<unknown> = Promise.resolve();

const say = (text: string, structuredContent?: Record<string, unknown>): CallToolResult => ({
  content: [{ type: 'text', text }],
  ...(structuredContent === undefined ? {} : { structuredContent }),
});
const refuse = (text: string): CallToolResult => ({ content: [{ type: 'text', text }], isError: true });

const PAY = z.object({
  vendor: z.string().min(1).max(200).describe('Name of the payee'),
  iban: z.string().min(14).max(42).describe('Account to pay into'),
  amount_cents: z.int().positive().describe('Amount in euro cents'),
  invoice: z.string().min(1).max(80).describe('Invoice number'),
});

function ledger(by: string): McpServer {
  const server = new McpServer({ name: 'ledger', version: '1.0.0' }, { capabilities: {} });
  const noted = (tool: string): Promise<void> => appendAccess(stateDir, { server: 'ledger', tool, by, at: new Date().toISOString() });
  const read = { readOnlyHint: true };
  server.registerTool(
    'get_vendor',
    {
      description: 'The record of one vendor: name, IBAN, e-mail',
      inputSchema: z.object({ vendor: z.string().max(200) }),
      annotations: read,
    },
    async ({ vendor }) => {
      await noted('get_vendor');
      return getVendor(vendor);
    },
  );
  server.registerTool(
    'list_vendors',
    { description: 'All vendors with their IBANs and e-mail addresses', inputSchema: z.object({}), annotations: read },
    async () => {
      await noted('list_vendors');
      const { vendors } = await readLedger(stateDir);
      return say(vendors.map((vendor) => [vendor.name, vendor.iban, vendor.email ?? ''].join(';')).join('\n'), {
        vendors,
      });
    },
  );
  server.registerTool('pay_invoice', { description: 'Pay an invoice from the operating account', inputSchema: PAY }, async (order) => {
    await noted('pay_invoice');
    const paid = queue.then(() => pay(order, by));
    queue = paid.catch(() => undefined);
    return paid;
  });
  server.registerTool(
    'watch_payments',
    { description: 'Reports payments as they settle, until cancelled', inputSchema: z.object({}), annotations: read },
    async (_, ctx) => {
      await noted('watch_payments');
      await watch(settled, ctx);
      return say('no longer watching');
    },
  );
  return server;
}

async function getVendor(name: string): Promise<CallToolResult> {
  const { vendors } = await readLedger(stateDir);
  const vendor = vendors.find((known) => sameVendor(known.name, name));
  return vendor === undefined
    ? say('no vendor of that name on record', { found: false })
    : say(`${vendor.name}, ${vendor.iban}, ${vendor.email ?? 'no e-mail'}`, { found: true, ...vendor });
}

async function pay(order: z.infer<typeof PAY>, by: string): Promise<CallToolResult> {
  const books = await readLedger(stateDir);
  const [account] = books.accounts;
  const iban = normalIban(order.iban);
  if (account === undefined || account.balance_cents < order.amount_cents) return refuse('not enough money in the operating account');
  const onRecord = books.vendors.some((vendor) => vendor.iban === iban);
  const before = books.payments.some((paid) => paid.invoice === order.invoice && paid.iban === iban);
  if (onRecord && before) return refuse(`${order.invoice} is paid already`);
  const payment = { ...order, iban, by, at: new Date().toISOString() };
  account.balance_cents -= order.amount_cents;
  await writeLedger(stateDir, { ...books, payments: [...books.payments, payment] });
  settled.emit('payment', payment);
  return say(`paid ${formatEur(order.amount_cents)} to ${maskIban(iban)} for ${order.invoice}`, { paid: true });
}

await runServer({ name: 'ledger', server: ledger, apiKey: setting('LEDGER_API_KEY') });
