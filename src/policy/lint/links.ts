// Segments and policies beside one another: a permit that a missing link takes back whole, and a link that no permit needs.
import type { World } from '../../domain/registry.ts';
import { meets } from '../cedar/scope.ts';
import { atHead, type Draft } from './draft.ts';
import type { Flaw } from './rules.ts';
import type { Extent } from './scope.ts';

type Crossing = readonly [from: string, to: string];

/** Between which segments the calls of a policy go. */
function crossingsOf({ place }: Draft, extent: Extent): readonly Crossing[] {
  const from = new Set(extent.agents.filter(({ keys }) => meets(place.principal, keys)).map(({ segment }) => segment));
  const to = new Set(extent.callsIn(place).map(({ resource }) => resource.segment));
  return [...from].flatMap((source) => [...to].map((target): Crossing => [source, target]));
}

export function linkFlaws(drafts: readonly Draft[], extent: Extent, world: World): readonly Flaw[] {
  const links = new Map(world.segments.map(({ name, links: to }) => [name, to]));
  const isOpen = ([from, to]: Crossing): boolean => from === to || links.get(from)?.includes(to) === true;
  const permits = drafts.filter(({ policy }) => policy.effect === 'permit');
  const used = new Set<string>();
  const flaws: Flaw[] = [];
  for (const draft of permits) {
    const crossings = crossingsOf(draft, extent);
    for (const [from, to] of crossings) used.add(`${from} ${to}`);
    const [first] = crossings;
    if (first !== undefined && !crossings.some(isOpen)) flaws.push(unlinked(draft, first));
  }
  return [...flaws, ...unusedLinks(world, extent, used)];
}

const unlinked = (draft: Draft, [from, to]: Crossing): Flaw => ({
  rule: 'unlinked',
  ...atHead(draft),
  message: 'allows nothing: every call it permits is between segments without a link',
  observed: `\`${from}\` has no link to \`${to}\``,
  help: `link them in cordon.yaml, if this is meant to exist: \`segments: { ${from}: { links: [${to}] } }\``,
});

/** Links between segments that have members, which no permit needs. */
function unusedLinks({ segments }: World, { agents, calls }: Extent, used: ReadonlySet<string>): readonly Flaw[] {
  const callers = new Set(agents.map(({ segment }) => segment));
  const callees = new Set(calls.map(({ resource }) => resource.segment));
  return segments.flatMap(({ name, links }) =>
    links
      .filter((link) => callers.has(name) && callees.has(link) && !used.has(`${name} ${link}`))
      .map((link): Flaw => {
        const source = { path: 'cordon.yaml', text: '' };
        const message = `no permit needs the link from \`${name}\` to \`${link}\``;
        return { rule: 'unused-link', source, at: 0, length: 0, message, help: 'remove it: what is not linked cannot be reached' };
      }),
  );
}
