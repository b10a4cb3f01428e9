// `cordon delegation verify | revoke`: what a task token is worth, and how it is ended with all that came from it (UX reference §6.1).
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { EXIT, Failure } from '../errors.ts';
import { labelled } from '../explain.ts';
import { pepLines, receiptLines } from '../observed.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { plain } from '../untrusted.ts';
import { duration, several, until } from '../units.ts';
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
  budget,
  purpose,
}: NonNullable<Verified['delegation']>['mandate'][number]): string {
  const constrained = Object.entries(limits).map(([name, limit]) => `${name} ${JSON.stringify(limit)}`);
  const terms = [
    ...constrained,
    ...(budget === undefined ? [] : [several(budget.calls, 'call')]),
    ...(purpose === undefined ? [] : [`for: ${purpose}`]),
  ];
  return plain([`${actions.join(', ')} on ${locations.join(', ')}`, ...terms].join('; '));
}

interface RevokeOptions {
  readonly run?: string;
  readonly txn?: string;
  readonly reason: string;
}

function addRevoke(delegation: Command): void {
  const command = delegation
    .command('revoke')
    .summary('end a task token, a task or a run, with all that came from it')
    .description(
      'Ends a task token with every token that was exchanged from it, a whole task, or a run with every task that went through it, at once.\nReports what every PEP saw. Exit 0 when all of them confirmed, 9 when not.',
    )
    .argument('[jti]', 'name of the token')
    .option('--run <id>', 'a run, and every task that went through it')
    .option('--txn <id>', 'a task: every token of it')
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .action(async (jti: string | undefined, options: RevokeOptions, self: Command) => {
      const context = contextOf(self);
      const order = orderOf(jti, options);
      const { json, value } = await context.connected((client) => client.revoke({ ...order, reason: options.reason }));
      context.out.print(json, (paint) => renderRevoked(paint, value, order.kind));
      if (value.status !== 'contained') process.exitCode = EXIT.partial;
    });
  showExamples(command, [
    'cordon delegation revoke 0FKK1C7A4WYNFTY3HTM83Q5QKP --reason "wrong invoice"',
    'cordon delegation revoke --txn G5WE8Y2T4Y8H8N92C0BEPXGVMA --reason "task cancelled"',
    'cordon delegation revoke --run 7Q2FM3XK9ABC --reason "odd calls"',
  ]);
}

/** Exactly one of the three. @throws Failure */
function orderOf(jti: string | undefined, { run, txn }: RevokeOptions): { readonly kind: 'token' | 'run' | 'txn'; readonly id: string } {
  const named = Object.entries({ token: jti, run, txn }).flatMap(([kind, id]) => (id === undefined ? [] : [{ kind, id }]));
  const [one, ...more] = named;
  if (one === undefined || more.length > 0) {
    throw new Failure('usage', 'name one thing to revoke', {
      expected: 'a token, or `--txn ID`, or `--run ID`',
      observed: several(named.length, 'name'),
    });
  }
  return { kind: one.kind === 'token' ? 'token' : one.kind === 'run' ? 'run' : 'txn', id: one.id };
}

const WHAT = { token: 'token', run: 'run', txn: 'task' } as const;

function renderRevoked(
  paint: Paint,
  { id, status, peps, cutMs, receipt }: ReplyOf<'revocation'>,
  kind: keyof typeof WHAT,
): readonly string[] {
  const done = status === 'contained';
  const seen = done ? `contained in ${duration(cutMs)}` : 'NOT every gateway confirmed';
  return [
    `${paint.mark(done ? 'v' : '!')} ${WHAT[kind]} ${paint('bold', plain(id))} is revoked, with all that came from it: ${seen}`,
    ...pepLines(paint, peps, 'silent', 'no open connection, no open call'),
    ...receiptLines(paint, receipt),
  ];
}
