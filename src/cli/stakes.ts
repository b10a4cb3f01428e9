// What is at stake when rights are taken from an agent: how far it reaches, and what hangs on it. A person at a terminal sees it before being
// asked; everybody else after the act, because nobody who contains is kept waiting for an analysis.
import { createInterface } from 'node:readline/promises';
import type { Level } from '../domain/access.ts';
import { blastLines, reachSummary } from './blast-lines.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { labelled } from './explain.ts';
import type { Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { count, several } from './units.ts';
import { plain } from './untrusted.ts';

/** Shows the lines, then asks. */
export type Ask = (lines: readonly string[], question: string) => Promise<boolean>;

export type Reach = ReplyOf<'blast'>['before'];
type Delegated = ReplyOf<'agent'>['delegated'];

/** A report of containment waits no longer than this for it. Milliseconds. */
const PATIENCE = 3_000;

/** At the terminal; undefined where nobody can be asked, or nobody wants to be. */
export function askerOf({ out }: Context, yes: boolean): Ask | undefined {
  if (yes || !out.interactive || !process.stdin.isTTY) return undefined;
  return async (lines, question) => {
    process.stdout.write(`${lines.join('\n')}\n`);
    const reader = createInterface({ input: process.stdin, output: process.stdout });
    const gone = new AbortController();
    reader.once('close', () => gone.abort()); // ctrl-d is no yes
    try {
      return /^y(?:es)?$/i.test((await reader.question(`${question} [y/N] `, { signal: gone.signal })).trim());
    } catch (error) {
      if (gone.signal.aborted) return false;
      throw error;
    } finally {
      reader.close();
    }
  };
}

/** How far the agent reaches at a level; undefined when that cannot be said, or not in time: it stops nothing. */
export async function reachAt(client: Client, agent: string, level: Level, patience = PATIENCE): Promise<Reach | undefined> {
  const asked = client.blast({ subject: `agent:${agent}`, level }).then(
    ({ value }) => value.after,
    () => undefined,
  );
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, patience, undefined);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Before the act: everything that it would take, or leave. */
export async function stakesOf(client: Client, agent: string, level: Level, paint: Paint): Promise<readonly string[]> {
  const detail = (await client.agent(agent)).value;
  const blast = await client.blast({ subject: `agent:${agent}`, level }).then(
    ({ value }) => blastLines(paint, value, `level ${level}`),
    () => [paint('bold', plain(agent)), unsaid(agent)],
  );
  const live = detail.runs.filter(({ notAfter }) => notAfter > Date.now()).length;
  return [
    ...blast,
    '',
    ...labelled(paint, 'live', [`${several(live, 'run')}, ${several(detail.connections, 'connection')}`]),
    ...labelled(paint, 'tokens', [delegatedText(detail.delegated)]),
  ];
}

/** After it: what it reached until now, and what became of the tokens that came through it. */
export function takenLines(
  paint: Paint,
  agent: string,
  reach: Reach | undefined,
  { before, dead }: ReplyOf<'level'>['delegated'],
): readonly string[] {
  return [
    ...labelled(paint, 'reach', [reach === undefined ? unsaid(agent) : `until now it ${reachSummary(reach.reaches)}`]),
    ...labelled(paint, 'tokens', [`${delegatedText(before)}; ${count(dead)} of them dead now`]),
  ];
}

const unsaid = (agent: string): string => `how far it reaches cannot be said now: cordon blast ${plain(agent)}`;

function delegatedText({ tokens, tasks, agents, complete }: Delegated): string {
  const known = complete ? '' : ' that are known (older ones may be in use)';
  const below = agents.length === 0 ? '' : `, also in the hands of ${agents.map((name) => plain(name)).join(', ')}`;
  return `${several(tokens, 'task token')} of ${several(tasks, 'task')}${known}${below}`;
}
