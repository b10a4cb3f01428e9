// How a key is replaced while what it signed is still trusted: prepared (trusted, signs nothing), active (signs), old (trusted, signs no
// more), gone. Every step is a new list, so that whoever keeps the list keeps the old one or the new one, never a part.

export const STAGES = ['prepared', 'active', 'old'] as const;
export type Stage = (typeof STAGES)[number];

/** A key and where it stands; `since` when (Unix milliseconds). */
export interface Staged {
  readonly stage: Stage;
  readonly since: number;
}

/** At most one is prepared, and one is active once the first was made. */
export type Ring<T extends Staged> = readonly T[];

export const inStage = <T extends Staged>(ring: Ring<T>, stage: Stage): T | undefined => ring.find((key) => key.stage === stage);

/** The prepared key signs from now on; `retire` takes from the one before what it no longer needs: its private half. */
export function activated<T extends Staged>(ring: Ring<T>, now: number, retire: (key: T) => T): Ring<T> {
  return ring.map((key) => {
    if (key.stage === 'prepared') return { ...key, stage: 'active', since: now };
    return key.stage === 'active' ? { ...retire(key), stage: 'old', since: now } : key;
  });
}

/** Without the old keys of which nothing lives any more, `linger` milliseconds after they signed last. */
export const withoutDead = <T extends Staged>(ring: Ring<T>, now: number, linger: number): Ring<T> =>
  ring.filter(({ stage, since }) => stage !== 'old' || now - since < linger);
