// `cordon ca`: how long the keys of the trust domain live, what others need to trust it, and the three steps by which one replaces another without cutting anybody off.
import type { Command } from 'commander';
import { contextOf, type Context } from '../context.ts';
import { Failure } from '../errors.ts';
import type { Paint, Style } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { table, type Cell } from '../table.ts';
import { duration } from '../units.ts';
import { showExamples } from '../usage.ts';

type Key = ReplyOf<'ca'>['keys'][number];
type Use = Key['use'];
type Step = 'prepare' | 'activate' | 'retire';

const STEPS: Readonly<
  Record<Step, { readonly summary: string; readonly description: string; readonly done: string; readonly nothing: string }>
> = {
  prepare: {
    summary: 'make a new key and publish it',
    description:
      'Makes a new key and publishes it. It signs nothing yet: whoever verifies hears of it first.\nExit 8 when one is prepared already.',
    done: 'prepared',
    nothing: 'one is prepared already',
  },
  activate: {
    summary: 'sign with the prepared key',
    description:
      'Signs with the prepared key from now on. What the old one signed is trusted until it is retired.\nExit 8 when none is prepared, or not everybody can have heard of it yet.',
    done: 'active',
    nothing: 'none is prepared',
  },
  retire: {
    summary: 'forget the old key',
    description: 'Forgets the old key.\nExit 8 when there is none, or something that it signed may still live.',
    done: 'retired',
    nothing: 'there is no old key',
  },
};

interface UseOptions {
  readonly root?: true;
  readonly intermediate?: true;
  readonly jwt?: true;
  readonly sts?: true;
  readonly whoeverIsCutOff?: true;
}

export function caCommand(program: Command): void {
  const ca = program
    .command('ca')
    .helpCommand(false)
    .summary('keys of the trust domain: status, root, rotate')
    .description('The keys of the trust domain: roots, intermediates, and what signs tokens.');
  showExamples(ca, ['cordon ca status', 'cordon ca rotate prepare --root']);
  const status = ca
    .command('status')
    .summary('how long each key lives')
    .description('Every key of the trust domain: its stage, what is left of its life, and the step that comes next.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.ca());
      context.out.print(json, (paint) => [`keys of ${value.trustDomain}`, ...keyLines(value.keys, value.now, paint)]);
    });
  showExamples(status, ['cordon ca status', 'cordon ca status --json']);
  const root = ca
    .command('root')
    .summary('print what others trust')
    .description(
      'The roots of the trust domain, PEM: what somebody needs who verifies its SVIDs. More than one while one replaces another.',
    )
    .option('--interception', 'what agents trust to have their TLS to registered hosts read by the gateway')
    .action(async ({ interception }: { readonly interception?: true }, self: Command) => {
      const context = contextOf(self);
      const { value } = await context.connected((client) => client.ca());
      if (interception === true) return printInterception(context, value);
      context.out.print({ schema: 'cordon.bundle/v1', trustDomain: value.trustDomain, bundle: value.bundle }, () => [
        value.bundle.trimEnd(),
      ]);
    });
  showExamples(root, ['cordon ca root > desk.example.pem', 'cordon ca root --interception > interception.pem']);
  const rotate = ca
    .command('rotate')
    .helpCommand(false)
    .summary('replace a key: prepare, activate, retire')
    .description('Replaces a key in three steps. Between them wait for as long as `cordon ca status` says; nothing is cut off.');
  showExamples(rotate, ['cordon ca rotate prepare --root', 'cordon ca rotate activate --root', 'cordon ca rotate retire --root']);
  stepCommand(rotate, 'prepare');
  stepCommand(rotate, 'activate');
  stepCommand(rotate, 'retire');
}

/** @throws Failure when nothing is intercepted */
function printInterception({ out }: Context, { interception, trustDomain }: ReplyOf<'ca'>): void {
  if (interception === undefined) {
    throw new Failure('conflict', 'no host is registered for interception', {
      fix: ['`intercept: true` at an egress resource of cordon.yaml'],
    });
  }
  out.print({ schema: 'cordon.bundle/v1', trustDomain, bundle: interception }, () => [interception.trimEnd()]);
}

