// The Cedar schema of a world: what a policy author can name, and what strict validation holds every policy to.
//
//   principal   Agent::"clerk"      { segment: Segment, level: String, owner: String }                  in its Segment
//               User::"alice"       { id: String, issuer: String }                                      in its Groups
//   resource    Tool::"ledger/pay_invoice"  { server: Server, segment: Segment, reads: Bool }           in its Server
//               Server::"ledger"    { segment: Segment }, tags: String                                  in its Segment
//               Agent::"clerk"      (A2A)
//   others      Segment::"finance"  { links: Set<Segment> }
//               Input_…             an open record in the arguments of one tool, see below
//               Untyped             a value that Cedar has no type for, see below
//
// Users and groups are in the schema of policies about users alone, and agents act in that of the others alone (principals.ts): what an
// agents' policy says of users in a condition is an error and not a condition that never holds.
//
//   action      Action::"ledger/pay_invoice"   one per tool, on Tool, context { input: {…}, session?: {…}, untrusted?: Set<String> } with
//                                              `input` from the tool's input schema, `session` from the task (docs/sessions.md);
//                                              in Action::"tools/call", and in Action::"read" when the operator lists it under `reads`
//               Action::"initialize", "ping", "server/discover", "tools/list"   on Server, no context; in "mcp/session" and "read"
//               Action::"a2a/SendMessage", "a2a/SendStreamingMessage", "a2a/CancelTask"  on Agent, context { input: { text?: String,
//                                              task?: String, … } } (docs/a2a.md); in "a2a/message"
//               Action::"a2a/GetAgentCard", "a2a/GetExtendedAgentCard"          the same context; in "read"
//               Action::"a2a/GetTask", "a2a/ListTasks", "a2a/SubscribeToTask"   the same context; in "a2a/task" and "read"
//               Action::"a2a/CreateTaskPushNotificationConfig", "a2a/Get…", "a2a/List…s", "a2a/Delete…"   on Agent; Action::"egress/push"  on Egress
//
//   permit (principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource)
//   when { resource.server.hasTag(context.input.vendor) && resource.server.getTag(context.input.vendor) == context.input.iban };
//
// Arguments, from JSON Schema to Cedar (examples: docs/policy-schema.md):
//
//   string, enum of strings             String; a value that is not listed is refused
//   format date, date-time              datetime, exact to the millisecond     format ipv4, ipv6   ipaddr      format decimal   decimal
//   integer, enum of integers           Long: 64 bits, exact
//   number                              decimal: four digits, exact; a call with a finer number is refused, never rounded
//   boolean                             Bool
//   array                               Set (neither order nor count)
//   array with prefixItems              { item0: …, item1: …, rest: Set<…> }; `rest` where more may follow
//   object with properties              a record; what is not `required` is optional, and validation then wants `has` first
//   object with additionalProperties    an entity: hasTag("x"), getTag("x") for every property; those under `properties` are attributes too
//   union: anyOf, oneOf, type: […],     a record with one member, named by JSON type: { string?: String, integer?: Long, null?: Bool };
//   enum of several types, nullable     alternatives of one type are merged: two kinds of object make one, with the properties of both
//
// An object that lists properties has no others unless `additionalProperties` says so, one that lists none has any; the arguments as a
// whole have those alone that are listed, whatever it says. A null is a member of a union, so `has` is true of it; only where the server
// says `"default": null` does a null read as absent.
//
// Untyped: what Cedar has no type for (anything goes, recursive or remote parts, nesting beyond eight levels, names that only a branch
// of the schema declares). Such an argument is an `Untyped` entity: `has` tells the truth about it, `==` compares it by its canonical
// JSON, and looking inside is refused at admission (blind-spots.ts). So no policy can be written that believes an argument absent which
// is there.
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { ARGUMENT_SETS, SESSION_COUNTS, SESSION_FLAGS, WINDOWS } from '../../domain/provenance.ts';
import { Refusal } from '../../domain/refusal.ts';
import { UNTYPED } from './arguments.ts';
import type { Catalog, CatalogTool } from './catalog.ts';
import { callGroups, GROUPS, type Method, METHODS } from '../methods.ts';
import { GROUP_TYPE, type Principal, PRINCIPAL_TYPES } from '../principals.ts';
import { TARGET_TYPES } from '../targets.ts';
import { itemName, NAMES, type RecordShape, REST, type Shape, summed, type TupleShape } from './shape.ts';
import { FORMATS } from './string-formats.ts';
import { Turns } from '../turns.ts';

