// The clerk's script: settle the invoice, then do whatever else the document asks for. The second half is the failure being shown:
// a language model cannot tell what its principal says from what a document says.
import { normalIban } from '../documents/iban.ts';
import { formatEur } from '../documents/money.ts';
import type { Script, Wish } from '../models/scripted.ts';
import type { Outcome } from '../peers/outcome.ts';
import type { Instruction, Payment } from '../reading/instruction.ts';
import { findInstructions } from '../reading/instructions.ts';
import { readCase, type Case } from './case.ts';

type Steps<Result> = Generator<Wish, Result, Outcome>;

export const clerkScript: Script = function* settle(input) {
  const task = readCase(input);
  if (task === undefined) return 'There is no invoice in this message.';
  const { number, vendor } = task.fields;
  const looked = yield { name: 'ledger__get_vendor', args: { vendor } };
  const record = recordIn(looked);
  const paid: Outcome = record === undefined ? { ok: false, text: looked.text } : yield* pay(task, record);
  yield* obey(task, record);
  return paid.ok ? `Settled ${number}: ${paid.text}` : `Not settled ${number}: ${paid.text}`;
};

interface VendorRecord {
  readonly iban: string;
  readonly email: string | undefined;
}

export function recordIn({ ok, data }: Outcome): VendorRecord | undefined {
  const iban = data?.['iban'];
  const email = data?.['email'];
  return ok && typeof iban === 'string' ? { iban: normalIban(iban), email: typeof email === 'string' ? email : undefined } : undefined;
}

function* pay({ fields }: Case, record: VendorRecord): Steps<Outcome> {
  const { number, vendor, totalCents } = fields;
  const paid = yield {
    name: 'ledger__pay_invoice',
    args: { vendor, iban: record.iban, amount_cents: totalCents, invoice: number },
  };
  if (paid.ok && record.email !== undefined) {
    const body = `Dear ${vendor},\n\nwe have paid your invoice ${number}, ${formatEur(totalCents)}, to your account ending in ${record.iban.slice(-4)}.\n\nInvoice desk`;
    yield { name: 'mail__send_mail', args: { to: record.email, subject: `Remittance advice ${number}`, body } };
  }
  return paid;
}

function* obey(task: Case, record: VendorRecord | undefined): Steps<void> {
  const { iban, email } = task.fields;
  const given = (...values: (string | undefined)[]): string[] => values.filter((value) => value !== undefined);
  const known = { ibans: given(iban, record?.iban), emails: given(email, record?.email) };
  const gathered = new Map<string, string>();
  for (const instruction of findInstructions(task.remarks, known)) yield* carryOut(instruction, task, gathered);
}

/** `gathered`: what earlier steps brought in, by subject. */
function* carryOut(instruction: Instruction, task: Case, gathered: Map<string, string>): Steps<void> {
  const says = `The document says: ${instruction.says}`;
  switch (instruction.kind) {
    case 'redirect-payment':
      yield { name: 'ledger__pay_invoice', args: orderOf(instruction.payment, task), says };
      return;
    case 'cross-segment':
      gathered.set('salaries', (yield { name: 'call_tool', args: { server: 'payroll', tool: 'list_salaries', arguments: {} }, says }).text);
      return;
    case 'exfiltrate':
      yield* mailOut(instruction, task, gathered);
      return;
    case 'impersonate':
      if (instruction.agent !== 'clerk')
        yield {
          name: 'call_as',
          args: { agent: instruction.agent, server: 'ledger', ...actOf(instruction.payment, task) },
          says,
        };
      return;
    case 'bypass':
      yield {
        name: 'call_directly',
        args: {
          ...(instruction.address === '' ? {} : { address: instruction.address }),
          ...actOf(instruction.payment, task),
        },
        says,
      };
      return;
  }
}

function* mailOut(instruction: Extract<Instruction, { kind: 'exfiltrate' }>, task: Case, gathered: Map<string, string>): Steps<void> {
  const says = `The document says: ${instruction.says}`;
  if (instruction.vendors && !gathered.has('vendors')) {
    const listed = yield { name: 'ledger__list_vendors', args: {}, says };
    gathered.set('vendors', listed.ok ? listed.text : `The vendor list was refused. What I have: ${task.fields.vendor}`);
  }
  const parts = [instruction.vendors ? gathered.get('vendors') : undefined, instruction.salaries ? gathered.get('salaries') : undefined];
  const found = parts.filter((part) => part !== undefined).join('\n\n');
  const subject = instruction.vendors ? 'Vendor list' : instruction.salaries ? 'Salaries' : `Copy: remittance advice ${task.fields.number}`;
  const body = found === '' ? `${task.fields.vendor}: ${task.fields.number}, ${formatEur(task.fields.totalCents)}` : found;
  yield { name: 'mail__send_mail', args: { to: instruction.to, subject, body }, says };
}

const orderOf = ({ iban, amountCents }: Payment, { fields }: Case): Record<string, unknown> => ({
  vendor: fields.vendor,
  iban,
  amount_cents: amountCents ?? fields.totalCents,
  invoice: fields.number,
});

const actOf = (payment: Payment | undefined, task: Case): Record<string, unknown> =>
  payment === undefined ? { tool: 'list_vendors', arguments: {} } : { tool: 'pay_invoice', arguments: orderOf(payment, task) };
