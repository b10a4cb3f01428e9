// Ids of tasks, contexts and messages of another agent, as a caller sees them and as that agent does. A task is an agent's word for it, and to
// that agent every caller is the gateway: so that an id is of use to nobody but the caller and user who were given it, for that agent and as
// that kind of thing, it carries a tag that says so. Nothing is kept: whoever has the key knows an id again. INVARIANTS I4, I5, I10
//
//   the agent's own id   `T`         the caller sees `T~tag`, and may name it        task, context
//   a name of a caller   `my-trip`   the agent sees `my-trip~tag`: no two callers    context, message
//                                    have one name in common, nor find out
import { TAG_LENGTH, tagger, type Tagger } from '../crypto/mac.ts';
import type { AccessRequest } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';

/** What an agent makes ids of. */
export type Given = 'task' | 'context';
/** What callers make ids of. */
export type Named = 'context' | 'message';
const NAMED: readonly Named[] = ['context', 'message'];

/** Ids between one caller, for one user, and one agent. */
export interface A2aIds {
  /** An id that the agent gave, as the caller sees it. @throws Refusal CORDON-9010 when it is longer than any, or somebody else's name */
  shown(kind: Given, id: string): string;
  /** The id that the agent gave, of the one that the caller names. @throws Refusal CORDON-3003 when the caller was not given it, for this */
  given(kind: Given, shown: string): string;
  /** A name of the caller, as the agent sees it. */
  named(kind: Named, name: string): string;
  /** The caller's name for what the agent says; undefined: it is no name of this caller. */
  nameIn(kind: Named, id: string): string | undefined;
  /** Does it look like something that was handed out with a tag, to a caller or to an agent? */
  isTagged(id: string): boolean;
}

/** Whose ids: of a caller, for a user, at an agent. */
export interface Dealing {
  readonly subject: Pick<AccessRequest['subject'], 'id'>;
  readonly resource: Pick<AccessRequest['resource'], 'id'>;
  readonly delegation?: { readonly user?: { readonly issuer: string; readonly id: string } };
}

/** The ids that the caller of a request deals in. */
export type A2aIdsOf = (request: Dealing) => A2aIds;

/** Of an id that an agent gives. A caller's names are shorter, so that a name with its tag is one. */
const LONGEST = 512;

export function createA2aIds(key: Uint8Array): A2aIdsOf {
  const tags = tagger(key, 'a2a-ids');
  return ({ subject, delegation, resource }) => {
    const { user } = delegation ?? {};
    // who is told apart from nobody: a user whose id is empty is one
    const owner = [resource.id, subject.id, ...(user === undefined ? [] : [user.issuer, user.id])];
    return idsOf(tags, owner);
  };
}

const SEPARATOR = '~';

function idsOf(tags: Tagger, owner: readonly string[]): A2aIds {
  const tagOf = (kind: string, id: string): string => SEPARATOR + tags.mark + tags.tag([kind, id, ...owner]);
  const suffix = SEPARATOR + tags.mark;
  const tagAt = (id: string): number => id.length - suffix.length - TAG_LENGTH;
  const isTagged = (id: string): boolean => tagAt(id) > 0 && id.startsWith(suffix, tagAt(id));
  /** What stands before the tag; undefined: it is not a tag of this kind, for this caller. */
  const before = (kind: string, id: string): string | undefined => {
    if (!isTagged(id)) return undefined;
    const [text, tag] = [id.slice(0, tagAt(id)), id.slice(-TAG_LENGTH)];
    return tags.isTagOf(tag, [kind, text, ...owner]) ? text : undefined;
  };
  const nameIn = (kind: Named, id: string): string | undefined => before(`name/${kind}`, id);
  return {
    isTagged,
    nameIn,
    named: (kind, name) => name + tagOf(`name/${kind}`, name),
    shown(kind, id): string {
      if (id.length > LONGEST)
        throw new Refusal('CORDON-9010', `the agent has a longer ${kind} id than any`, { expected: `${LONGEST} characters` });
      // an agent that answers one caller with what another named gives nothing away; one that calls a task as its caller called a message may
      if (isTagged(id) && NAMED.every((named) => nameIn(named, id) === undefined)) {
        throw new Refusal('CORDON-9010', 'the agent answers with what is of another caller');
      }
      return id + tagOf(kind, id);
    },
    given(kind, shown): string {
      const id = before(kind, shown);
      if (id === undefined) throw new Refusal('CORDON-3003', `no such ${kind}`);
      return id;
    },
  };
}