type Namespace = SchemaJson<string>[string];
type CedarType = NonNullable<Namespace['commonTypes']>[string];

const STRING = { type: 'String' } as const;
const entity = (name: string): CedarType => ({ type: 'Entity', name });
const record = (of: Record<string, CedarType>): CedarType => ({ type: 'Record', attributes: of });

const NAMES_SET: CedarType = { type: 'Set', element: STRING };
const each = (names: readonly string[], type: CedarType): Record<string, CedarType> =>
  Object.fromEntries(names.map((name) => [name, type]));
const optional = (type: CedarType): CedarType & { readonly required: false } => ({ ...type, required: false });

/** There is a session where the run has a task. Its sums are of the whole numbers among the arguments of the tool. */
const sessionTypes = (input: RecordShape): Record<string, CedarType> => ({
  untrusted: optional(NAMES_SET),
  session: optional(
    record({
      effect: STRING,
      ...each(ARGUMENT_SETS, NAMES_SET),
      ...each(SESSION_FLAGS, { type: 'Boolean' }),
      ...each(SESSION_COUNTS, { type: 'Long' }),
      sums: record(each(summed(input), { type: 'Long' })),
      recent: record(each(WINDOWS, { type: 'Long' })),
    }),
  ),
});

const ENTITY_TYPES: Namespace['entityTypes'] = {
  Segment: { shape: record({ links: { type: 'Set', element: entity('Segment') } }) },
  Agent: { memberOfTypes: ['Segment'], shape: record({ segment: entity('Segment'), level: STRING, owner: STRING }) },
  Server: { memberOfTypes: ['Segment'], shape: record({ segment: entity('Segment') }), tags: STRING },
  Tool: {
    memberOfTypes: ['Server'],
    shape: record({ server: entity('Server'), segment: entity('Segment'), reads: { type: 'Boolean' } }),
  },
  Api: { memberOfTypes: ['Segment'], shape: record({ segment: entity('Segment') }), tags: STRING },
  Route: {
    memberOfTypes: ['Api'],
    shape: record({ api: entity('Api'), segment: entity('Segment'), reads: { type: 'Boolean' }, method: STRING, path: STRING }),
  },
  Egress: { memberOfTypes: ['Segment'], shape: record({ segment: entity('Segment') }), tags: STRING },
  [UNTYPED]: {},
};

/** Besides, where users act. */
const USER_TYPES: Namespace['entityTypes'] = {
  [GROUP_TYPE]: {},
  [PRINCIPAL_TYPES.user]: { memberOfTypes: [GROUP_TYPE], shape: record({ id: STRING, issuer: STRING }) },
};

/** What one tool or method adds to the schema, as members of JSON objects; made once, whatever else of the catalog changes. */
interface Entry {
  readonly action: string;
  /** The open records among its arguments. */
  readonly entityTypes: readonly string[];
}

const entries = { agent: new WeakMap<CatalogTool, Entry>(), user: new WeakMap<CatalogTool, Entry>() } as const;

/** Types every tool that is new in the catalog, with turns for others in between: a server may have hundreds. */
export async function typeTools(catalog: Catalog): Promise<void> {
  const turns = new Turns();
  for (const tool of catalog.values()) {
    entryOf(tool, 'agent');
    await turns.next();
  }
}

/** The schema for policies about these principals in Cedar's JSON form, as text. A tool that could not be typed has no action in it. */
export function schemaText(catalog: Catalog, principal: Principal = 'agent'): string {
  const parts = [...METHOD_ENTRIES[principal], ...[...catalog.values()].flatMap((tool) => entryOf(tool, principal))];
  const entityTypes = [ENTITY_TYPES_TEXT[principal], ...parts.flatMap((part) => part.entityTypes)];
  return `{"":{"entityTypes":{${entityTypes.join(',')}},"actions":{${[GROUPS_TEXT, ...parts.map(({ action }) => action)].join(',')}}}}`;
}

