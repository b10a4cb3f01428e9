// Which segments a request goes from and to, for the record and for people; policy sees the same as attributes.
import type { AccessRequest } from '../domain/access.ts';
import type { World } from '../domain/registry.ts';

/** The segments of caller and target; one that is not registered has none. */
export function segmentsOf(world: World, request: AccessRequest): { src?: string; dst?: string } {
  const src = world.agents.find((agent) => agent.name === request.subject.id)?.segment;
  const dst = segmentOfTarget(world, request.resource);
  return { ...(src === undefined ? {} : { src }), ...(dst === undefined ? {} : { dst }) };
}

function segmentOfTarget(world: World, { type, id }: AccessRequest['resource']): string | undefined {
  if (type === 'agent') return world.agents.find((agent) => agent.name === id)?.segment;
  const server = type === 'tool' || type === 'route' ? id.slice(0, id.indexOf('/')) : id;
  return world.resources.find((resource) => resource.name === server)?.segment;
}

/** May members of one segment call into the other? */
export function linked(world: World, from: string, to: string): boolean {
  return from === to || world.segments.some((segment) => segment.name === from && segment.links.includes(to));
}

/** Do caller and target stand in linked segments? Without a link the caller may not even learn that the target exists. INVARIANT I9 */
export function reaches(world: World, request: AccessRequest): boolean {
  const { src, dst } = segmentsOf(world, request);
  return src !== undefined && dst !== undefined && linked(world, src, dst);
}
