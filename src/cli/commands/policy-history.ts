// `cordon policy history`: which version was enforced when, by whom and why.
import { InvalidArgumentError, type Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { shortActor } from '../rollout-lines.ts';
import { table, type Cell } from '../table.ts';
import { duration } from '../units.ts';
import { showExamples } from '../usage.ts';

type Item = ReplyOf<'history'>['items'][number];

export function policyHistory(policy: Command): void {
  const command = policy
    .command('history')
    .summary('show which version was enforced when, and by whom')
    .description(
      'Shows every change of what is enforced and looked at, newest first, with its entry in the log. Each is proven by its signature.',
    )
    .option('--limit <count>', 'at most this many', limitOf, 50)
    .action(async ({ limit }: { limit: number }, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.policyHistory(limit));
      context.out.print(json, (paint) => table(value.items.map((item) => row(paint, item))));
    });
  showExamples(command, ['cordon policy history', 'cordon policy history --limit 5 --json']);
}

function row(paint: Paint, item: Item): readonly Cell[] {
  if ('error' in item) return [['x', () => paint.mark('x')], item.error.code, item.error.message];
  const { act, version, enforced, candidate, at, actor, note, record } = item;
  const state = `enforced ${enforced}${candidate === undefined ? '' : `, candidate ${candidate}`}`;
  const when = `${duration(Date.now() - at)} ago`;
  return [
    ['v', () => paint.mark('v')],
    `${act} version ${version}`,
    when,
    `by ${shortActor(actor)}`,
    state,
    `log entry ${record.seq}`,
    note === undefined ? '' : `"${note}"`,
  ];
}

function limitOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000) return value;
  throw new InvalidArgumentError('Expected 1 to 1000.');
}
