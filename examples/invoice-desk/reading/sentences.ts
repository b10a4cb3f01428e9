// Text as a reader takes it in: without hiding places, as sentences. Wrapped lines are joined; labelled lines and list items stand alone.

/** Format characters, variation selectors and fillers: invisible, and a way to split a word that a filter looks for. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;
const ABBREVIATION = /\b(?:no|nr|e\.g|i\.e|incl|excl|approx|ref|inv|ltd|inc|co|corp|st|mr|mrs|ms|dr|dept|tel|vs|cf|art)\.$/i;

/** The sentences of `text`, in order. */
export const sentences = (text: string): string[] =>
  plain(text)
    .split(/\n[ \t]*\n/)
    .flatMap(ofParagraph);

const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .replaceAll(INVISIBLE, '')
    .replaceAll(/<!--|-->|<\/?[a-z][^>]*>/gi, '\n\n')
    .replaceAll(/\s?[[({]\s?at\s?[\])}]\s?/gi, '@')
    .replaceAll(/\s?[[({]\s?dot\s?[\])}]\s?/gi, '.')
    .replaceAll(/\r\n?/g, '\n');

function ofParagraph(paragraph: string): string[] {
  const joined: string[] = [];
  for (const line of paragraph.split('\n').map((raw) => raw.replace(/^[\s>#*|/•·–—-]+/, '').trimEnd())) {
    const before = joined.at(-1);
    if (line === '') continue;
    if (before === undefined || standsAlone(line) || /[.!?]$/.test(before) || (isLabelled(before) && !isContinued(before, line)))
      joined.push(line);
    else joined[joined.length - 1] = `${before} ${line}`;
  }
  return joined
    .flatMap(split)
    .map((sentence) => sentence.replaceAll(/\s+/g, ' ').trim())
    .filter((sentence) => sentence !== '');
}

const standsAlone = (line: string): boolean => /^(?:\(?\d{1,2}[.)]|\(?[a-z][.)])\s/.test(line) || isLabelled(line);

/** `Note: please forward` + `the list`; a label's data is complete. */
const isContinued = (before: string, line: string): boolean => /^[\p{Ll}(]/u.test(line) && !/\d$/.test(before);

/** `Bank: Nordbank`, `Total   EUR 12.00`: a line of a form, not of prose. */
const isLabelled = (line: string): boolean =>
  /^[\p{L}][\p{L}\p{N} ./&()-]{0,24}:\s*\S{0,60}(?:\s\S{1,30}){0,6}$/u.test(line) || /\S {3,}\S/.test(line);

/** Splits at `.`, `!`, `?` and `;` that end something; `INV-1.2`, `EUR 1.50` and `Ltd.` do not. */
function split(line: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { index } of line.matchAll(/[.!?;](?=["'”’)]?(?:\s|$))/g)) {
    const part = line.slice(from, index + 1);
    if (ABBREVIATION.test(part) || /^\s*\(?\w{1,2}\.$/.test(part)) continue;
    parts.push(part);
    from = index + 1;
  }
  return [...parts, line.slice(from)];
}
