// `cordon operator break-glass | review`: every right, alone, for a while; told to everybody, and looked at afterwards.
import { InvalidArgumentError, type Command } from 'commander';
import { contextOf } from '../context.ts';
import { showExamples } from '../usage.ts';

interface Options {
  readonly reason: string;
  readonly minutes: number;
}

export function operatorBreakGlass(operator: Command): void {
  const command = operator
    .command('break-glass')
    .summary('take every right for a while, alone')
    .description(
      'For an emergency: whoever may (`operators.breakGlass`) has every role and needs no second person until the time is over.\n' +
        'It is in the log, and stands in `cordon operator list` until somebody else has looked at it.',
    )
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .option('--minutes <n>', 'for how long, at most 240', minutesOf, 60)
    .action(async ({ reason, minutes }: Options, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.breakGlass(reason, minutes));
      context.out.print(json, (paint) => [
        `${paint.mark('!')} ${value.operator} has every right, alone, until ${new Date(value.until).toISOString()}`,
        `  next  somebody else looks at it: cordon operator review ${value.id}`,
      ]);
    });
  showExamples(command, ['cordon operator break-glass --reason "on call, nobody else is awake, rolling back"']);
}

export function operatorReview(operator: Command): void {
  const command = operator
    .command('review')
    .summary('say that you looked at broken glass')
    .description('Says that you looked at what was done behind the broken glass. Not for who broke it.')
    .argument('<id>', 'as `cordon operator list` shows it')
    .action(async (id: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.reviewGlass(id));
      context.out.print(json, (paint) => [`${paint.mark('v')} ${value.id} is reviewed`]);
    });
  showExamples(command, ['cordon operator review gls_7Q2F9KXW']);
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (/^\d{1,3}$/.test(text) && minutes >= 1 && minutes <= 240) return minutes;
  throw new InvalidArgumentError('Expected 1 to 240 minutes.');
}
