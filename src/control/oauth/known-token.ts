// A token that somebody shows: one of ours that lives, or nothing at all.
import { keysByKid } from '../../crypto/jws.ts';
import { Refusal } from '../../domain/refusal.ts';
import { parseWorkload } from '../../domain/spiffe-id.ts';
import { actorOf, readTaskToken, type TaskToken } from '../../sts/task-token.ts';
import type { Control } from '../control.ts';
import { deathOf } from './engine.ts';
import { SKEW } from './users.ts';

/** Reads a task token of ours. attacker-controlled @throws Refusal CORDON-1009, CORDON-1010 */
export function readOwn({ tokens, identityUrl, now }: Control, token: string): TaskToken {
  const expected = { issuer: identityUrl, isAudience: () => true, now: now(), skew: SKEW / 1000 };
  return readTaskToken(token, keysByKid(tokens.keys.keys()), expected);
}

/** Nothing that it stands on was revoked, and its actor may act. @throws Refusal CORDON-2007, CORDON-4002, CORDON-4005 */
export function checkLiving(control: Control, read: TaskToken): void {
  const death = deathOf(control, { ...read, tokens: [read.jti, ...read.parents] });
  if (death !== undefined) throw new Refusal('CORDON-2007', death);
  const { name, run = '' } = parseWorkload(actorOf(read));
  const { runs, world } = control.publisher.current();
  if (runs.get(run)?.agent !== name) throw new Refusal('CORDON-4005', 'the run of the actor has ended');
  if (world.levels.get(name) === 'off') throw new Refusal('CORDON-4002', 'the level of the actor is off');
}
