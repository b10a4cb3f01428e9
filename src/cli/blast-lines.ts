// A blast radius as a tree: who acts, in which segment what is reached, how certainly and by which policies.
import { setName } from './diff-lines.ts';
import { isCall } from './offered.ts';
import type { Paint, Style } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { padTo, table } from './table.ts';
import { plain } from './untrusted.ts';
import { several } from './units.ts';

type Blast = ReplyOf<'blast'>['before'];
type Hop = Blast['reaches'][number];
type Reached = Hop['reaches'][number];

/** Things shown of one agent; `--json` has all. */
const SHOWN = 40;

/** What the levels and the words of an action are to people; sessions and cards are left to `--json`. */
const VERBS: Readonly<Record<string, (reads: boolean) => string>> = {
  'http/call': (reads) => (reads ? 'reads' : 'writes'),
  'tools/call': (reads) => (reads ? 'reads' : 'writes'),
  'a2a/message': () => 'asks',
  'egress/connect': () => 'connects to',
  'egress/request': () => 'sends to',
};
const isShown = ({ action }: { readonly action: string }): boolean => Object.hasOwn(VERBS, action);

/** `what`: after what `after` is. */
export function blastLines(paint: Paint, { before, policies, changes }: ReplyOf<'blast'>, what: string): readonly string[] {
  const { subject, reaches, reachedBy, complete } = before;
  return [
    `${paint('bold', plain(subject.name))}  ${subject.kind}  ${paint('dim', setName(policies))}`,
    ...(subject.kind === 'resource' ? [] : [`  ${reachSummary(reaches)}`, ...reaches.flatMap((hop) => hopLines(paint, hop))]),
    ...reachedByLines(paint, before),
    ...(subject.kind !== 'resource' || reachedBy.length > 0 ? [] : ['  nobody reaches it']),
    ...(complete ? [] : [`${paint.mark('!')} there is more than is listed`]),
    ...(changes === undefined ? [] : changeLines(paint, changes, what)),
  ];
}

/** In one line how far an agent reaches. */
export function reachSummary(reaches: readonly Hop[]): string {
  const all = reaches.flatMap(({ path, reaches: things }) =>
    things.filter(isShown).map((thing) => ({ ...thing, direct: path.length === 1 })),
  );
  const toolsOf = (things: readonly Reached[]): ReadonlySet<string> =>
    new Set(things.filter(({ action }) => isCall(action)).map(({ resource }) => resource));
  const direct = toolsOf(all.filter((thing) => thing.direct));
  const indirect = [...toolsOf(all)].filter((tool) => !direct.has(tool));
  const writes = toolsOf(all.filter(({ reads }) => !reads));
  const segments = new Set(all.map(({ segment }) => segment));
  return `reaches ${several(direct.size, 'tool')} directly and ${indirect.length} more through others, ${writes.size} of them to write, in ${several(segments.size, 'segment')}`;
}

function hopLines(paint: Paint, { path, access, reaches }: Hop): readonly string[] {
  const things = reaches.filter(isShown);
  if (things.length === 0) return [];
  const name = path.length === 1 ? plain(path[0] ?? '') : `through ${wayOf(path)}, ${access}`;
  const segments = [...new Set(things.map(({ segment }) => segment))];
  return [
    `  ${name}`,
    ...segments.flatMap((segment) =>
      segmentLines(
        paint,
        segment,
        things.filter((thing) => thing.segment === segment),
      ),
    ),
  ];
}

const wayOf = (path: readonly string[]): string => path.map((agent) => plain(agent)).join(' > ');

function segmentLines(paint: Paint, segment: string, things: readonly Reached[]): readonly string[] {
  const rows = things
    .slice(0, SHOWN)
    .map(({ action, resource, reads, access, permits, forbids }) => [
      [access, styled(paint, access)] as const,
      VERBS[action]?.(reads) ?? action,
      resource,
      [
        `by ${permits.join(', ')}${forbids.length === 0 ? '' : `, unless ${forbids.join(', ')}`}`,
        (text: string) => paint('dim', text),
      ] as const,
    ]);
  const left = things.length - SHOWN;
  return [
    `    ${paint('dim', `segment ${plain(segment)}`)}`,
    ...table(rows, 6),
    ...(left > 0 ? [`      ${paint('dim', `and ${several(left, 'more', 'more')}: see --json`)}`] : []),
  ];
}

const STYLES: Readonly<Record<string, Style>> = { always: 'bad', may: 'warn', never: 'good' };
const styled =
  (paint: Paint, access: string) =>
  (text: string): string =>
    paint(STYLES[access] ?? 'dim', text);

function reachedByLines(paint: Paint, { subject, reachedBy }: Blast): readonly string[] {
  if (reachedBy.length === 0) return [];
  const rows = reachedBy.slice(0, SHOWN).map(({ path, segment, access, reaches }) => {
    const certain = access === 'always' && reaches.some((thing) => thing.access === 'always') ? 'always' : 'may';
    const what = subject.kind === 'agent' ? '' : [...new Set(reaches.map(({ resource }) => resource))].slice(0, 5).join(', ');
    return [[certain, styled(paint, certain)] as const, wayOf(path), `segment ${segment}`, what];
  });
  const left = reachedBy.length - SHOWN;
  const more = left > 0 ? [`    ${paint('dim', `and ${several(left, 'more', 'more')}: see --json`)}`] : [];
  return [`  is reached by ${several(reachedBy.length, 'agent')}`, ...table(rows, 4), ...more];
}

function changeLines(paint: Paint, { reaches, reachedBy }: NonNullable<ReplyOf<'blast'>['changes']>, what: string): readonly string[] {
  const rows = [
    ...reaches
      .filter(isShown)
      .map(({ action, resource, before, after }) => [before, after, `${action === 'a2a/message' ? 'asks ' : ''}${resource}`] as const),
    ...reachedBy.map(({ agent, before, after }) => [before, after, `is reached by ${agent}`] as const),
  ];
  const head = `after ${what}`;
  if (rows.length === 0) return ['', paint('bold', head), `  ${paint.mark('-')} nothing changes`];
  const shown = rows
    .slice(0, SHOWN)
    .map(([before, after, name]) => [[padTo(`${before} > ${after}`, 14), styled(paint, after)] as const, name]);
  const left = rows.length - SHOWN;
  return [
    '',
    paint('bold', head),
    ...table(shown),
    ...(left > 0 ? [`  ${paint('dim', `and ${several(left, 'more', 'more')}: see --json`)}`] : []),
  ];
}
