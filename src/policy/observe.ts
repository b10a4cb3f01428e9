// The values that a clause looked at, as text: `context.input.amount_cents: 4200`. Read from the engine's parsed form of the clause;
// only paths are followed (`principal.segment.links`, `resource.server.getTag("Acme")`), nothing is evaluated a second time.
import { permitOf, type PolicyClause } from './clauses.ts';
import type { Engine } from './engine.ts';
import type { Entity, Facts } from './facts.ts';
import { type CedarRecord, isRecord, isUid, sameUid, toText, type Uid, type Value } from './value.ts';

/** A node of the engine's JSON policy format. */
type Node = Readonly<Record<string, unknown>>;

interface Seen {
  readonly path: string;
  /** Undefined: absent. */
  readonly value: Value | undefined;
}

/** Values shown of one clause. */
const SHOWN = 8;

/** What a condition read of the request, in order. @throws Error when the engine fails */
export function observedIn(engine: Engine, condition: PolicyClause, facts: Facts): string {
  const seen = new Map<string, Value | undefined>();
  const parsed = engine.parse(permitOf([condition]));
  if ('conditions' in parsed) collect(parsed.conditions[0]?.body, facts, seen);
  const shown = [...seen].slice(0, SHOWN).map(([path, value]) => `${path}: ${value === undefined ? 'absent' : toText(value)}`);
  return shown.join(', ');
}

/** What a scope constraint saw: the entity, and all that it is in. */
export function observedScope(name: 'principal' | 'action' | 'resource', facts: Facts): string {
  const above = ancestors(facts[name], facts).map(toText);
  return `${name}: ${toText(facts[name])}${above.length === 0 ? '' : ` in ${above.join(', ')}`}`;
}

function ancestors(of: Uid, facts: Facts): readonly Uid[] {
  return entityOf(of, facts)?.parents.flatMap((parent) => [parent, ...ancestors(parent, facts)]) ?? [];
}

const entityOf = (id: Uid, facts: Facts): Entity | undefined => facts.entities.find((entity) => sameUid(entity.uid, id));

function collect(node: unknown, facts: Facts, seen: Map<string, Value | undefined>): void {
  if (typeof node !== 'object' || node === null) return;
  const found = isNode(node) ? read(node, facts) : undefined;
  if (found !== undefined && found.path !== 'context') seen.set(found.path, found.value);
  // what a path goes through is not worth a line, but the key of a tag may come from the arguments
  const below = found === undefined || !isNode(node) ? Object.values(node) : [keyOf(node)];
  for (const child of below) collect(child, facts, seen);
}

/** The path that a node spells, and its value; undefined for any other expression. */
function read(node: unknown, facts: Facts): Seen | undefined {
  if (!isNode(node)) return undefined;
  const name = node['Var'];
  if (name === 'context') return { path: name, value: facts.context };
  if (name === 'principal' || name === 'action' || name === 'resource') return { path: name, value: facts[name] };
  const access = node['.'] ?? node['has'];
  if (isNode(access)) return attribute(read(access['left'], facts), access['attr'], facts);
  const tag = node['getTag'] ?? node['hasTag'];
  if (isNode(tag)) return tagged(read(tag['left'], facts), tag['right'], facts);
  return undefined;
}

function attribute(base: Seen | undefined, attr: unknown, facts: Facts): Seen | undefined {
  const names: readonly unknown[] = Array.isArray(attr) ? attr : [attr];
  return names.reduce<Seen | undefined>((seen, name) => {
    if (seen === undefined || typeof name !== 'string') return undefined;
    const step = /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
    return { path: `${seen.path}${step}`, value: recordOf(seen.value, facts)?.get(name) };
  }, base);
}

function tagged(base: Seen | undefined, key: unknown, facts: Facts): Seen | undefined {
  const value = isNode(key) ? (key['Value'] ?? read(key, facts)?.value) : undefined;
  if (base === undefined || typeof value !== 'string') return undefined;
  const tags = isUid(base.value) ? entityOf(base.value, facts)?.tags : undefined;
  return { path: `${base.path}.getTag(${JSON.stringify(value)})`, value: tags?.get(value) };
}

const recordOf = (value: Value | undefined, facts: Facts): CedarRecord | undefined =>
  isUid(value) ? entityOf(value, facts)?.attrs : isRecord(value) ? value : undefined;

function keyOf(node: Node): unknown {
  const tag = node['getTag'] ?? node['hasTag'];
  return isNode(tag) ? tag['right'] : undefined;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);
