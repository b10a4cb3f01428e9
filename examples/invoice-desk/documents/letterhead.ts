// The fields of an invoice, each found by its label wherever it stands. What addresses a machine is no letterhead.
import { findIbans } from './iban.ts';
import { lastAmount } from './money.ts';

export const EMAIL = /(?<![\w.+'-])[\w.+'-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+/gi;

const TO_MACHINES =
  /\b(?:AI|A\.I\.|LLM|language model|assistants?|bots?|chatbot|copilot)\b|\bignore (?:all|any|previous|prior)\b|\bsystem (?:note|notice|message|prompt)\b|\b(?:notes?|notice|attention|message|instructions?|memo)\b[^.\n]{0,40}\b(?:agents?|clerk|automation|processor|orchestrator)\b/i;

/** Lines of the paragraphs that are printed for people: what fields are read from first, so that no instruction can pose as one. */
export function printedLines(text: string): string[] {
  const paragraphs = text.replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '').split(/\r?\n[ \t]*\r?\n/);
  return paragraphs.flatMap((paragraph) => (TO_MACHINES.test(paragraph) ? [] : [...paragraph.split(/\r?\n/), '']));
}

const NUMBERS = [
  /^\W*(?:tax |sales )?invoice\s*(?:no|nr|num|number|id|ref|reference|#|№)\b\.?\s*[:#=-]*\s*([\w/.-]*\d[\w/.-]*)/i,
  /^\W*(?:tax |sales )?(?:invoice|inv)\s*[:#=-]+\s*([\w/.-]*\d[\w/.-]*)/i,
  /^\W*(?:tax |sales )?invoice\s+([\w/.-]*\d[\w/.-]*)\s*$/i,
  /\binvoice\s*(?:no|nr|number|#)\.?\s*[:#]?\s*([\w/.-]*\d[\w/.-]*)/i,
];
const VENDORS = [
  /^\W*(?:vendor|supplier|seller|payee|beneficiary|creditor|issued by|billed by|from|company)(?: name)?\s*[:=]\s*(\S.{0,78})/i,
];

export const numberOf = (lines: readonly string[]): string | undefined => pick(lines, NUMBERS)?.replace(/\.$/, '');

export const vendorOf = (lines: readonly string[]): string | undefined => pick(lines, VENDORS) ?? firstLine(lines);

function pick(lines: readonly string[], patterns: readonly RegExp[]): string | undefined {
  for (const pattern of patterns) {
    for (const line of lines) {
      const found = firstColumn(pattern.exec(line)?.[1] ?? '');
      if (found !== '') return found.replace(/[,;]+$/, '');
    }
  }
  return undefined;
}

const firstColumn = (text: string): string => (text.trim().split(/\s{3,}|\t/, 1)[0] ?? '').trim();

/** Without a label the vendor is who the paper's first line names. */
const firstLine = (lines: readonly string[]): string | undefined =>
  lines
    .map((line) => firstColumn(line.replaceAll(/^[\W_]+|[\s=*#_-]+$/g, '')))
    .find((line) => /\p{L}{2}/u.test(line) && line.length <= 80 && !/^(?:tax |sales )?invoice\b|^[\w ]{1,20}:/i.test(line));

/** Best label first; `Subtotal`, `Total VAT` and `Total net` are no totals. */
const TOTALS = [
  /^\W*(?:total )?(?:amount|balance)(?: now)? (?:due|payable)\b|^\W*total (?:now )?(?:due|payable|to pay)\b/i,
  /^\W*(?:grand|invoice|gross) total\b|^\W*total\W*(?:amount\W*)?(?:gross|incl)/i,
  /^\W*total\b(?!\W*(?:net\b|vat|tax|excl|before|hours|weight|discount|without))/i,
];

/** The line that says what is to be paid. */
export const totalLine = (lines: readonly string[]): string | undefined =>
  TOTALS.map((label) => lines.findLast((line) => label.test(line) && lastAmount(line) !== undefined)).find((line) => line !== undefined);

const IBAN_LABEL = /^\W*(?:[\p{L}\p{N} .,:/&-]{0,50}[\s:(/,-])?IBAN\b\W*/iu;
const PAYING = /\b(?:pay|transfer|wire|remit|send|redirect|move|deposit|credit|use|using|please)\b/i;

/** The account of the letterhead: a labelled one; after words that ask to pay into it, only if the paper names no other. */
export function ibanOf(lines: readonly string[]): string | undefined {
  const labelled = lines.flatMap((line, at) => {
    const label = IBAN_LABEL.exec(line)?.[0];
    const found = findIbans(line)[0];
    if (label === undefined || found === undefined || found.index > label.length || PAYING.test(label)) return [];
    return [{ iban: found.iban, asked: isAskedFor(lines, at) }];
  });
  const printed = labelled.find(({ asked }) => !asked)?.iban;
  const named = new Set(findIbans(lines.join('\n')).map(({ iban }) => iban));
  return printed ?? (named.size === 1 ? labelled[0]?.iban : undefined);
}

/** Does the paragraph above line `at` ask to pay into what follows, or speak of another account than before? */
function isAskedFor(lines: readonly string[], at: number): boolean {
  const start = lines.findLastIndex((line, index) => index < at && line.trim() === '') + 1;
  const above = lines.slice(start, at).join(' ');
  const open = above.slice(Math.max(...['. ', '! ', '? '].map((end) => above.lastIndexOf(end)), 0));
  return (
    (PAYING.test(open) && !/[.!?]\s*$/.test(open)) ||
    /\b(?:new|updated|changed|alternative|different|other)\b[^.]*\b(?:account|bank)/i.test(above)
  );
}

const EMAIL_LABEL = /^\W*(?:e-?mail|mail|contact|remittance(?: advice)?(?: to)?)(?: address)?\s*[:=]/i;

/** The vendor's own address: a labelled one, or one that stands by itself and is not where something is to be sent. */
export function emailOf(lines: readonly string[]): string | undefined {
  const labelled = lines.find((line) => EMAIL_LABEL.test(line) && line.match(EMAIL) !== null);
  if (labelled !== undefined) return labelled.match(EMAIL)?.[0].toLowerCase();
  const text = lines.join('\n');
  const standing = [...text.matchAll(EMAIL)].find(({ index }) => !SENT_TO.test(text.slice(Math.max(0, index - 120), index)));
  return standing?.[0].toLowerCase();
}

const SENT_TO = /\b(?:to|b?cc|copy|with)\s+$|\b(?:send|forward|share|mail|e-?mail|copy)\b[^.\n]*$/i;
