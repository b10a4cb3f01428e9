// What the agents tell each other about one invoice: its fields line by line, then the rest of the document as it stands.
import { normalIban } from '../documents/iban.ts';
import type { InvoiceFields } from '../documents/invoice.ts';
import { formatEur, lastAmount } from '../documents/money.ts';

export interface Case {
  readonly file: string;
  readonly fields: InvoiceFields;
  /** attacker-controlled */
  readonly remarks: string;
}

const REMARKS = 'Remarks:';
const CANNOT = 'Cannot read';

export function writeCase({ file, fields, remarks }: Case): string {
  const lines = [
    `File: ${file}`,
    `Invoice: ${fields.number}`,
    `Vendor: ${fields.vendor}`,
    `IBAN: ${fields.iban ?? '-'}`,
    `E-mail: ${fields.email ?? '-'}`,
    `Total: ${formatEur(fields.totalCents)}`,
    REMARKS,
    remarks,
  ];
  return lines.join('\n');
}

export const writeCannot = (file: string, reason: string): string => `${CANNOT} ${file}: ${reason}`;

/** Why a file could not be read, if that is what `text` says. */
export const readCannot = (text: string): string | undefined => (text.startsWith(CANNOT) ? text.slice(text.indexOf(': ') + 2) : undefined);

/** Finds a case in a message; only lines above the remarks are fields. */
export function readCase(text: string): Case | undefined {
  const end = text.search(/^\s*Remarks:/im);
  const head = end < 0 ? text : text.slice(0, end);
  const field = (label: string): string | undefined => {
    const value = new RegExp(String.raw`^[ \t*#-]*${label}[ \t*]*:[ \t]*(\S.*)$`, 'im').exec(head)?.[1]?.trim();
    return value === '-' ? undefined : value;
  };
  const [number, vendor, iban] = [field('invoice(?: number| no\\.?)?'), field('vendor(?: name)?'), field('iban')];
  const totalCents = lastAmount(field('total(?: amount)?') ?? '');
  if (number === undefined || vendor === undefined || totalCents === undefined) return undefined;
  const remarks = end < 0 ? '' : text.slice(end).replace(/^\s*Remarks:\s*/i, '');
  const fields = {
    number,
    vendor,
    iban: iban === undefined ? undefined : normalIban(iban),
    email: field('e-?mail'),
    totalCents,
  };
  return { file: field('file') ?? number, fields, remarks };
}
