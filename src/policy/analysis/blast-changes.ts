// What another level or another policy set does to a blast radius: what is reached no longer, newly, or to another extent.
import type { Blast } from './blast.ts';
import type { Access } from './walk.ts';

/** Along the best of all ways. */
type Extent = Access | 'never';

export type BlastChanges = {
  /** Of what the subject reaches, by itself or through others. */
  readonly reaches: readonly {
    readonly action: string;
    readonly resource: string;
    readonly segment: string;
    readonly before: Extent;
    readonly after: Extent;
  }[];
  /** Of those that reach it, by themselves or through others. */
  readonly reachedBy: readonly { readonly agent: string; readonly segment: string; readonly before: Extent; readonly after: Extent }[];
};

/** Two answers about one subject, compared. */
export function blastChanges(before: Blast, after: Blast): BlastChanges {
  return {
    reaches: differing(reachedIn(before), reachedIn(after)),
    reachedBy: differing(reachingIn(before), reachingIn(after)),
  };
}

type Known<T> = ReadonlyMap<string, { readonly what: T; readonly access: Access }>;

function differing<T>(before: Known<T>, after: Known<T>): readonly (T & { readonly before: Extent; readonly after: Extent })[] {
  return [...new Map([...before, ...after])].flatMap(([key, { what }]) => {
    const was: Extent = before.get(key)?.access ?? 'never';
    const is: Extent = after.get(key)?.access ?? 'never';
    return was === is ? [] : [{ ...what, before: was, after: is }];
  });
}

const reachedIn = ({ reaches }: Blast): Known<{ readonly action: string; readonly resource: string; readonly segment: string }> =>
  best(
    reaches.flatMap((hop) =>
      hop.reaches.map(({ action, resource, segment, access }) => ({
        key: `${action} ${resource}`,
        what: { action, resource, segment },
        access: weaker(hop.access, access),
      })),
    ),
  );

const reachingIn = ({ reachedBy }: Blast): Known<{ readonly agent: string; readonly segment: string }> =>
  best(
    reachedBy.flatMap((hop) =>
      hop.path
        .slice(0, 1)
        .flatMap((agent) =>
          hop.reaches.map(({ access }) => ({ key: agent, what: { agent, segment: hop.segment }, access: weaker(hop.access, access) })),
        ),
    ),
  );

function best<T>(ways: readonly { readonly key: string; readonly what: T; readonly access: Access }[]): Known<T> {
  const known = new Map<string, { readonly what: T; readonly access: Access }>();
  for (const { key, ...way } of ways) if (known.get(key)?.access !== 'always') known.set(key, way);
  return known;
}

const weaker = (one: Access, other: Access): Access => (one === 'always' ? other : 'may');
