// Makes what fails smaller while it still fails: what is left is what a person has to read.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import { leaf, type Node } from './node.ts';
import type { Condition, Policy } from './policies.ts';
import { isSetType, type Type } from './vocabulary.ts';
import type { Entity } from './world.ts';

/** Tries before it is small enough. */
const MAX_TRIES = 3000;

/** Takes the first smaller one that fails, again and again. */
export function shrunk<T>(failing: T, smaller: (one: T) => Iterable<T>, fails: (one: T) => boolean): T {
  let least = failing;
  let tries = 0;
  for (let found: T | undefined = failing; found !== undefined && tries < MAX_TRIES;) {
    found = undefined;
    for (const one of smaller(least)) {
      if (tries++ >= MAX_TRIES) break;
      if (!fails(one)) continue;
      found = least = one;
      break;
    }
  }
  return least;
}

/** Without an element, or with a smaller one. */
export function* smallerLists<T>(list: readonly T[], smaller: (one: T) => Iterable<T> = () => []): Generator<readonly T[]> {
  if (list.length > 3) {
    yield list.slice(0, list.length >> 1);
    yield list.slice(list.length >> 1);
  }
  for (const at of list.keys()) yield list.toSpliced(at, 1);
  for (const [at, one] of list.entries()) for (const less of smaller(one)) yield list.with(at, less);
}

const OPEN = ['principal', 'action', 'resource'] as const;

export function* smallerPolicies(policy: Policy): Generator<Policy> {
  for (const conditions of smallerLists(policy.conditions, smallerConditions)) yield { ...policy, conditions };
  for (const links of smallerLists(policy.links ?? [])) if (links.length > 0) yield { ...policy, links };
  for (const [at, open] of OPEN.entries()) {
    const [principal, action, resource] = policy.scope.with(at, open);
    const isSlot = policy.scope[at]?.includes('?') === true;
    if (principal !== undefined && action !== undefined && resource !== undefined && policy.scope[at] !== open && !isSlot)
      yield { ...policy, scope: [principal, action, resource] };
  }
}

function* smallerConditions({ kind, body }: Condition): Generator<Condition> {
  for (const less of smallerNodes(body)) yield { kind, body: less };
  if (kind === 'unless') yield { kind: 'when', body };
}

/** One constant in its place, one of its operands, or with a smaller operand. */
export function* smallerNodes(node: Node): Generator<Node> {
  const plain = PLAIN[isSetType(node.type) ? 'set' : node.type];
  if (node.args.length > 0 || (node.pieces[0]?.length ?? 0) > plain.length) yield leaf(node.type, plain);
  yield* node.args;
  for (const [at, arg] of node.args.entries()) for (const less of smallerNodes(arg)) yield { ...node, args: node.args.with(at, less) };
}

const PLAIN: Readonly<Record<Exclude<Type, `${string} set`> | 'set', string>> = {
  bool: 'true',
  long: '0',
  string: '""',
  entity: 'User::"a"',
  decimal: 'decimal("0.0")',
  ip: 'ip("::")',
  datetime: 'datetime("1970-01-01")',
  duration: 'duration("0ms")',
  record: '{}',
  set: '[]',
};

export function* smallerEntities(entity: Entity): Generator<Entity> {
  for (const attrs of smallerRecords(entity.attrs)) yield { ...entity, attrs };
  for (const tags of smallerRecords(entity.tags)) yield { ...entity, tags };
  for (const parents of smallerLists(entity.parents)) yield { ...entity, parents };
}

/** Without a member, or with a smaller one. */
export function* smallerRecords(record: JsonObject): Generator<JsonObject> {
  for (const members of smallerLists(Object.entries(record), smallerMembers)) yield Object.fromEntries(members);
}

function* smallerMembers([name, value]: [string, Json]): Generator<[string, Json]> {
  for (const less of smallerValues(value)) yield [name, less];
}

function* smallerValues(value: Json): Generator<Json> {
  if (isJsonArray(value)) yield* smallerLists(value, smallerValues);
  else if (isJsonObject(value) && value['__extn'] === undefined && value['__entity'] === undefined) yield* smallerRecords(value);
}
