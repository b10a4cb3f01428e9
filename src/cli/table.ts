// Rows in columns. Every cell is made plain here, so that no caller can forget it; style is put on afterwards.
import { plain } from './untrusted.ts';

/** A text, or a text with what colours it. */
export type Cell = string | readonly [text: string, style: (text: string) => string];

const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

/** Columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += /\p{M}/u.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1;
  return width;
}

export const padTo = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** The rows as lines, two spaces between columns; the last column is not padded. */
export function table(rows: readonly (readonly Cell[])[], indent = 2): readonly string[] {
  const cells = rows.map((row) => row.map(plainCell));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [at, { text }] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, widthOf(text));
  }
  return cells.map((row) => {
    const line = row.map(({ text, style }, at) => style(text) + gap(text, widths[at] ?? 0)).join('  ');
    return `${' '.repeat(indent)}${line}`.trimEnd();
  });
}

const gap = (text: string, width: number): string => ' '.repeat(width - widthOf(text));

function plainCell(cell: Cell): { readonly text: string; readonly style: (text: string) => string } {
  const [given, style] = typeof cell === 'string' ? [cell, same] : cell;
  const text = plain(given);
  return { text, style: text === '' ? same : style };
}

const same = (text: string): string => text;
