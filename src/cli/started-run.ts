// A run that this command starts and ends: for a child of its own (`cordon run`), or for itself (`cordon mcp connect`).
import type { JsonObject } from '../domain/json.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { asFailure, Failure, type ExitName } from './errors.ts';
import { unknownAgent } from './levels.ts';
import type { ReplyOf } from './replies.ts';
import { plain } from './untrusted.ts';

export interface RunOf {
  readonly as: string;
  readonly kind: 'agent' | 'resource';
  /** What the launcher saw of what it is about to start. */
  readonly seen: JsonObject;
  /** What it is started for. */
  readonly task?: string | undefined;
}

/** @throws Failure CORDON-1014 with the names that were perhaps meant */
export async function startRun(client: Client, { as, kind, seen, task }: RunOf): Promise<ReplyOf<'run'>> {
  const names = kind === 'agent' ? (await client.agents()).value.items.map(({ name }) => name) : [];
  if (kind === 'agent' && !names.includes(as)) throw unknownAgent(as, names);
  return (await client.startRun(kind, as, seen, task)).value;
}

/** The run is over whether or not this can be said to the control plane: its SVID dies within minutes. */
export async function endRun(context: Context, id: string): Promise<void> {
  try {
    await context.connected((client) => client.endRun(id));
  } catch (error) {
    process.stderr.write(`! the end of run ${plain(id)} could not be reported: ${plain(asFailure(error).message)}\n`);
  }
}

/** The failure with the exit code of a launcher in place of that of its class. */
export const endingWith = (failure: Failure, endsWith: ExitName): Failure =>
  new Failure(failure.exit, failure.message, { ...failure.detail, endsWith, cause: failure });
