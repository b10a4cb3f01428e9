// Amounts of money as integer cents, read leniently from what people write: "EUR 1,234.56", "1.234,56 €", "€ 1 234", "12k EUR".

const NUMBER = String.raw`\d(?:[\d.,'’\u00a0\u202f]|[ ](?=\d{3}(?!\d)))*`;
const CURRENCY = String.raw`(?:EUR|euros?|€)`;
const IN_EUROS = new RegExp(String.raw`(?:${CURRENCY}\s*(${NUMBER})(\s?k\b)?|(?<![\w.,])(${NUMBER})(\s?k)?\s*${CURRENCY}(?!\w))`, 'gi');
/** Any number that is no percentage and no part of a word. */
const PLAIN = new RegExp(String.raw`(?<![\w.,])${NUMBER}(?!\w|\s?%)`, 'g');
const FOREIGN_CURRENCY = /\b(?:USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|JPY|CAD|AUD)\b|[$£¥]/i;
const NEGATIVE = /[-−](?:EUR|€)?\d|EUR\s?[-−]\s?\d/i;

/** `12.345,60` or `12,345.60` or `12 345` as cents; undefined when it is no amount or larger than exact integers go. */
export function toCents(written: string): number | undefined {
  const text = written.replaceAll(/[\s'’\u00a0\u202f]/g, '').replace(/[.,]+$/, '');
  const [, whole, fraction] = /^(\d[\d.,]*?)(?:[.,](\d{1,2}))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const cents = Number(whole.replaceAll(/[.,]/g, '')) * 100 + Number((fraction ?? '').padEnd(2, '0'));
  return Number.isSafeInteger(cents) ? cents : undefined;
}

/** Every amount that names the euro, in order. */
export function findAmounts(text: string): number[] {
  return [...text.matchAll(IN_EUROS)].flatMap((match) => {
    const cents = toCents(match[1] ?? match[3] ?? '');
    const thousands = match[2] ?? match[4];
    return cents === undefined ? [] : [thousands === undefined ? cents : cents * 1000];
  });
}

/** The amount that a line such as `Total (EUR) 1,190.00` ends with: one that names the euro, else one with cents, else any. */
export function lastAmount(line: string): number | undefined {
  const plain = line.match(PLAIN) ?? [];
  const written = plain.findLast((number) => /[.,]\d{2}$/.test(number)) ?? plain.at(-1);
  return findAmounts(line).at(-1) ?? toCents(written ?? '');
}

export const namesAnotherCurrency = (line: string): boolean => FOREIGN_CURRENCY.test(line) && !/EUR|€/i.test(line);

export const isNegative = (line: string): boolean => NEGATIVE.test(line);

/** `EUR 1,234.56`. */
export function formatEur(cents: number): string {
  const [whole = '0', fraction = '00'] = (cents / 100).toFixed(2).split('.');
  return `EUR ${whole.replaceAll(/\B(?=(\d{3})+$)/g, ',')}.${fraction}`;
}
