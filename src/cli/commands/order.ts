// `cordon order list | approve | refuse`: orders that wait for a second person.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { ReplyOf } from '../replies.ts';
import { shortActor } from '../rollout-lines.ts';
import { table } from '../table.ts';
import { until } from '../units.ts';
import { showExamples } from '../usage.ts';

export function orderCommand(program: Command): void {
  const order = program
    .command('order')
    .helpCommand(false)
    .summary('orders that wait for a second person')
    .description(
      'Where cordon.yaml says so (`operators.twoPersons`), orders about keys or policies wait until another operator approves them.',
    );
  showExamples(order, ['cordon order list', 'cordon order approve ord_7Q2F9KXW1B']);
  list(order);
  decide(order, 'approve', 'carry out what somebody else ordered', 'Carries the order out, exactly as it was given, in the name of both.');
  decide(order, 'refuse', 'let an order not happen', 'The order is not carried out; it stays in the list and in the log.');
}

function list(order: Command): void {
  const command = order
    .command('list')
    .summary('what waits, and what waited')
    .description('Shows the last hundred orders that had to wait, newest first.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.orders());
      const rows = value.items.map((each) => [each.id, each.state, each.route, `by ${shortActor(each.actor)}`, lastOf(each)]);
      context.out.print(json, (paint) => (rows.length === 0 ? [`${paint.mark('-')} no order waits`] : table(rows)));
    });
  showExamples(command, ['cordon order list', 'cordon order list --json']);
}

const lastOf = ({ state, expiresAt, decidedBy }: ReplyOf<'order'>): string =>
  state === 'waiting' ? until(expiresAt, Date.now()) : decidedBy === undefined ? '' : `${state} by ${shortActor(decidedBy)}`;

function decide(order: Command, how: 'approve' | 'refuse', summary: string, description: string): void {
  const command = order
    .command(how)
    .summary(summary)
    .description(`${description}\nNobody decides on an order of their own to approve it.`)
    .argument('<id>', 'of the order: `cordon order list`')
    .action(async (id: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.decideOrder(id, how));
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${value.id} ${value.state}: ${value.route}, ordered by ${shortActor(value.actor)}`,
      ]);
    });
  showExamples(command, [`cordon order ${how} ord_7Q2F9KXW1B`]);
}
