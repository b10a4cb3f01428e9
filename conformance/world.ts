// Random entities and requests.
import type { Json, JsonObject } from '../src/domain/json.ts';
import type { Request, Uid } from './decisions.ts';
import type { Random } from './random.ts';
import type { Values } from './values.ts';
import { ACTIONS, ALL_UIDS, ENTITIES } from './vocabulary.ts';

export interface Entity {
  readonly uid: Uid;
  readonly attrs: JsonObject;
  readonly tags: JsonObject;
  readonly parents: readonly Uid[];
}

/** Some of the entities, each below some that come later: those that are missing are named all the same. */
export function randomEntities(random: Random, values: Values): readonly Entity[] {
  return [ENTITIES, ACTIONS].flatMap((all) =>
    all.flatMap((uid, at) => {
      if (!random.chance(0.27)) return [];
      const above = all.slice(at + 1);
      const parents = random.some(above, random.pick([0, 0.15, 0.4]));
      return [{ uid, attrs: membersOf(random, values, 0.6), tags: random.chance(0.4) ? membersOf(random, values, 0.6) : {}, parents }];
    }),
  );
}

/** Mostly of entities that are there. */
export function randomRequest(random: Random, values: Values, entities: readonly Entity[]): Request {
  const uids = entities.map(({ uid }) => uid);
  const [things, actions] = [uids.filter((uid) => !ACTIONS.includes(uid)), uids.filter((uid) => ACTIONS.includes(uid))];
  const oneOf = (present: readonly Uid[]): Uid => random.pick(present.length > 0 && random.chance(0.85) ? present : ALL_UIDS);
  return { principal: oneOf(things), action: oneOf(actions), resource: oneOf(things), context: membersOf(random, values, 0.8) };
}

function membersOf(random: Random, values: Values, share: number): JsonObject {
  return Object.fromEntries(random.some(values.members, share).map(([name, type]): [string, Json] => [name, values.member(type, 1)]));
}
