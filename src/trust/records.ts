// A tool's output as its fields: JSON, records in block style YAML, bare lists of short items. Only what is surely a field of a record
// counts as one; everything else is text, which somebody else may have written.

export interface Piece {
  /** The nearest key; empty for items of a list and for text. */
  readonly key: string;
  readonly text: string;
  /** `field`: a short value of a record or an item of a list; `text`: the rest. */
  readonly kind: 'field' | 'text';
  /** Which record of the output it belongs to. */
  readonly record: number;
}

const MAX_FIELD = 80;
const MAX_ITEM_WORDS = 8;
const MAX_NODES = 20_000;

export function piecesOf(text: string): Piece[] {
  const inside = text.startsWith('<<') && text.endsWith('>>') ? text.slice(2, -2) : text;
  const json = parsed(inside);
  if (json !== undefined) return piecesOfJson(json);
  const lines = inside.split('\n');
  if (startsRecord(lines)) return recordPieces(lines);
  const items = listItems(lines);
  return items === undefined ? [piece('', inside, 'text', 0)] : items.map((item, at) => piece('', item, kindOf(item), at));
}

/** Keys of JSON are fields as well: a map of addresses has them there. */
export function piecesOfJson(value: unknown): Piece[] {
  const pieces: Piece[] = [];
  let record = 0;
  const visit = (key: string, each: unknown, depth: number): void => {
    if (pieces.length >= MAX_NODES || depth > 32) return;
    if (Array.isArray(each)) {
      for (const item of each) {
        if (depth === 0) record += 1;
        visit(key, item, depth + 1);
      }
    } else if (typeof each === 'object' && each !== null) {
      for (const [name, inner] of Object.entries(each)) {
        if (name.includes('@')) pieces.push(piece('', name, kindOf(name), record));
        visit(name, inner, depth + 1);
      }
    } else if (typeof each === 'string') pieces.push(piece(key, each, kindOf(each), record));
    else if (typeof each === 'number') pieces.push(piece(key, String(each), 'field', record));
  };
  visit('', value, 0);
  return pieces;
}

const piece = (key: string, text: string, kind: Piece['kind'], record: number): Piece => ({ key, text, kind, record });
const kindOf = (text: string): Piece['kind'] => (text.length <= MAX_FIELD && !text.includes('\n') ? 'field' : 'text');

function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // it may still be YAML, or text
  }
}

const FIELD = /^(\s*)((?:- )*)([^\s:'"#[\]{}-][^:'"]*):(?: (.*))?$/;
const QUOTED_KEY = /^(\s*)((?:- )*)'([^']*)':(?: (.*))?$/;

/** A record begins with its first key, in lower case as programs write them: `Rating: 5` is prose. */
function startsRecord(lines: readonly string[]): boolean {
  const first = lines.find((line) => line.trim() !== '') ?? '';
  const key = FIELD.exec(first)?.[3] ?? QUOTED_KEY.exec(first)?.[3];
  if (key === undefined) return false;
  return /^[a-z0-9_.@-]+$/.test(key) || (lines.length > 1 && /^\s*(?:- )*['"]?[\w.@ '-]+['"]?:$/.test(first));
}

/** Items of a block list at one level; undefined when the text is not one, nor a few short words. */
function listItems(lines: readonly string[]): string[] | undefined {
  const said = lines.filter((line) => line.trim() !== '');
  if (said[0]?.startsWith('- ') === true) return scalars(said);
  const short = (line: string): boolean =>
    line.length <= MAX_FIELD && line.split(/\s+/).length <= MAX_ITEM_WORDS && !/[.!?]\s/.test(line) && !/[.!?]$/.test(line);
  return said.every(short) ? said.map((line) => line.replace(/^[\w ]+: /, '').trim()) : undefined;
}

function scalars(lines: readonly string[]): string[] {
  const items: string[] = [];
  let quote: string | undefined;
  for (const line of lines) {
    const begins = quote === undefined && line.startsWith('- ');
    const text = begins ? line.slice(2) : line;
    if (begins) items.push(text);
    else items[items.length - 1] = `${items.at(-1) ?? ''} ${text.trim()}`;
    quote = openQuote(text.trimStart(), quote);
  }
  return items.map(unquoted);
}

/** Block style YAML: a quoted, folded or wrapped value runs to its end, so no line inside one passes for a field. */
function recordPieces(lines: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  let record = 0;
  let open: { key: string; text: string; indent: number; quote: string | undefined; block: boolean } | undefined;
  const close = (): void => {
    if (open !== undefined) pieces.push(piece(open.key, open.block ? open.text : unquoted(open.text), fieldKind(open), record));
    open = undefined;
  };
  for (const line of lines) {
    const indent = line.length - line.trimStart().length;
    const continues =
      open !== undefined && (open.quote !== undefined || (open.text !== '' && (indent > open.indent || line.trim() === '')));
    if (open !== undefined && continues) {
      open.text += `\n${line.trim()}`;
      if (!open.block) open.quote = openQuote(line.trim(), open.quote);
      continue;
    }
    close();
    const field = FIELD.exec(line) ?? QUOTED_KEY.exec(line);
    if (line.startsWith('- ')) record += 1;
    if (field === null) {
      const item = line.trim().replace(/^(?:- )+/, '');
      open = { key: pieces.at(-1)?.key ?? '', text: item, indent, quote: openQuote(item, undefined), block: false };
      continue;
    }
    const [, , dashes = '', key = '', value = ''] = field;
    if (key.includes('@')) pieces.push(piece('', key, kindOf(key), record));
    open = { key, text: value, indent: indent + dashes.length, quote: openQuote(value, undefined), block: /^[|>]/.test(value) };
  }
  close();
  return pieces;
}

const fieldKind = ({ text, block }: { text: string; block: boolean }): Piece['kind'] =>
  block ? 'text' : kindOf(unquoted(text).replace(/\n/g, ' '));

function openQuote(text: string, open: string | undefined): string | undefined {
  const quote = open ?? (/^['"]/.test(text) ? text[0] : undefined);
  if (quote === undefined) return undefined;
  const marks = (quote === '"' ? text.replace(/\\./g, '') : text).split(quote).length - 1;
  return (marks + (open === undefined ? 0 : 1)) % 2 === 0 ? undefined : quote;
}

const unquoted = (text: string): string => text.trim().replace(/^(['"])([\s\S]*)\1$/, '$2');
