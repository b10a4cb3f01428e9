// The inbox directory: which files are invoices, and who the vendors on record are. `vendors.csv` in it is the record; without one
// the vendors are onboarded from the letterheads, never from an account that only an instruction names.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_INVOICE_CHARS, readInvoice, type InvoiceFields } from './invoice.ts';
import { readVendors, sameVendor, type Vendor } from './vendors.ts';

export const VENDORS_FILE = 'vendors.csv';

export interface Invoice {
  /** Name inside the inbox directory. */
  readonly file: string;
  readonly number: string;
  readonly vendor: string;
  /** The account on record, in normal form: where the money belongs. */
  readonly iban: string;
  readonly email?: string;
  readonly totalCents: number;
}

export interface Inbox {
  readonly invoices: readonly Invoice[];
  readonly vendors: readonly Vendor[];
  /** Files that cannot be paid, and why. */
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}

/** Is a file of the inbox worth reading as an invoice? */
export const isInvoiceFile = (name: string): boolean => name !== VENDORS_FILE && !name.startsWith('.') && !/^readme\b/i.test(name);

/** @throws Error when the directory cannot be read or its vendors.csv is no vendor list */
export async function loadInbox(dir: string): Promise<Inbox> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  const read = await Promise.all(
    names
      .filter(isInvoiceFile)
      .sort()
      .map((file) => readOne(dir, file)),
  );
  const skipped = read.filter((one) => 'reason' in one);
  const found = read.filter((one) => 'fields' in one);
  const vendors = names.includes(VENDORS_FILE)
    ? readVendors(await readFile(join(dir, VENDORS_FILE), 'utf8'))
    : onboard(found.map(({ fields }) => fields));
  const payable = found.map(({ file, fields }) => onRecord(file, fields, vendors));
  return {
    invoices: payable.filter((one) => 'iban' in one),
    vendors,
    skipped: [...skipped, ...payable.filter((one) => 'reason' in one)],
  };
}

type Read = { readonly file: string; readonly fields: InvoiceFields } | { readonly file: string; readonly reason: string };

async function readOne(dir: string, file: string): Promise<Read> {
  const path = join(dir, file);
  if ((await stat(path)).size > 4 * MAX_INVOICE_CHARS) return { file, reason: `longer than ${MAX_INVOICE_CHARS} characters` };
  const read = readInvoice(await readFile(path, 'utf8'));
  return read.ok ? { file, fields: read.fields } : { file, reason: read.reason };
}

function onboard(read: readonly InvoiceFields[]): Vendor[] {
  const vendors: Vendor[] = [];
  for (const { vendor: name, iban, email } of read) {
    if (iban === undefined || vendors.some((known) => sameVendor(known.name, name))) continue;
    vendors.push(email === undefined ? { name, iban } : { name, iban, email });
  }
  return vendors;
}

function onRecord(file: string, fields: InvoiceFields, vendors: readonly Vendor[]): Invoice | { file: string; reason: string } {
  const record = vendors.find(({ name }) => sameVendor(name, fields.vendor));
  if (record === undefined) return { file, reason: `vendor not on record: ${fields.vendor}` };
  const { number, vendor, totalCents } = fields;
  return {
    file,
    number,
    vendor,
    iban: record.iban,
    totalCents,
    ...(record.email === undefined ? {} : { email: record.email }),
  };
}
