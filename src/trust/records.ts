// A tool's output as its fields: JSON, records in block style YAML, bare lists of short items. Only what is surely a field of a record
// counts as one; everything else is text, which somebody else may have written.

export interface Piece {
  /** The nearest key; empty for items of a list and for text. */
  readonly key: string;
  readonly text: string;
  /** `field`: a short value of a record; `item`: of a list; `text`: the rest. */
  readonly kind: 'field' | 'item' | 'text';
}

const MAX_FIELD = 80;
const MAX_ITEM_WORDS = 8;
const MAX_PIECES = 20_000;

/** @param bare whether a few short words on a line are a value of the tool's own */
export function piecesOf(text: string, bare = true): Piece[] {
  // some clients mark tool outputs so
  const inside = text.startsWith('<<') && text.endsWith('>>') ? text.slice(2, -2) : text;
  const json = parsed(inside);
  if (json !== undefined) return piecesOfJson(json);
  const first = inside.trimStart();
  if (first.startsWith('- ') && !startsRecord(first)) return blockItems(inside);
  if (startsRecord(first)) return recordPieces(inside);
  return (bare ? shortLines(inside) : undefined) ?? [{ key: '', text: inside, kind: 'text' }];
}

/** Keys of JSON are fields as well: a map of addresses has them there. */
export function piecesOfJson(value: unknown): Piece[] {
  const pieces: Piece[] = [];
  const visit = (key: string, each: unknown, depth: number): void => {
    if (pieces.length >= MAX_PIECES || depth > 32) return;
    if (Array.isArray(each)) for (const item of each) visit(key, item, depth + 1);
    else if (typeof each === 'object' && each !== null)
      for (const [name, inner] of Object.entries(each)) {
        if (name.includes('@')) pieces.push(piece('', name));
        visit(name, inner, depth + 1);
      }
    else if (typeof each === 'string') pieces.push(piece(key, each));
    else if (typeof each === 'number') pieces.push(piece(key, String(each)));
  };
  visit('', value, 0);
  return pieces;
}

const piece = (key: string, text: string): Piece => ({ key, text, kind: isShort(text) ? 'field' : 'text' });
const isShort = (text: string): boolean => text.length <= MAX_FIELD && !text.includes('\n');

function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // it may still be YAML, or text
  }
}

/** A record begins with its first key, in lower case as programs write them: `Rating: 5` is prose. */
const RECORD = /^(?:- )*(?:'[\w.@ -]+'|"[\w.@ -]+"|[a-z0-9_.@-]+):(?: |\n|$)|^(?:- )*[\w.@ '-]+:\n/;
const startsRecord = (text: string): boolean => RECORD.test(text.slice(0, 200));

/** A few short words on each line; undefined when it is prose. */
function shortLines(text: string): Piece[] | undefined {
  if (text.length > 10_000) return undefined;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const isItem = (line: string): boolean =>
    line.length <= MAX_FIELD && line.split(/\s+/).length <= MAX_ITEM_WORDS && !/[.!?](?:\s|$)/.test(line);
  return lines.every(isItem) ? lines.map((line) => ({ key: '', text: line.replace(/^[\w ]+: /, '').trim(), kind: 'item' })) : undefined;
}

/** `- item` after `- item`; a quoted one runs to its closing quote. */
function blockItems(text: string): Piece[] {
  const pieces: Piece[] = [];
  let [from, quote] = [-1, 0];
  for (const line of linesOf(text)) {
    if (quote === 0 && text.startsWith('- ', line.from)) {
      if (from !== -1) pieces.push({ key: '', text: unquoted(text.slice(from, line.from - 1)), kind: 'item' });
      from = line.from + 2;
      quote = openQuote(text, from, line.to, 0);
    } else quote = openQuote(text, line.from, line.to, quote);
  }
  pieces.push({ key: '', text: unquoted(text.slice(from)), kind: 'item' });
  return pieces;
}

/** Block style YAML: a quoted, folded or wrapped value runs to its end, so no line inside one passes for a field. */
function recordPieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  let open = { key: '', from: 0, to: 0, indent: -1, quote: 0, block: false };
  const close = (): void => {
    if (open.indent === -1 || open.to <= open.from || pieces.length >= MAX_PIECES) return;
    const value = unquoted(text.slice(open.from, open.to));
    pieces.push({ key: open.key, text: value, kind: !open.block && isShort(value) ? 'field' : 'text' });
  };
  for (const line of linesOf(text)) {
    const blank = line.text === line.to;
    const indent = line.text - line.from;
    if (open.indent !== -1 && (open.quote > 0 || (open.to > open.from && (blank || indent > open.indent)))) {
      if (!open.block && open.quote > 0) open.quote = openQuote(text, line.text, line.to, open.quote);
      if (!blank) open.to = line.to;
      continue;
    }
    close();
    const colon = blank ? -1 : keyEnd(text, line.item, line.to);
    const from = colon === -1 ? line.item : Math.min(colon + 2, line.to);
    const key = colon === -1 ? open.key : unquoted(text.slice(line.item, colon));
    if (colon !== -1 && key.includes('@')) pieces.push(piece('', key));
    const first = text.charCodeAt(from);
    const block = colon !== -1 && from < line.to && (first === 124 || first === 62);
    open = { key, from, to: line.to, indent: line.item - line.from, quote: openQuote(text, from, line.to, 0), block };
    if (blank) open.indent = -1;
  }
  close();
  return pieces;
}

interface Line {
  readonly from: number;
  /** After white space. */
  readonly text: number;
  /** After the dashes of list items. */
  readonly item: number;
  readonly to: number;
}

function* linesOf(text: string): Generator<Line> {
  for (let from = 0; from <= text.length;) {
    const end = text.indexOf('\n', from);
    const to = end === -1 ? text.length : end;
    let begin = from;
    while (begin < to && text.charCodeAt(begin) === 32) begin += 1;
    let item = begin;
    while (text.charCodeAt(item) === 45 && text.charCodeAt(item + 1) === 32) item += 2;
    yield { from, text: begin, item: Math.min(item, to), to };
    from = to + 1;
  }
}

/** Where a key ends with its colon; -1 when the line is none. */
function keyEnd(text: string, from: number, to: number): number {
  const first = text.charCodeAt(from);
  const quoted = first === 39 || first === 34 ? first : 0;
  for (let at = quoted === 0 ? from : from + 1; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted !== 0) {
      if (code === quoted) return text.charCodeAt(at + 1) === 58 && (at + 2 >= to || text.charCodeAt(at + 2) === 32) ? at + 1 : -1;
    } else if (code === 58) {
      return at > from && (at + 1 === to || text.charCodeAt(at + 1) === 32) ? at : -1;
    } else if (code === 34 || code === 39) return -1;
  }
  return -1;
}

/** The quote that is still open at the end of a line: its character, or 0. */
function openQuote(text: string, from: number, to: number, open: number): number {
  let quote = open;
  let at = from;
  if (quote === 0) {
    const first = text.charCodeAt(from);
    if (from >= to || (first !== 39 && first !== 34)) return 0;
    quote = first;
    at = from + 1;
  }
  let closed = false;
  for (; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 92 && quote === 34) at += 1;
    else if (code === quote) closed = !closed;
  }
  return closed ? 0 : quote;
}

function unquoted(text: string): string {
  const bare = text.trim();
  const first = bare.charCodeAt(0);
  return bare.length > 1 && (first === 39 || first === 34) && bare.charCodeAt(bare.length - 1) === first ? bare.slice(1, -1) : bare;
}
