// Rows as people read them.
import type { Report, Row } from './row.ts';

const figure = (value: number | null): string => (value === null ? '-' : value.toLocaleString('en-US', { maximumSignificantDigits: 3 }));

const COLUMNS: readonly { readonly title: string; readonly left?: true; readonly of: (row: Row) => string }[] = [
  { title: 'bench', left: true, of: (row) => row.bench },
  { title: 'case', left: true, of: (row) => row.case },
  { title: 'subject', left: true, of: (row) => row.subject },
  { title: 'p50 us', of: (row) => figure(row.p50_us) },
  { title: 'p99 us', of: (row) => figure(row.p99_us) },
  { title: 'per s', of: (row) => figure(row.per_s) },
  { title: 'cpu us', of: (row) => figure(row.cpu_us) },
  { title: 'rss MB', of: (row) => figure(row.rss_mb) },
];

export function renderReport({ rows, says }: Report): string {
  const cells = [COLUMNS.map(({ title }) => title), ...rows.map((row) => COLUMNS.map(({ of }) => of(row)))];
  const widths = COLUMNS.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) => (COLUMNS[column]?.left === true ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  return [...lines.map((line) => `  ${line}`.trimEnd()), '', ...says.map((said) => `  ${said}`), ''].join('\n');
}
