// `cordon delegation verify | revoke`: what a task token is worth, and how it is ended with all that came from it (UX reference §6.1).
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { EXIT, Failure } from '../errors.ts';
import { labelled } from '../explain.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { revokeAndTell } from '../revoked.ts';
import { plain } from '../untrusted.ts';
import { several, until } from '../units.ts';
import { showExamples } from '../usage.ts';

export function delegationCommand(program: Command): void {
  const delegation = program
    .command('delegation')
    .helpCommand(false)
    .summary('task tokens: verify, revoke')
    .description('Who acts for whom, within what.');
  showExamples(delegation, ['cordon delegation verify token.jwt', 'cordon delegation revoke --txn ID --reason "no longer wanted"']);
  addVerify(delegation);
  addRevoke(delegation);
}

function addVerify(delegation: Command): void {
  const command = delegation
    .command('verify')
    .summary('say what a task token is worth now')
    .description(
      'Shows for whom, through whom (oldest first) and within what a task token acts, and whether it is worth anything now.\nExit 0 when it is, 5 when it is not.',
    )
    .argument('<file>', 'a file with the token; `-` reads it from stdin')
    .action(async (file: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const token = await readToken(file);
      const { json, value } = await context.connected((client) => client.verifyDelegation(token));
      context.out.print(json, (paint) => renderVerified(paint, value));
      if (!value.live) process.exitCode = EXIT.no;
    });
  showExamples(command, ['cordon delegation verify token.jwt', 'pbpaste | cordon delegation verify - --json']);
}

/** Never on the command line: what stands there is seen by every process of the machine. @throws Failure */
async function readToken(file: string): Promise<string> {
  try {
    return (file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new Failure('usage', `the token cannot be read from \`${file}\``, { fix: ['name a file that holds the token, or `-`'], cause });
  }
}

type Verified = ReplyOf<'delegation'>;

function renderVerified(paint: Paint, { live, why, delegation }: Verified): readonly string[] {
  const verdict = live ? `${paint.mark('v')} live` : `${paint.mark('x')} ${why?.code ?? ''} ${plain(why?.message ?? '')}`;
  if (delegation === undefined) return [verdict, ...fixOf(paint, why)];
  const { sub, chain, audience, jti, txn, parents, mandate, expires_at: end } = delegation;
  const hops = [sub, ...chain.map(({ agent }) => agent)].filter((name, at, all) => at === 0 || name !== all[at - 1]);
  return [
    `${verdict}  ${paint('bold', hops.map((hop) => plain(hop)).join(' > '))}`,
    ...labelled(paint, 'may', mandate.map(entryText)),
    ...labelled(paint, 'at', [plain(audience)]),
    ...labelled(paint, 'until', [`${new Date(end).toISOString()}  ${until(end, Date.now())}`]),
    ...labelled(paint, 'token', [`${plain(jti)}${parents.length === 0 ? '' : `  from ${several(parents.length, 'token')} before it`}`]),
    ...labelled(paint, 'task', [plain(txn)]),
    ...fixOf(paint, why),
  ];
}

const fixOf = (paint: Paint, why: Verified['why']): readonly string[] =>
  why === undefined ? [] : labelled(paint, 'fix', [plain(why.fix)]);

function entryText({
  actions,
  locations,
  arguments: limits = {},
  other_arguments: others,
  after = [],
  budget,
  purpose,
}: NonNullable<Verified['delegation']>['mandate'][number]): string {
  const constrained = Object.entries(limits).map(([name, limit]) => `${name} ${JSON.stringify(limit)}`);
  const terms = [
    ...constrained,
    ...(others === undefined ? [] : ['no other arguments']),
    ...after.map((place) => `after ${place}`),
    ...(budget === undefined ? [] : [several(budget.calls, 'call')]),
    ...(purpose === undefined ? [] : [`for: ${purpose}`]),
  ];
  return plain([`${actions.join(', ')} on ${locations.join(', ')}`, ...terms].join('; '));
}

interface RevokeOptions {
  readonly txn?: string;
  readonly reason: string;
}

function addRevoke(delegation: Command): void {
  const command = delegation
    .command('revoke')
    .summary('end a task token or a task, with all that came from it')
    .description(
      'Ends a task token with every token that was exchanged from it, or a whole task, at once. A run, with every task that went through it,\nis ended by `cordon off --run`. Reports what every PEP saw. Exit 0 contained, 9 not every PEP is silent, 8 revoked before.',
    )
    .argument('[jti]', 'name of the token')
    .option('--txn <id>', 'a task: every token of it')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .action(async (jti: string | undefined, { txn, reason }: RevokeOptions, self: Command) => {
      const named = [jti, txn].filter((id) => id !== undefined);
      const [id] = named;
      if (id === undefined || named.length > 1) {
        throw new Failure('usage', 'name one thing to revoke', {
          expected: 'a token, or `--txn ID`',
          observed: several(named.length, 'name'),
        });
      }
      await revokeAndTell(contextOf(self), { kind: jti === undefined ? 'txn' : 'token', id, reason });
    });
  showExamples(command, [
    'cordon delegation revoke 0FKK1C7A4WYNFTY3HTM83Q5QKP --reason "wrong invoice"',
    'cordon delegation revoke --txn G5WE8Y2T4Y8H8N92C0BEPXGVMA --reason "task cancelled"',
  ]);
}
