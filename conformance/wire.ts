// Attacks on the wire, each with its source: none reaches what is behind the gateway, none ends the gateway, and each is recorded with its
// code. The same bytes are then sent to a proxy that hands on what it gets: a row that reaches the upstream is seen.
import type { Attack, Class } from './wire/attack.ts';
import { REPLIES, tryReplies } from './wire/replies.ts';
import { tryClass } from './wire/run.ts';
import { SLOW, SLOW_LIMITS } from './wire/slow.ts';
import { ATTACKS } from './wire/table.ts';
import { openHaproxy, openNaive, openNginx, through, type Victim } from './wire/victims.ts';
import { openWorld, type World } from './wire/world.ts';
import type { Score, SuiteOptions } from './score.ts';

/** Of the rows that are bytes, at least this share passes a proxy that checks nothing; else the rows prove little. */
const LEAKS = 0.25;

export async function run({ sample, onProgress }: SuiteOptions): Promise<Score> {
  await using world = await openWorld();
  const isChosen = (_: unknown, at: number): boolean => at % Math.round(1 / sample) === 0;
  const chosen = ATTACKS.map(([name, attacks]): Class => [name, attacks.filter(isChosen)]);
  const failures: string[] = [];
  for (const each of chosen) {
    const found = await tryClass(world, each);
    failures.push(...found);
    onProgress(`${each[0]}: ${each[1].length} attacks, ${found.length} findings`);
  }
  const replies = REPLIES.filter(isChosen);
  const found = await tryReplies(world, replies);
  failures.push(...found);
  onProgress(`replies: ${replies.length} attacks, ${found.length} findings`);
  const slow = await timed(SLOW.filter(isChosen));
  failures.push(...slow.failures);
  onProgress(`slow: ${slow.tried} attacks, ${slow.failures.length} findings`);
  const tried = slow.tried + replies.length + chosen.reduce((sum, [, attacks]) => sum + attacks.length, 0);
  const [compared, figures] = await elsewhere(world, chosen);
  if (figures.naive < figures.bytes * LEAKS)
    failures.push(`self-test: only ${figures.naive} of ${figures.bytes} pass a proxy that checks nothing`);
  const failed = new Set(failures.map((line) => line.split(' ', 1)[0])).size;
  return { passed: tried - failed, failed, notes: [...failures, ...compared], figures: { attacks: tried, ...figures } };
}

/** With small bounds, which the other rows would run into. */
async function timed(attacks: readonly Attack[]): Promise<{ readonly tried: number; readonly failures: readonly string[] }> {
  await using world = await openWorld(SLOW_LIMITS);
  return { tried: attacks.length, failures: await tryClass(world, ['slow', attacks]) };
}

interface Figures extends Record<string, number> {
  /** Rows that are bytes on an authenticated connection. */
  readonly bytes: number;
  readonly naive: number;
}

async function elsewhere(world: World, chosen: readonly Class[]): Promise<readonly [notes: readonly string[], Figures]> {
  const all = chosen.flatMap(([, attacks]) => attacks).filter(({ bytes }) => bytes !== undefined);
  const countOf = async (victim: Victim): Promise<number> => {
    await using open = victim;
    return (await through(world, open, all)).length;
  };
  const naive = await countOf(await openNaive(world));
  const passed: Record<string, number> = {};
  for (const [name, open] of Object.entries({ nginx: openNginx, haproxy: openHaproxy })) {
    const victim = await open(world);
    if (victim !== undefined) passed[name] = await countOf(victim);
  }
  const notes = [
    `the same bytes reach the upstream through a proxy that checks nothing: ${naive} of ${all.length}`,
    ...['nginx', 'haproxy'].map((name) =>
      passed[name] === undefined
        ? `${name} is not installed`
        : `and through ${name} with mTLS on both sides: ${passed[name]} of ${all.length}`,
    ),
  ];
  return [notes, { bytes: all.length, naive, ...passed }];
}