function stepCommand(rotate: Command, step: Step): void {
  const { summary, description } = STEPS[step];
  const command = rotate
    .command(step)
    .summary(summary)
    .description(description)
    .option('--root', 'the root')
    .option('--intermediate', 'the intermediate')
    .option('--jwt', 'the key of JWT-SVIDs')
    .option('--sts', 'the key of the token service')
    .option('--whoever-is-cut-off', 'too early or not: the key before may be in the wrong hands')
    .action(async (options: UseOptions, self: Command) => rotateKey(contextOf(self), step, options));
  showExamples(command, [`cordon ca rotate ${step} --root`]);
}

const USES: readonly Use[] = ['root', 'intermediate', 'jwt', 'sts'];

/** Exactly one. @throws Failure */
function useOf({ root, intermediate, jwt, sts }: UseOptions): Use {
  const given: Readonly<Record<Use, true | undefined>> = { root, intermediate, jwt, sts };
  const named = USES.filter((use) => given[use] === true);
  const [use, ...more] = named;
  if (use !== undefined && more.length === 0) return use;
  throw new Failure('usage', use === undefined ? 'which key?' : 'one key at a time', {
    observed: named.map((each) => `--${each}`).join(' ') || 'none named',
    expected: USES.map((each) => `--${each}`).join(', '),
    fix: ['see where each stands: `cordon ca status`'],
  });
}

async function rotateKey(context: Context, step: Step, options: UseOptions): Promise<void> {
  const use = useOf(options);
  const order = { step, use, whoeverIsCutOff: options.whoeverIsCutOff === true };
  const { json, value } = await context.connected((client) => client.rotateKey(order));
  const now = Date.now();
  if (value.status === 'unchanged') {
    throw new Failure('conflict', `${use}: ${STEPS[step].nothing}`, { fix: ['see where each key stands: `cordon ca status`'] });
  }
  if (value.status === 'too_early') {
    const from = value.from ?? now;
    throw new Failure('conflict', `${use}: too early to ${step}`, {
      expected: `after ${new Date(from).toISOString()}, in ${duration(from - now)}`,
      fix: [step === 'retire' ? 'wait: SVIDs that it vouches for may still live' : 'wait: not everybody has heard of the new key yet'],
    });
  }
  context.out.print(json, (paint) => [`${paint.mark('v')} ${use} ${STEPS[step].done}`, ...keyLines(value.keys, now, paint)]);
}

const BAR = 20;
const DAY = 86_400_000;
/** Less than this is told as a warning, and is less than it should ever be. */
const SOON: Readonly<Record<Use, number>> = { root: 180 * DAY, intermediate: 14 * DAY, jwt: 0, sts: 0 };

const keyLines = (keys: readonly Key[], now: number, paint: Paint): readonly string[] => table(keys.map((key) => keyRow(key, now, paint)));

function keyRow(key: Key, now: number, paint: Paint): readonly Cell[] {
  const { use, stage, id, next } = key;
  const style: Style = stage === 'active' ? 'good' : 'dim';
  return [
    use,
    [stage, (text) => paint(style, text)],
    id.slice(0, 12),
    ...lifeCells(key, now, paint),
    next === undefined ? '' : nextText(next, now),
  ];
}

/** What is left of a certificate's life, drawn; a key that signs tokens has no end of its own. */
function lifeCells({ use, since, notBefore, notAfter }: Key, now: number, paint: Paint): readonly Cell[] {
  if (notBefore === undefined || notAfter === undefined) return ['', `${duration(Math.max(0, now - since))} old`];
  const left = notAfter - now;
  const full = Math.round(BAR * Math.min(1, Math.max(0, left / (notAfter - notBefore))));
  const style: Style = left <= 0 ? 'bad' : left < SOON[use] ? 'warn' : 'good';
  const bar = `${'#'.repeat(full)}${'.'.repeat(BAR - full)}`;
  const words = left > 0 ? `${duration(left)} left, until ${dateOf(notAfter)}` : `expired ${dateOf(notAfter)}`;
  return [[bar, (text) => paint(style, text)], words];
}

const nextText = ({ step, from }: NonNullable<Key['next']>, now: number): string =>
  from > now ? `${step} in ${duration(from - now)}` : `${step} when you like`;

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
