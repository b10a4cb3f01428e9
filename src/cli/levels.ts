// `off` and `release` as one act in two directions (UX reference J5): look, change, report what every PEP saw, say how to undo it.
import { LEVELS, type Level } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { similar } from '../domain/similar.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { EXIT, Failure } from './errors.ts';
import { labelled } from './explain.ts';
import { pepLines, receiptLines } from './observed.ts';
import type { Mark, Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { duration, several } from './units.ts';
import { plain } from './untrusted.ts';

export interface LevelOrder {
  readonly agent: string;
  readonly level: Level;
  readonly reason: string;
  readonly act: 'off' | 'release';
}

type Levelled = ReplyOf<'level'>;
export type AgentRow = ReplyOf<'agents'>['items'][number];

/** Sets a level and prints what was observed. Sets the exit code to 9 unless every PEP confirmed. @throws Failure */
export async function changeLevel(context: Context, order: LevelOrder): Promise<void> {
  if (order.reason.trim() === '') throw new Failure('usage', 'the reason is empty', { fix: ['say why: it stands in the log'] });
  const { reply, agent } = await context.connected(async (client) => {
    const before = await findAgent(client, order.agent);
    assertDirection(order, before.level);
    return { reply: await client.setLevel(order.agent, order.level, order.reason), agent: before };
  });
  const { value, json } = reply;
  const undo = undoOf(order, value);
  context.out.print({ ...json, undo } satisfies JsonObject, (paint) => render(paint, value, undo, agent));
  if (value.status === 'partial' || value.status === 'not_contained') process.exitCode = EXIT.partial;
}

/** @throws Failure CORDON-1014 with the names that were perhaps meant */
export async function findAgent(client: Client, name: string): Promise<AgentRow> {
  const { items } = (await client.agents()).value;
  const found = items.find((agent) => agent.name === name);
  if (found !== undefined) return found;
  throw unknownAgent(
    name,
    items.map((agent) => agent.name),
  );
}

export function unknownAgent(name: string, names: readonly string[]): Failure {
  const near = similar(name, names);
  return new Failure('usage', `no agent is registered as \`${name}\``, {
    code: 'CORDON-1014',
    expected: names.length === 0 ? 'agents in cordon.yaml; there are none' : `one of: ${names.slice(0, 20).join(', ')}`,
    fix: near.length === 0 ? ['list them: `cordon agent list`'] : near.map((each) => `did you mean \`${each}\`?`),
  });
}

/** `off` only ever takes away, `release` only ever gives back: a slip must not do the opposite. */
function assertDirection({ agent, level, act }: LevelOrder, now: Level): void {
  const step = LEVELS.indexOf(level) - LEVELS.indexOf(now);
  if (step === 0) {
    throw new Failure('conflict', `\`${agent}\` is at level \`${now}\` already`, { fix: ['nothing to do; see `cordon agent list`'] });
  }
  if (act === 'off' ? step > 0 : step < 0) return;
  const other =
    act === 'off' ? `cordon release ${agent} --to ${level} --reason TEXT` : `cordon off ${agent} --level ${level} --reason TEXT`;
  throw new Failure(
    'conflict',
    `\`${agent}\` is at level \`${now}\`, which is ${act === 'off' ? 'stricter' : 'milder'} than \`${level}\``,
    { fix: [`\`${other}\``] },
  );
}

function undoOf({ agent, act }: LevelOrder, { before }: Levelled): string {
  if (act === 'release') return `cordon off ${agent} --level ${before} --reason TEXT`;
  return `cordon release ${agent}${before === 'normal' ? '' : ` --to ${before}`} --reason TEXT`;
}

const STATUS: Readonly<Record<Levelled['status'], readonly [mark: Mark, words: string]>> = {
  contained: ['v', 'contained'],
  released: ['v', 'released'],
  partial: ['!', 'partially contained'],
  not_contained: ['x', 'NOT contained'],
};

function render(paint: Paint, value: Levelled, undo: string, agent: AgentRow): readonly string[] {
  const [mark, words] = STATUS[value.status];
  const cut = value.status === 'contained' && value.level === 'off' ? ` in ${duration(value.cutMs)}` : '';
  const head = `${paint.mark(mark)} ${paint('bold', plain(value.agent))} is at level \`${value.level}\`, was \`${value.before}\`: ${words}${cut}`;
  const did = value.level === 'off' ? 'silent' : value.status === 'released' ? 'released' : 'applied';
  return [
    head,
    ...pepLines(paint, value.peps, did, value.level === 'off' ? 'no open connection, no open call' : ''),
    ...labelled(paint, 'undo', [undo]),
    ...receiptLines(paint, value.receipt),
    ...(value.status === 'released' ? labelled(paint, 'next', [nextRun(agent)]) : []),
  ];
}

/** While an agent is off its SVIDs are not renewed, so a run may have ended by itself. */
function nextRun({ name, runs }: AgentRow): string {
  const live = runs.filter(({ notAfter }) => notAfter > Date.now()).length;
  if (live > 0) return `nothing more to do: ${several(live, 'run')} of it can connect again`;
  return `no run of it holds a valid SVID; start it: cordon run --as ${name} -- CMD`;
}
