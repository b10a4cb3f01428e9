// Which segments a request goes from and to, for the record and for people; policy sees the same as attributes.
import type { AccessRequest } from '../domain/access.ts';
import type { World } from '../domain/registry.ts';

interface Segments {
  readonly ofAgent: ReadonlyMap<string, string>;
  readonly ofResource: ReadonlyMap<string, string>;
}

/** Of each world once: it is replaced as a whole, and asked about with every call. */
const known = new WeakMap<World, Segments>();

function segmentsIn(world: World): Segments {
  let segments = known.get(world);
  if (segments === undefined) {
    const of = (named: readonly { readonly name: string; readonly segment: string }[]): Segments['ofAgent'] =>
      new Map(named.map(({ name, segment }) => [name, segment]));
    known.set(world, (segments = { ofAgent: of(world.agents), ofResource: of(world.resources) }));
  }
  return segments;
}

/** Who calls, and what. */
interface Ends {
  readonly subject: Pick<AccessRequest['subject'], 'id'>;
  readonly resource: AccessRequest['resource'];
}

/** The segments of caller and target; one that is not registered has none. */
export function segmentsOf(world: World, request: Ends): { src?: string; dst?: string } {
  const segments = segmentsIn(world);
  const src = segments.ofAgent.get(request.subject.id);
  const dst = segmentOfTarget(segments, request.resource);
  return { ...(dst === undefined ? undefined : { dst }), ...(src === undefined ? undefined : { src }) };
}

function segmentOfTarget({ ofAgent, ofResource }: Segments, { type, id }: AccessRequest['resource']): string | undefined {
  if (type === 'agent') return ofAgent.get(id);
  return ofResource.get(type === 'tool' || type === 'route' ? id.slice(0, id.indexOf('/')) : id);
}

/** May members of one segment call into the other? */
export function linked(world: World, from: string, to: string): boolean {
  return from === to || world.segments.some((segment) => segment.name === from && segment.links.includes(to));
}

/** Do caller and target stand in linked segments? Without a link the caller may not even learn that the target exists. INVARIANT I9 */
export function reaches(world: World, request: Ends): boolean {
  const { src, dst } = segmentsOf(world, request);
  return src !== undefined && dst !== undefined && linked(world, src, dst);
}
