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
import { type Ask, reachAt, type Reach, stakesOf, takenLines } from './stakes.ts';
import { duration, several } from './units.ts';
import { plain } from './untrusted.ts';

export interface LevelOrder {
  readonly agent: string;
  readonly level: Level;
  readonly reason: string;
  readonly act: 'off' | 'release';
  /** A person who is shown what is at stake, and asked, before anything is done. */
  readonly ask?: Ask | undefined;
}

type Levelled = ReplyOf<'level'>;
export type AgentRow = ReplyOf<'agents'>['items'][number];

/** Sets a level and prints what was observed. Sets the exit code to 9 unless every PEP confirmed. @throws Failure */
export async function changeLevel(context: Context, order: LevelOrder): Promise<void> {
  if (order.reason.trim() === '') throw new Failure('usage', 'the reason is empty', { fix: ['say why: it stands in the log'] });
  const { reply, agent, reach } = await context.connected(async (client) => {
    const before = await findAgent(client, order.agent);
    assertDirection(order, before.level);
    await assertWanted(context, client, order);
    const done = await client.setLevel(order.agent, order.level, order.reason);
    return { reply: done, agent: before, reach: order.act === 'off' ? await reachAt(client, order.agent, before.level) : undefined };
  });
  const { value, json } = reply;
  const undo = undoOf(order, value);
  const told: JsonObject = reach === undefined ? { ...json, undo } : { ...json, undo, reach };
  context.out.print(told, (paint) => render(paint, order, value, { undo, agent, reach }));
  if (value.status === 'partial' || value.status === 'not_contained') process.exitCode = EXIT.partial;
}

/** @throws Failure when the person says no */
async function assertWanted({ out }: Context, client: Client, { ask, agent, level }: LevelOrder): Promise<void> {
  if (ask === undefined) return;
  if (await ask(await stakesOf(client, agent, level, out.paint), `set \`${agent}\` to \`${level}\`?`)) return;
  throw new Failure('conflict', 'nothing was changed', { fix: ['answer `y`, or say `--yes`'] });
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

interface Around {
  readonly undo: string;
  readonly agent: AgentRow;
  readonly reach: Reach | undefined;
}

function render(paint: Paint, { act }: LevelOrder, value: Levelled, { undo, agent, reach }: Around): readonly string[] {
  const [mark, words] = STATUS[value.status];
  const cut = value.status === 'contained' && value.level === 'off' ? ` in ${duration(value.cutMs)}` : '';
  const head = `${paint.mark(mark)} ${paint('bold', plain(value.agent))} is at level \`${value.level}\`, was \`${value.before}\`: ${words}${cut}`;
  const did = value.level === 'off' ? 'silent' : value.status === 'released' ? 'released' : 'applied';
  return [
    head,
    ...pepLines(paint, value.peps, did, value.level === 'off' ? 'no open connection, no open call' : ''),
    ...(act === 'off' ? takenLines(paint, value.agent, reach, value.delegated) : []),
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