function entryOf(tool: CatalogTool, principal: Principal): readonly Entry[] {
  const { id, type, reads, input } = tool;
  if (input instanceof Refusal) return [];
  const known = entries[principal].get(tool) ?? entry(id, { on: type, groups: callGroups(type, reads), input }, principal);
  entries[principal].set(tool, known);
  return [known];
}

function entry(id: string, { on, groups, input }: Method, principal: Principal): Entry {
  const types = new Types();
  const action: Namespace['actions'][string] = {
    memberOf: groups.map((group) => ({ id: group })),
    appliesTo: {
      principalTypes: [PRINCIPAL_TYPES[principal]],
      resourceTypes: [TARGET_TYPES[on]],
      context: record(input === undefined ? {} : { input: types.of(input), ...knownTypes(on, principal, input) }),
    },
  };
  return { action: memberText(id, action), entityTypes: [...types.open].map(([name, type]) => memberText(name, type)) };
}

/** Of agents: the labels of what their task has brought in, and their risk; of calls of tools and routes what the session of the task knows. */
function knownTypes(on: Method['on'], principal: Principal, input: RecordShape): Record<string, CedarType> {
  if (principal !== 'agent') return {};
  const always: Record<string, CedarType> = { labels: NAMES_SET, risk: { type: 'Long' }, causes: NAMES_SET };
  return hasSession(on, principal) ? { ...always, ...sessionTypes(input) } : always;
}

/** Calls of tools and routes by agents: what the session of their task knows of them. */
const hasSession = (on: Method['on'], principal: Principal): boolean => principal === 'agent' && (on === 'tool' || on === 'route');

/** A tool or property named `__proto__` is a name like any other. */
const memberText = (name: string, value: object): string => `${JSON.stringify(name)}:${JSON.stringify(value)}`;

/** Cedar's type for each shape; the open records among them are entity types. */
class Types {
  readonly open = new Map<string, Namespace['entityTypes'][string]>();

  of(shape: Shape): CedarType {
    switch (shape.kind) {
      case 'string':
        return STRING;
      case 'formatted':
        return { type: 'Extension', name: FORMATS[shape.format].type };
      case 'long':
        return { type: 'Long' };
      case 'decimal':
        return { type: 'Extension', name: 'decimal' };
      case 'boolean':
      case 'null':
        return { type: 'Boolean' };
      case 'set':
        return this.#set(shape.element);
      case 'tuple':
        return this.#tuple(shape);
      case 'record':
        return this.#record(shape);
      case 'union':
        return record(Object.fromEntries(shape.members.map((member) => [NAMES[member.kind], { ...this.of(member), required: false }])));
      case 'opaque':
        return entity(UNTYPED);
    }
  }

  #set(element: Shape): CedarType {
    return { type: 'Set', element: this.of(element) };
  }

  #tuple({ items, required, rest }: TupleShape): CedarType {
    const members = items.map((item, at) => [itemName(at), { ...this.of(item), required: at < required }] as const);
    return record(Object.fromEntries(rest === undefined ? members : [...members, [REST, this.#set(rest)]]));
  }

  #record({ fields, open }: RecordShape): CedarType {
    const attributes = [...fields].map(([name, { shape, required }]) => [name, { ...this.of(shape), required }] as const);
    const type = record(Object.fromEntries(attributes));
    if (open === undefined) return type;
    this.open.set(open.type, { shape: type, tags: this.of(open.tag) });
    return entity(open.type);
  }
}

const methodEntries = (principal: Principal): readonly Entry[] => [...METHODS].map(([name, method]) => entry(name, method, principal));
const METHOD_ENTRIES = { agent: methodEntries('agent'), user: methodEntries('user') } as const;
const GROUPS_TEXT = GROUPS.map((group) => memberText(group, {})).join(',');
const membersText = (types: Namespace['entityTypes']): string =>
  Object.entries(types)
    .map(([name, type]) => memberText(name, type))
    .join(',');
const ENTITY_TYPES_TEXT = { agent: membersText(ENTITY_TYPES), user: membersText({ ...ENTITY_TYPES, ...USER_TYPES }) } as const;
