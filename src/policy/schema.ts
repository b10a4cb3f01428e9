// The Cedar schema of a world: what a policy author can name, and what strict validation holds every policy to.
//
//   principal   Agent::"clerk"      { segment: Segment, level: String, owner: String }                  in its Segment
//   resource    Tool::"ledger/pay_invoice"  { server: Server, segment: Segment, reads: Bool }           in its Server
//               Server::"ledger"    { segment: Segment }, tags: String                                  in its Segment
//               Agent::"clerk"      (A2A)
//   others      Segment::"finance"  { links: Set<Segment> }
//               Untyped             a value that Cedar has no type for, see below
//
//   action      Action::"ledger/pay_invoice"   one per tool, on Tool, context { input: {…} } from the tool's input schema;
//                                              in Action::"tools/call", and in Action::"read" when the operator lists it under `reads`
//               Action::"initialize", "ping", "server/discover", "tools/list"   on Server, no context; in "mcp/session" and "read"
//               Action::"a2a/SendMessage", "a2a/SendStreamingMessage"           on Agent, context { input: { text?: String } }; in "a2a/message"
//               Action::"a2a/GetAgentCard"                                      the same context; in "read"
//
//   permit (principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource)
//   when { resource.server.hasTag(context.input.vendor) && resource.server.getTag(context.input.vendor) == context.input.iban };
//
// Arguments: string, and an enumeration of strings → String; boolean → Bool; integer → Long (64 bits, exact); number → decimal (four
// digits, exact: `context.input.amount.lessThan(decimal("100.00"))`; a call with a finer number is refused, never rounded);
// array → Set (neither order nor count); object with properties → record. What `required` does not list is optional, and strict
// validation then wants `context.input has memo && …`. An optional property that admits `null` reads a null as absent.
//
// What is not typed: unions, maps, tuples, recursive or remote parts, and names that only a branch of the schema declares. Such an
// argument is in the record as an `Untyped` entity. So `has` tells the truth about it, `==` compares it by its canonical JSON, and
// looking inside is a type error at admission: a policy cannot be written that believes an argument absent which is there.
//
// What is not declared at all (a tool that allows additional properties) is invisible to policy; arguments.ts says what that means.
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { Refusal } from '../domain/refusal.ts';
import { UNTYPED } from './arguments.ts';
import type { Catalog } from './catalog.ts';
import { GROUPS, type Method, METHODS, toolGroups } from './methods.ts';
import type { Field, RecordShape, Shape } from './shape.ts';

type Namespace = SchemaJson<string>[string];
type CedarType = NonNullable<Namespace['commonTypes']>[string];

const STRING = { type: 'String' } as const;
const entity = (name: string): CedarType => ({ type: 'Entity', name });
const record = (of: Record<string, CedarType>): CedarType => ({ type: 'Record', attributes: of });

const ENTITY_TYPES: Namespace['entityTypes'] = {
  Segment: { shape: record({ links: { type: 'Set', element: entity('Segment') } }) },
  Agent: { memberOfTypes: ['Segment'], shape: record({ segment: entity('Segment'), level: STRING, owner: STRING }) },
  Server: { memberOfTypes: ['Segment'], shape: record({ segment: entity('Segment') }), tags: STRING },
  Tool: {
    memberOfTypes: ['Server'],
    shape: record({ server: entity('Server'), segment: entity('Segment'), reads: { type: 'Boolean' } }),
  },
  [UNTYPED]: {},
};

const RESOURCE_TYPE = { tool: 'Tool', mcp_server: 'Server', agent: 'Agent' } as const satisfies Record<Method['on'], string>;

/** The schema in Cedar's JSON form. A tool that could not be typed has no action in it. */
export function schemaOf(catalog: Catalog): SchemaJson<string> {
  const groups = GROUPS.map((group) => [group, {}] as const);
  const methods = [...METHODS].map(([name, method]) => [name, action(method.on, method.groups, method.input)] as const);
  const tools = [...catalog.values()].flatMap(({ id, reads, input }) =>
    input instanceof Refusal ? [] : [[id, action('tool', toolGroups(reads), input)] as const],
  );
  // `fromEntries` defines what it is given: a tool or property named `__proto__` is a name like any other
  return { '': { entityTypes: ENTITY_TYPES, actions: Object.fromEntries([...groups, ...methods, ...tools]) } };
}

const action = (on: Method['on'], groups: Method['groups'], input: RecordShape | undefined): Namespace['actions'][string] => ({
  memberOf: groups.map((id) => ({ id })),
  appliesTo: {
    principalTypes: ['Agent'],
    resourceTypes: [RESOURCE_TYPE[on]],
    context: record(input === undefined ? {} : { input: cedarType(input) }),
  },
});

function cedarType(shape: Shape): CedarType {
  switch (shape.kind) {
    case 'string':
      return STRING;
    case 'long':
      return { type: 'Long' };
    case 'decimal':
      return { type: 'Extension', name: 'decimal' };
    case 'boolean':
      return { type: 'Boolean' };
    case 'set':
      return { type: 'Set', element: cedarType(shape.element) };
    case 'record':
      return { type: 'Record', attributes: attributes(shape.fields) };
    case 'opaque':
      return entity(UNTYPED);
  }
}

function attributes(fields: ReadonlyMap<string, Field>): Record<string, CedarType & { required: boolean }> {
  const entries = [...fields].map(
    ([name, { shape, required, nullable }]) => [name, { ...cedarType(shape), required: required && !nullable }] as const,
  );
  return Object.fromEntries(entries);
}
