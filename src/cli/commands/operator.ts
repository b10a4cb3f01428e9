// `cordon operator list | invite | role | remove | break-glass | review`: who administers, besides the operator of this machine.
import { Argument, Option, type Command } from 'commander';
import { OPERATOR_ROLES, type OperatorRole } from '../../domain/operators.ts';
import { contextOf } from '../context.ts';
import { table } from '../table.ts';
import { plain } from '../untrusted.ts';
import { until } from '../units.ts';
import { showExamples } from '../usage.ts';
import { operatorBreakGlass, operatorReview } from './break-glass.ts';

const SOURCES = { machine: 'operator of this machine', config: 'cordon.yaml', invited: 'invited' } as const;

export function operatorCommand(program: Command): void {
  const operator = program
    .command('operator')
    .helpCommand(false)
    .summary('operators: list, invite, role, remove, break-glass, review')
    .description('People who administer this Cordon. Roles: viewer, auditor, analyst, operator, admin.');
  showExamples(operator, ['cordon operator list', 'cordon operator invite alice --role analyst']);
  list(operator);
  invite(operator);
  role(operator);
  remove(operator);
  operatorBreakGlass(operator);
  operatorReview(operator);
}

function list(operator: Command): void {
  const command = operator
    .command('list')
    .summary('who administers, and broken glass')
    .description('Shows operators with their roles, and every time the glass was broken that is running or that nobody has looked at.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.operators());
      context.out.print(json, (paint) => [
        ...table(
          value.items.map(({ name, role: has, source, brokenGlass }) => [name, has, SOURCES[source], brokenGlass ? 'broke the glass' : '']),
        ),
        ...value.broken_glass.map(({ id, operator: who, until: end, reason }) => {
          return `${paint.mark('!')} ${id}  ${plain(who)} broke the glass: ${plain(reason)}  ${until(end, Date.now())}  fix  cordon operator review ${id}`;
        }),
      ]);
    });
  showExamples(command, ['cordon operator list', 'cordon operator list --json']);
}

function invite(operator: Command): void {
  const command = operator
    .command('invite')
    .summary('make a one-time link for a passkey')
    .description(
      'Makes somebody an operator, if --role is given, and a link with which they make a passkey: good once, for a day.\nSend it to that person alone.',
    )
    .argument('<name>', 'of the person: lower case letters, digits and `-`')
    .addOption(new Option('--role <role>', 'what the person is').choices(OPERATOR_ROLES))
    .action(async (name: string, options: { readonly role?: OperatorRole }, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.inviteOperator(name, options.role));
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${value.name} is ${value.role}; send them these two lines, which work once, until ${new Date(value.expires_at).toISOString()}`,
        `  open in a browser  ${value.link}`,
        `  then sign in       cordon login --server ${value.server} --trust ${value.trust[0] ?? ''}`,
      ]);
    });
  showExamples(command, ['cordon operator invite alice --role analyst', 'cordon operator invite alice']);
}

function role(operator: Command): void {
  const command = operator
    .command('role')
    .summary('change what an operator is')
    .description('Changes the role; it holds with the next request.')
    .argument('<name>', 'of the operator')
    .addArgument(new Argument('<role>', 'what the person is').choices(OPERATOR_ROLES))
    .action(async (name: string, has: OperatorRole, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json } = await context.connected((client) => client.putOperator(name, has));
      context.out.print(json, (paint) => [`${paint.mark('v')} ${name} is ${has}`]);
    });
  showExamples(command, ['cordon operator role alice operator']);
}

function remove(operator: Command): void {
  const command = operator
    .command('remove')
    .summary('take every right from an operator')
    .description('Removes the operator with their passkeys; what they hold is refused with the next request.')
    .argument('<name>', 'of the operator')
    .action(async (name: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json } = await context.connected((client) => client.removeOperator(name));
      context.out.print(json, (paint) => [`${paint.mark('v')} ${name} is no operator any more`]);
    });
  showExamples(command, ['cordon operator remove alice']);
}
