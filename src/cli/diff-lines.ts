// The difference of two policy sets as people read it: how much, then what would be reached more, less, or under other conditions.
import { isCall } from './offered.ts';
import type { Mark, Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { shortHash } from './rollout-lines.ts';
import { table } from './table.ts';
import { plain } from './untrusted.ts';
import { count, several } from './units.ts';

type Diff = ReplyOf<'diff'>;
type Row = Diff['rows'][number];

/** Rows shown of each change; `--json` has more. */
const SHOWN = 20;

const CHANGES: Readonly<Record<Row['change'], readonly [mark: Mark, heading: string]>> = {
  widens: ['!', 'reaches more'],
  narrows: ['-', 'reaches less'],
  changed: ['!', 'may before and after, under other conditions: more or less, as the arguments are'],
};

export function diffLines(paint: Paint, diff: Diff): readonly string[] {
  const { from, to, counts, policies, unaccepted } = diff;
  const lists = Object.entries(policies).filter(([, ids]) => ids.length > 0);
  const head = [
    paint('bold', `policies of ${setName(from)} > ${setName(to)}`),
    ...lists.map(([word, ids]) => `  ${paint('dim', word.padEnd(8))} ${ids.map((id) => plain(id)).join(', ')}`),
  ];
  const total = counts.widens + counts.narrows + counts.changed;
  if (total === 0) return [...head, `${paint.mark('v')} no answer changes${lists.length === 0 ? '' : ', whoever asks for whatever'}`];
  const numbers = table(Object.entries(counts).map(([change, number]) => [change, count(number)]));
  const sections = (['widens', 'narrows', 'changed'] as const).flatMap((change) => changeLines(paint, diff, change));
  return [...head, ...numbers, ...sections, ...gateLines(paint, unaccepted)];
}

export const setName = ({ version, hash }: Diff['from']): string =>
  version === undefined ? `draft ${shortHash(hash)}` : `version ${version}`;

function changeLines(paint: Paint, { rows, counts }: Diff, change: Row['change']): readonly string[] {
  const merged = mergedRows(rows.filter((row) => row.change === change));
  if (merged.length === 0) return [];
  const [mark, heading] = CHANGES[change];
  const lines = merged.slice(0, SHOWN).map(({ row, actions }) => {
    const { agent, level, resource, before, after, policies, reads, segment } = row;
    return [
      [mark, () => paint.mark(mark)] as const,
      level === 'normal' ? agent : `${agent} at level ${level}`,
      isCall(actions[0] ?? '') ? resource : `${resource} (${actions.join(', ')})`,
      `${before} > ${after}`,
      `by ${policies.join(', ')}`,
      `${reads ? 'reads' : 'writes'}, segment ${segment}`,
    ];
  });
  const left = counts[change] - merged.slice(0, SHOWN).reduce((sum, { actions }) => sum + actions.length, 0);
  const more = left > 0 ? [`  ${paint('dim', `and ${several(left, 'more', 'more')}: see --json`)}`] : [];
  return ['', paint('dim', heading), ...table(lines), ...more];
}

/** Rows that differ in the action alone, as one. */
function mergedRows(rows: readonly Row[]): readonly { readonly row: Row; readonly actions: readonly string[] }[] {
  const merged = new Map<string, { row: Row; actions: string[] }>();
  for (const row of rows) {
    const { action, ...rest } = row;
    const key = JSON.stringify(rest);
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { row, actions: [action] });
    else known.actions.push(action);
  }
  return [...merged.values()];
}

function gateLines(paint: Paint, unaccepted: readonly string[]): readonly string[] {
  if (unaccepted.length === 0) return [];
  const flags = unaccepted.map((policy) => `--accept-widening ${plain(policy)}`).join(' ');
  return [
    '',
    `${paint.mark('x')} what widens, or may, has to be accepted by name`,
    `  ${paint('dim', 'fix   ')}if it is meant: ${flags}`,
    `  ${paint('dim', '      ')}see what it does to recorded calls: cordon policy impact`,
  ];
}
