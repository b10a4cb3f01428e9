// What the desk's tool servers keep on disk: the ledger (replaced atomically), the outbox and the log of accesses (appended).
import { appendFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Vendor } from '../documents/vendors.ts';

const OPENING_BALANCE_CENTS = 250_000_00;

const Payment = z.object({
  invoice: z.string(),
  vendor: z.string(),
  iban: z.string(),
  amount_cents: z.int().positive(),
  /** Who the caller said it was. */
  by: z.string(),
  at: z.string(),
});
const Ledger = z.object({
  accounts: z.array(z.object({ id: z.string(), balance_cents: z.int() })),
  vendors: z.array(z.object({ name: z.string(), iban: z.string(), email: z.string().optional() })),
  payments: z.array(Payment),
});
const Mail = z.object({ to: z.string(), subject: z.string(), body: z.string(), by: z.string(), at: z.string() });
const Access = z.object({ server: z.string(), tool: z.string(), by: z.string(), at: z.string() });

export type Ledger = z.infer<typeof Ledger>;
export type Payment = z.infer<typeof Payment>;
export type Mail = z.infer<typeof Mail>;
export type Access = z.infer<typeof Access>;

const FILES = { ledger: 'ledger.json', outbox: 'outbox.jsonl', accesses: 'access.jsonl' } as const;

/** Fresh books: the vendors on record, money in the account, nothing paid and nothing sent. */
export async function seed(stateDir: string, vendors: readonly Vendor[]): Promise<void> {
  await mkdir(stateDir, { recursive: true });
  await writeLedger(stateDir, {
    accounts: [{ id: 'operating', balance_cents: OPENING_BALANCE_CENTS }],
    vendors: vendors.map((vendor) => ({ ...vendor })),
    payments: [],
  });
  await Promise.all([FILES.outbox, FILES.accesses].map((file) => writeFile(join(stateDir, file), '')));
}

export const readLedger = async (stateDir: string): Promise<Ledger> =>
  Ledger.parse(JSON.parse(await readFile(join(stateDir, FILES.ledger), 'utf8')));

/** A crash leaves the old books or the new ones, never half of either. */
export async function writeLedger(stateDir: string, ledger: Ledger): Promise<void> {
  const path = join(stateDir, FILES.ledger);
  const file = await open(`${path}.new`, 'w');
  try {
    await file.writeFile(`${JSON.stringify(ledger, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

const append = (stateDir: string, file: string, line: object): Promise<void> =>
  appendFile(join(stateDir, file), `${JSON.stringify(line)}\n`);

export const appendMail = (stateDir: string, mail: Mail): Promise<void> => append(stateDir, FILES.outbox, mail);
export const appendAccess = (stateDir: string, access: Access): Promise<void> => append(stateDir, FILES.accesses, access);

export const readOutbox = async (stateDir: string): Promise<Mail[]> =>
  (await readLines(stateDir, FILES.outbox)).map((line) => Mail.parse(line));
export const readAccesses = async (stateDir: string): Promise<Access[]> =>
  (await readLines(stateDir, FILES.accesses)).map((line) => Access.parse(line));

const readLines = async (stateDir: string, file: string): Promise<unknown[]> =>
  (await readFile(join(stateDir, file), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
