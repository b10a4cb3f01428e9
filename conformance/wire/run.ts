// Runs the rows of a class, one by one: what comes back, what reached the upstream, what the log says, and that the gateway still serves.
import type { Attack, Class } from './attack.ts';
import type { Heard } from './speak.ts';
import type { World } from './world.ts';

/** What one attack came to; nothing in it when it was held. */
export type Failure = string;

/** @returns what is wrong, by row */
export async function tryClass(world: World, [name, attacks]: Class): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  for (const attack of attacks) {
    for (const what of await tryAttack(world, attack)) failures.push(`${name}/${attack.id} (${attack.source}): ${what}`);
  }
  return failures;
}

const reachedSoFar = ({ tools, agent }: World): number => tools.reached.length + agent.reached.length;

async function tryAttack(world: World, attack: Attack): Promise<readonly string[]> {
  const [before, newest] = [reachedSoFar(world), (await world.decided(1))[0]?.id];
  const heard = await attack.send(world);
  const codes = await codesSince(world, newest);
  const reached = reachedSoFar(world) - before;
  return [
    ...(hearsOf(heard) === attack.hears ? [] : [`heard ${hearsOf(heard)}, expected ${attack.hears}: ${heard.text.slice(0, 300)}`]),
    ...(attack.code === undefined || codes.includes(attack.code)
      ? []
      : [`the log says ${codes.join(', ') || 'nothing'}, expected ${attack.code}`]),
    ...(reached === 0 ? [] : [`reached the upstream ${reached} times`]),
    ...((await world.good()) ? [] : ['a good call afterwards did not pass']),
  ];
}

/** The first answer, also one without its body (`HEAD`): what comes after it on the connection is seen by what reaches the upstream. */
const hearsOf = ({ statuses, text, end }: Heard): number | string =>
  statuses[0] ?? (Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0) || end);

/** Codes of what was recorded since, newest first. */
async function codesSince(world: World, newest: string | undefined): Promise<readonly string[]> {
  const items = await world.decided();
  const end = items.findIndex(({ id }) => id === newest);
  return items.slice(0, end < 0 ? items.length : end).map(({ code, verdict }) => code ?? verdict);
}
