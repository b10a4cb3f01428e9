// Reads one plain-text invoice: the fields a desk needs, and the rest of the text as remarks. Lenient about order, case and layout.
import { emailOf, ibanOf, numberOf, printedLines, totalLine, vendorOf } from './letterhead.ts';
import { isNegative, lastAmount, namesAnotherCurrency } from './money.ts';

/** Far more than any invoice; a longer file is refused rather than read in part. */
export const MAX_INVOICE_CHARS = 32_768;

export interface InvoiceFields {
  readonly number: string;
  readonly vendor: string;
  /** As on the letterhead, in normal form. */
  readonly iban: string | undefined;
  readonly email: string | undefined;
  readonly totalCents: number;
}

export type ReadInvoice =
  | { readonly ok: true; readonly fields: InvoiceFields; readonly remarks: string }
  | { readonly ok: false; readonly reason: string };

const no = (reason: string): ReadInvoice => ({ ok: false, reason });

/** attacker-controlled: any text may stand in the inbox. */
export function readInvoice(text: string): ReadInvoice {
  if (text.length > MAX_INVOICE_CHARS) return no(`longer than ${MAX_INVOICE_CHARS} characters`);
  if (isBinary(text)) return no('not plain text');
  const lines = text.split(/\r?\n/);
  const letterhead = printedLines(text);
  const number = numberOf(letterhead) ?? numberOf(lines);
  if (number === undefined) return no('no invoice number');
  const vendor = vendorOf(letterhead);
  if (vendor === undefined) return no('no vendor');
  const total = totalLine(letterhead) ?? totalLine(lines);
  if (total === undefined) return no('no total');
  if (namesAnotherCurrency(total)) return no('the total is not in euros');
  const totalCents = lastAmount(total);
  if (totalCents === undefined || totalCents === 0 || isNegative(total)) return no('nothing to pay');
  const fields = { number, vendor, iban: ibanOf(letterhead), email: emailOf(letterhead), totalCents };
  return { ok: true, fields, remarks: remarksOf(lines, fields) };
}

function isBinary(text: string): boolean {
  const odd = text.match(/[\p{Cc}\ufffd]/gu)?.filter((character) => !/\s/.test(character)).length ?? 0;
  return text.includes('\0') || odd > text.length / 100;
}

/** Everything but the lines that only say what the fields say already. */
function remarksOf(lines: readonly string[], fields: InvoiceFields): string {
  const said = (line: string): boolean =>
    line.length < 80 && !/[.!?;]\s+\S/.test(line) && [fields.number, fields.vendor].some((value) => line.trim().endsWith(value));
  return lines
    .filter((line) => !said(line))
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}
