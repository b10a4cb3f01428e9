// The tools and routes of a world as policy sees them: each either typed or refused with a reason, alone. What two catalogs say about a tool can
// be compared, because policies validated against one definition must not judge calls to another.
import { writeJson } from '../../domain/json.ts';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import { kindOf, type Resource, type Tool, type World } from '../../domain/registry.ts';
import { argumentsShape, SUBSCHEMAS_PER_SERVER, type TypingBudget } from './input-schema.ts';
import { type Callable, isReserved } from '../methods.ts';
import type { RecordShape } from './shape.ts';

export interface CatalogTool {
  /** `ledger/pay_invoice`: id of the Cedar entity and of the action. */
  readonly id: string;
  readonly name: string;
  readonly server: string;
  readonly type: Callable;
  readonly route?: NonNullable<Tool['route']>;
  /** In `Action::"read"`, as the operator says. */
  readonly reads: boolean;
  /** The arguments, or why they cannot be typed (CORDON-3006): then the action does not exist and every call is denied. */
  readonly input: RecordShape | Refusal;
  /** Equal prints, equal meaning to policy. */
  readonly print: string;
}

export type Catalog = ReadonlyMap<string, CatalogTool>;

/** Tools of one server beyond this many are refused. attacker-controlled */
const TOOLS_PER_SERVER = 512;

const catalogs = new WeakMap<World['tools'], { readonly resources: World['resources']; readonly catalog: Catalog }>();
const listings = new WeakMap<readonly Tool[], { readonly resource: Resource; readonly tools: readonly CatalogTool[] }>();

/** The catalog of a world; a listing is typed once, whatever else of the world changes. Never throws. */
export function catalogOf(world: World): Catalog {
  const known = catalogs.get(world.tools);
  if (known?.resources === world.resources) return known.catalog;
  const catalog = new Map<string, CatalogTool>();
  for (const resource of world.resources) {
    for (const tool of listingOf(resource, world.tools.get(resource.name) ?? [])) {
      const twin = catalog.has(tool.id);
      catalog.set(tool.id, twin ? { ...tool, input: refusal('two tools have this name'), print: '' } : tool);
    }
  }
  catalogs.set(world.tools, { resources: world.resources, catalog });
  return catalog;
}

function listingOf(resource: Resource, listing: readonly Tool[]): readonly CatalogTool[] {
  const known = listings.get(listing);
  if (known?.resource === resource) return known.tools;
  const budget = { left: SUBSCHEMAS_PER_SERVER };
  const tools = listing.map((tool, index) => catalogTool(resource, tool, index, budget));
  listings.set(listing, { resource, tools });
  return tools;
}

function catalogTool(resource: Resource, tool: Tool, index: number, budget: TypingBudget): CatalogTool {
  const id = `${resource.name}/${tool.name}`;
  const reads = resource.reads.includes(tool.name);
  const type = kindOf(resource) === 'http' ? 'route' : 'tool';
  const entry = {
    id,
    name: tool.name,
    server: resource.name,
    type,
    reads,
    ...(tool.route === undefined ? {} : { route: tool.route }),
  } as const;
  try {
    if (index >= TOOLS_PER_SERVER) throw refusal(`the server has more than ${TOOLS_PER_SERVER} tools`);
    if (isReserved(id)) throw refusal(`\`${id}\` is an action of Cordon itself`);
    if (!id.isWellFormed()) throw refusal('the name is not well-formed Unicode');
    return {
      ...entry,
      input: argumentsShape(id, tool.inputSchema, budget),
      print: `${reads} ${writeJson(tool.inputSchema)}`,
    };
  } catch (error) {
    return { ...entry, input: asRefusal(error, 'CORDON-3006', 'the input schema cannot be read'), print: '' };
  }
}

/** Does `now` say of this tool what `admitted` said, so that policies validated against it may judge the call? */
export const isCovered = (admitted: Catalog, now: Catalog, id: string): boolean => admitted.get(id)?.print === now.get(id)?.print;

const refusal = (message: string): Refusal => new Refusal('CORDON-3006', message);
