// `cordon grant list | get | approve | refuse | revoke`: calls that wait for a person, and what was answered (UX reference J6).
import type { Command } from 'commander';
import { type Json, type JsonObject, parseJson, writeJson } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { contextOf } from '../context.ts';
import { labelled } from '../explain.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { shortActor } from '../rollout-lines.ts';
import { spanOf } from '../span.ts';
import { table } from '../table.ts';
import { count, duration, several } from '../units.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

const BOUNDS = { maxBytes: 65_536, maxDepth: 16 };
const ID = 'of the request: `cordon grant list`';

export function grantCommand(program: Command): void {
  const grant = program
    .command('grant')
    .helpCommand(false)
    .summary('calls that wait for a person')
    .description(
      'Where a policy says `@approval`, a call waits until a person approves exactly that call: this agent, for this user, with these\narguments. The agent calls again and passes, as often as was approved.',
    );
  showExamples(grant, ['cordon grant list', 'cordon grant approve gr_7Q2F9KXW1B']);
  addList(grant);
  addGet(grant);
  addApprove(grant);
  addNo(grant, 'refuse', 'say no to a call that waits', 'The agent is told no for a quarter of an hour, without asking anybody again.');
  addNo(grant, 'revoke', 'take a grant back', 'From now on it is good for nothing, and calls that run on the strength of it are cut.');
}

function addList(grant: Command): void {
  const command = grant
    .command('list')
    .summary('what waits, and what was answered')
    .description('Shows the last two hundred requests, newest first.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.grants());
      const rows = value.items.map((each) => [
        each.id,
        each.state,
        plain(each.agent),
        `${plain(each.action)} ${plain(each.resource)}`,
        stateOf(each),
      ]);
      context.out.print(json, (paint) => (rows.length === 0 ? [`${paint.mark('-')} nothing waits`] : table(rows)));
    });
  showExamples(command, ['cordon grant list', 'cordon grant list --json']);
}

type Grant = ReplyOf<'grants'>['items'][number];

function stateOf({ state, until, times, uses, used, answeredBy, comment }: Grant): string {
  const left = duration(Math.max(0, until - Date.now()));
  const by = answeredBy === undefined ? '' : ` by ${shortActor(answeredBy)}`;
  if (state === 'asked') return `${times > 1 ? `${several(times, 'time')}, ` : ''}for ${left} more`;
  if (state === 'approved') return `${used} of ${several(uses, 'use')}, for ${left} more${by}`;
  if (state === 'used') return `${used} of ${several(uses, 'use')}${by}`;
  return `${by.trim()}${comment === undefined ? '' : `: ${plain(comment)}`}`;
}

function addGet(grant: Command): void {
  const command = grant
    .command('get')
    .summary('exactly what would be approved')
    .description('Shows who asks, for whom, with which arguments, and which policy wants a person to look.')
    .argument('<id>', ID)
    .action(async (id: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.grant(id));
      context.out.print(json, (paint) => renderGrant(paint, value));
    });
  showExamples(command, ['cordon grant get gr_7Q2F9KXW1B']);
}

function renderGrant(paint: Paint, value: ReplyOf<'grantRequest'>): readonly string[] {
  const { id, state, request, policies, reason, approver, decision, times, narrowed } = value;
  const { subject, action, resource, context, delegation } = request;
  const through = delegation?.chain.map((hop) => shortActor(hop)).join(' > ');
  const given = membersOf(context.input ?? {});
  return [
    `${paint.mark(state === 'asked' ? '!' : '-')} ${id}  ${paint('bold', state)}  ${stateOf(value)}`,
    ...labelled(paint, 'who', [`${plain(subject.id)}${through === undefined ? '' : `  chain ${through}`}`]),
    ...labelled(paint, 'for', [delegation?.user === undefined ? 'nobody but itself' : plain(delegation.user.id)]),
    ...labelled(paint, 'wanted', [`${plain(resource.id)}  ${plain(action.name)}`]),
    ...labelled(paint, 'with', given.length === 0 ? ['no arguments'] : given),
    ...(narrowed === undefined ? [] : labelled(paint, 'approved', membersOf(narrowed))),
    ...labelled(paint, 'because', [
      `${policies.map((policy) => `\`${plain(policy)}\``).join(', ')}${reason === '' ? '' : `: ${plain(reason)}`}`,
    ]),
    ...labelled(paint, 'asked', [`${several(times, 'time')}, first in ${plain(decision)}`]),
    ...(state === 'asked'
      ? labelled(paint, 'answer', [`cordon grant approve ${id}   (${approver} or more)`, `cordon grant refuse ${id} --reason TEXT`])
      : []),
  ];
}

const membersOf = (members: JsonObject): readonly string[] =>
  Object.entries(members).map(([name, member]) => `${plain(name, 80)}: ${plain(writeJson(member), 1_000)}`);

interface ApproveOptions {
  readonly ttl: string;
  readonly uses: string;
  readonly with: readonly string[];
}

const gathered = (one: string, before: readonly string[]): readonly string[] => [...before, one];

/** `amount_cents=100000`. @throws Refusal CORDON-9011 */
function argumentOf(text: string): readonly [string, Json] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new Refusal('CORDON-9011', '`--with` does not fit', { observed: plain(text, 80), expected: '`name=json`' });
  return [text.slice(0, equals), parseJson(Buffer.from(text.slice(equals + 1)), BOUNDS)];
}

function addApprove(grant: Command): void {
  const command = grant
    .command('approve')
    .summary('let exactly this call pass')
    .description('It passes as often and for as long as is said here; with any other argument it does not.')
    .argument('<id>', ID)
    .option('--ttl <span>', 'how long it may be used, at most 24h', '15m')
    .option('--uses <n>', 'how many calls', '1')
    .option('--with <name=json>', 'only with this argument in place of its own: less of the same; may be repeated', gathered, [])
    .action(async (id: string, { ttl, uses, with: instead }: ApproveOptions, self: Command) => {
      const context = contextOf(self);
      const terms = {
        ttl: spanOf(ttl, '--ttl'),
        uses: Number(uses),
        ...(instead.length === 0 ? {} : { with: Object.fromEntries(instead.map(argumentOf)) }),
      };
      const { json, value } = await context.connected((client) => client.answerGrant(id, 'approve', terms));
      const only = instead.length === 0 ? '' : ' with narrower arguments';
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${value.id} approved${only}: ${plain(value.agent)} may ${plain(value.action)} ${plain(value.resource)}, ${several(value.uses, 'call')} within ${duration(value.until - Date.now())}`,
      ]);
    });
  showExamples(command, [
    'cordon grant approve gr_7Q2F9KXW1B',
    'cordon grant approve gr_7Q2F9KXW1B --ttl 1h --uses 3',
    'cordon grant approve gr_7Q2F9KXW1B --with amount_cents=100000',
  ]);
}

function addNo(grant: Command, how: 'refuse' | 'revoke', summary: string, description: string): void {
  const command = grant
    .command(how)
    .summary(summary)
    .description(description)
    .argument('<id>', ID)
    .requiredOption('--reason <text>', 'why; it stands in the log')
    .action(async (id: string, { reason }: { readonly reason: string }, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.answerGrant(id, how, { reason }));
      const used = value.used === 0 ? '' : `; it was used ${count(value.used)} times`;
      context.out.print(json, (paint) => [`${paint.mark('v')} ${value.id} ${value.state}${used}`]);
    });
  showExamples(command, [`cordon grant ${how} gr_7Q2F9KXW1B --reason "not this supplier"`]);
}
