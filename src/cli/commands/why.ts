// `cordon why`: one decision with every clause, the last denials, or what a code means.
import { InvalidArgumentError, type Command } from 'commander';
import { CODES, isCode, type Code } from '../../domain/codes.ts';
import { isJsonObject, type Json } from '../../domain/json.ts';
import { similar } from '../../domain/similar.ts';
import type { Client, Reply } from '../client.ts';
import { contextOf, type Context } from '../context.ts';
import { Failure } from '../errors.ts';
import { labelled, nameOf, renderWhy } from '../explain.ts';
import type { Paint } from '../paint.ts';
import { remediesOf } from '../remedies.ts';
import type { ReplyOf } from '../replies.ts';
import { table } from '../table.ts';
import { several } from '../units.ts';
import { showExamples } from '../usage.ts';

interface WhyOptions {
  /** How many; true = the last one, explained. */
  readonly last?: number | true;
  readonly agent?: string;
}

export function whyCommand(program: Command): void {
  const command = program
    .command('why')
    .summary('explain a decision or a code')
    .description(
      'Explains a decision: what was wanted, who asked, which clause stopped it and what it saw, what would allow it, and the proof.\nExplains a code when one is given; that needs no server.',
    )
    .argument('[what]', 'a decision `dec_..` or a code `CORDON-nnnn`')
    .option('--last [n]', 'the last call that was denied, or a list of the last n refusals', wholeNumber)
    .option('--agent <name>', 'with --last: of this agent')
    .action(async (what: string | undefined, options: WhyOptions, self: Command) => {
      const context = contextOf(self);
      if (what !== undefined && options.last === undefined) return explain(context, what);
      if (what !== undefined || options.last === undefined) throw neither();
      await context.connected((client) => lastDenials(context, client, options));
    });
  showExamples(command, ['cordon why --last', 'cordon why dec_7Q2FM3XK9A', 'cordon why CORDON-3001']);
}

const neither = (): Failure =>
  new Failure('usage', 'name a decision or a code, or ask for the last denial', {
    fix: ['`cordon why --last`', '`cordon why CORDON-3001`'],
  });

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 500) return value;
  throw new InvalidArgumentError('Expected a whole number from 1 to 500.');
}

async function explain(context: Context, what: string): Promise<void> {
  const [, digits] = /^(?:cordon-?)?(\d{4})$/i.exec(what) ?? [];
  if (digits !== undefined) return explainCode(context, `CORDON-${digits}`);
  if (!/^dec_[0-9A-Z]{4,20}$/.test(what)) {
    throw new Failure('usage', 'not a decision and not a code', {
      observed: `\`${what}\``,
      expected: '`dec_` and upper case letters and digits, or `CORDON-nnnn`',
      fix: ['the last denial: `cordon why --last`'],
    });
  }
  showWhy(context, await context.connected((client) => client.why(what)));
}

function showWhy(context: Context, { json, value }: Reply<'why'>): void {
  const { record, explanation } = value;
  const remedies = remediesOf({ ...record, determining: record.policy.determining }, explanation);
  context.out.print({ ...json, remedies: remedies.map((remedy) => ({ ...remedy })) }, (paint) => renderWhy(paint, value));
}

/** How far back the last denied call is looked for among refusals that were none. */
const LOOK_BACK = 100;

/** Denials and errors, newest first; the newest call alone is explained. */
async function lastDenials(context: Context, client: Client, { last, agent }: WhyOptions): Promise<void> {
  const one = last === true || last === undefined;
  const limit = one ? LOOK_BACK : last;
  const found = await Promise.all(
    (['deny', 'approval_required', 'error'] as const).map((verdict) => client.decisions({ verdict, limit, agent })),
  );
  const items = found
    .flatMap(({ value }) => value.items)
    .toSorted((a, b) => b.seq - a.seq)
    .slice(0, limit);
  const at = one ? items.findIndex(isCall) : 0;
  const newest = items[at];
  if (newest === undefined) {
    context.out.print({ schema: 'cordon.decisions/v1', items: [], next: null }, () => [one ? 'no call was denied' : 'nothing was denied']);
    if (items.length > 0) context.out.hint(`${several(items.length, 'refusal')} of what was no call: cordon why --last ${items.length}`);
  } else if (one) {
    showWhy(context, await client.why(newest.id));
    if (at > 0) context.out.hint(`${several(at, 'newer refusal')} of what was no call: cordon why --last ${at}`);
  } else {
    const kept = new Set(items.map(({ id }) => id));
    const raw = found
      .flatMap(({ json }) => listOf(json['items']))
      .filter((item) => isJsonObject(item) && typeof item['id'] === 'string' && kept.has(item['id']));
    context.out.print({ schema: 'cordon.decisions/v1', items: raw, next: null }, (paint) => list(paint, items));
    context.out.hint(`explain one: cordon why ${newest.id}`);
  }
}

/** Somebody known asked for something that a gateway carries; not a handshake, nor a GET that MCP clients try and do without. */
const isCall = ({ principal, code }: ReplyOf<'decisions'>['items'][number]): boolean => principal !== undefined && code !== 'CORDON-3022';

const listOf = (json: Json | undefined): readonly Json[] => (Array.isArray(json) ? (json as readonly Json[]) : []);

function list(paint: Paint, items: ReplyOf<'decisions'>['items']): readonly string[] {
  return table(
    items.map(({ id, ts, verdict, code, principal, action, resource }) => [
      [verdict.toUpperCase(), (text: string) => paint('bad', text)] as const,
      code ?? '',
      id,
      ts,
      principal === undefined ? '-' : nameOf(principal),
      action,
      resource,
    ]),
    0,
  );
}

function explainCode(context: Context, code: string): void {
  if (!isCode(code)) {
    const near = similar(code, Object.keys(CODES));
    throw new Failure('usage', `no code is called \`${code}\``, {
      fix: near.length === 0 ? ['codes stand in errors and denials: `cordon why --last`'] : near.map((each) => `did you mean \`${each}\`?`),
    });
  }
  const row = CODES[code];
  context.out.print({ schema: 'cordon.code/v1', code, ...row }, (paint) => codeLines(paint, code));
}

function codeLines(paint: Paint, code: Code): readonly string[] {
  const { kind, title, fix, retryable, status } = CODES[code];
  return [
    `${paint('bold', code)}  ${title}`,
    ...labelled(paint, 'kind', [kind]),
    ...labelled(paint, 'retry', [
      retryable ? 'the same call may succeed later' : 'no: the same call is refused again until something is changed',
    ]),
    ...labelled(paint, 'http', [String(status)]),
    ...labelled(paint, 'fix', [fix]),
  ];
}
