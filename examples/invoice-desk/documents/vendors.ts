// The vendors on record, and their file `vendors.csv`: a header row naming `name`, `iban` and, if there is one, `email`.
import { normalIban } from './iban.ts';

export interface Vendor {
  readonly name: string;
  /** In normal form. */
  readonly iban: string;
  readonly email?: string;
}

/** Names are compared without case, spacing and punctuation: `Meyer & Co. KG` is `MEYER & CO KG`. */
export const sameVendor = (one: string, other: string): boolean => plain(one) === plain(other);

const plain = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');

/** @throws Error naming the line, when a column or an IBAN is missing */
export function readVendors(csv: string): Vendor[] {
  const rows = csv
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((row) => row.trim() !== '');
  const separator = rows[0]?.includes(';') === true ? ';' : ',';
  const [header = [], ...lines] = rows.map((row) => cells(row, separator));
  const columns = header.map((title) => title.toLowerCase());
  const [name, iban, email] = ['name', 'iban', 'email'].map((title) => columns.indexOf(title));
  if (name === undefined || name < 0 || iban === undefined || iban < 0)
    throw new Error('vendors.csv: the first line must name the columns `name`, `iban`');
  return lines.map((row, index) => {
    const vendor = { name: row[name] ?? '', iban: normalIban(row[iban] ?? '') };
    if (vendor.name === '' || vendor.iban === '') throw new Error(`vendors.csv, line ${index + 2}: name or IBAN missing`);
    const address = row[email ?? -1] ?? '';
    return address === '' ? vendor : { ...vendor, email: address.toLowerCase() };
  });
}

function cells(row: string, separator: string): string[] {
  const quoted = new RegExp(String.raw`(?:^|${separator})\s*(?:"((?:[^"]|"")*)"|([^${separator}]*))`, 'g');
  return [...row.matchAll(quoted)].map(([, inQuotes, bare]) => (inQuotes?.replaceAll('""', '"') ?? bare ?? '').trim());
}
