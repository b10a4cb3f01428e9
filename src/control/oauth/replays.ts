// What may be used once: the `jti` of a proof or an assertion, remembered for as long as it could be accepted (RFC 9449 §11.1,
// RFC 7523 §3). INVARIANT: what cannot be remembered is refused, so nobody gains by filling the memory.
import { Refusal } from '../../domain/refusal.ts';

const MOST_PER_KEY = 8_192;
const MOST_KEYS = 16_384;

export interface Replays {
  /**
   * Uses `id` of `key` up. `until`: when it is refused for its age anyway; both times in Unix milliseconds.
   * @throws Refusal CORDON-1016 used before, CORDON-4003 more than can be remembered
   */
  use(key: string, id: string, until: number, now: number): void;
}

export function createReplays(): Replays {
  const used = new Map<string, Map<string, number>>();
  const room = (now: number): void => {
    if (used.size < MOST_KEYS) return;
    for (const [key, ids] of used) if (forget(ids, now) === 0) used.delete(key);
    if (used.size >= MOST_KEYS) throw new Refusal('CORDON-4003', 'more keys than can be remembered');
  };
  return {
    use(key, id, until, now): void {
      let ids = used.get(key);
      if (ids === undefined) {
        room(now);
        ids = new Map();
        used.set(key, ids);
      }
      if ((ids.get(id) ?? 0) > now)
        throw new Refusal('CORDON-1016', 'it was used before', { expected: 'a `jti` of its own for each request' });
      if (ids.size >= MOST_PER_KEY && forget(ids, now) >= MOST_PER_KEY)
        throw new Refusal('CORDON-4003', 'more proofs of one key than can be remembered');
      ids.set(id, until);
    },
  };
}

/** @returns how many are left */
function forget(ids: Map<string, number>, now: number): number {
  for (const [id, until] of ids) if (until <= now) ids.delete(id);
  return ids.size;
}
