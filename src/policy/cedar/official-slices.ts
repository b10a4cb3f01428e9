// The part of a schema that a policy can meet. Strict validation types a policy once for each action of the schema, though its scope
// rules out nearly all of them: 10,000 policies against 1,000 actions take a minute, against their own actions seconds.
//
// Exact, because for an action that the scope rules out Cedar types the scope as `false` and looks at nothing behind it. And a policy that
// does not read `context` is typed alike for actions that apply to the same types and have the same parents: unless it names one of them,
// one stands for all. Every entity type stays.
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { EstPolicy, EstScope } from './est.ts';

type Action = SchemaJson<string>[string]['actions'][string];

interface Known {
  readonly namespace: string;
  readonly id: string;
  readonly parents: readonly string[];
  /** Equal for actions that differ in name and context alone. */
  readonly kin: string;
}

/** Actions of policies that are validated in one call: beyond it, typing costs more than another call. */
const MAX_ACTIONS = 16;

export interface Slice<P> {
  readonly policies: readonly P[];
  readonly schema: SchemaJson<string>;
}

export class SchemaSlices {
  readonly #schema: SchemaJson<string>;
  readonly #actions: ReadonlyMap<string, Known>;
  readonly #children = new Map<string, string[]>();
  /** One action for each kin. */
  readonly #standIns = new Map<string, string>();

  constructor(schema: SchemaJson<string>) {
    this.#schema = schema;
    this.#actions = actionsIn(schema);
    for (const [key, { parents, kin }] of this.#actions) {
      if (!this.#standIns.has(kin)) this.#standIns.set(kin, key);
      for (const parent of parents) this.#children.set(parent, [...(this.#children.get(parent) ?? []), key]);
    }
  }

  /** The policies in groups, each with the schema to validate it against. */
  slices<P extends { readonly est: EstPolicy }>(policies: readonly P[]): readonly Slice<P>[] {
    const whole: P[] = [];
    const groups = new Map<string, { readonly actions: ReadonlySet<string>; readonly policies: P[] }>();
    for (const policy of policies) {
      const actions = this.#actionsOf(policy.est);
      if (actions === undefined) {
        whole.push(policy);
        continue;
      }
      const key = [...actions].toSorted().join('\n');
      const group = groups.get(key) ?? { actions, policies: [] };
      group.policies.push(policy);
      groups.set(key, group);
    }
    const slices = packed([...groups.values()]).map((group) => ({ policies: group.policies, schema: this.#slice(group.actions) }));
    return whole.length === 0 ? slices : [...slices, { policies: whole, schema: this.#schema }];
  }

  /** Every action that the policy applies to or speaks of; undefined: it needs the whole schema. */
  #actionsOf({ action, conditions }: EstPolicy): ReadonlySet<string> | undefined {
    const isOpen = action.op === 'All';
    const readsContext = conditions.some(({ body }) => speaksOfContext(body));
    const listed = isOpen && !readsContext ? this.#actions.keys() : listedIn(action);
    if (listed === undefined) return undefined;
    const applied = [...this.#reachable(listed, (key) => this.#children.get(key) ?? [])];
    const named = [...namedIn(conditions), ...(isOpen ? [] : namedIn(action))];
    const wanted = readsContext ? applied : applied.map((key) => this.#standIns.get(this.#actions.get(key)?.kin ?? '') ?? key);
    const all = this.#reachable([...wanted, ...named], (key) => this.#actions.get(key)?.parents ?? []);
    return [...all].every((key) => this.#actions.has(key)) ? all : undefined;
  }

  #reachable(from: Iterable<string>, next: (key: string) => readonly string[]): ReadonlySet<string> {
    const reached = new Set(from);
    for (const key of reached) for (const one of next(key)) reached.add(one);
    return reached;
  }

  #slice(keys: ReadonlySet<string>): SchemaJson<string> {
    const kept = [...keys].flatMap((key) => this.#actions.get(key) ?? []);
    return Object.fromEntries(
      Object.entries(this.#schema).map(([namespace, definition]) => {
        const ids = kept.filter((known) => known.namespace === namespace).map(({ id }) => id);
        const actions = Object.fromEntries(ids.flatMap((id) => entry(definition.actions, id)));
        return [namespace, { ...definition, actions }];
      }),
    );
  }
}

const entry = (actions: Readonly<Record<string, Action>>, id: string): readonly (readonly [string, Action])[] => {
  const action = actions[id];
  return action === undefined ? [] : [[id, action]];
};

/** Small groups together, as long as their actions are few. */
function packed<P>(groups: readonly { readonly actions: ReadonlySet<string>; readonly policies: readonly P[] }[]): typeof groups {
  const packs: { actions: Set<string>; policies: P[] }[] = [];
  for (const { actions, policies } of groups) {
    const last = packs.at(-1);
    if (last !== undefined && new Set([...last.actions, ...actions]).size <= MAX_ACTIONS) {
      for (const action of actions) last.actions.add(action);
      last.policies.push(...policies);
    } else packs.push({ actions: new Set(actions), policies: [...policies] });
  }
  return packs;
}

const keyOf = (type: string, id: string): string => `${type}::"${id}`;

function actionsIn(schema: SchemaJson<string>): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  for (const [namespace, { actions }] of Object.entries(schema)) {
    const own = namespace === '' ? 'Action' : `${namespace}::Action`;
    for (const [id, { memberOf, appliesTo }] of Object.entries(actions)) {
      const parents = (memberOf ?? []).map((parent) => keyOf(parent.type ?? own, parent.id));
      const kin = JSON.stringify([namespace, parents.toSorted(), appliesTo?.principalTypes, appliesTo?.resourceTypes]);
      known.set(keyOf(own, id), { namespace, id, parents, kin });
    }
  }
  return known;
}

function listedIn(scope: EstScope): readonly string[] | undefined {
  if (scope.op === 'All' || scope.op === 'is' || 'slot' in scope) return undefined;
  const listed = [...namedIn('entities' in scope ? scope.entities : [scope.entity])];
  const namespaces = new Set(listed.map((key) => key.split('::"', 1)[0]));
  return namespaces.size === 1 ? listed : undefined; // `in []`, and a set of two types, are errors and never typed as `false`
}

function speaksOfContext(json: unknown): boolean {
  if (typeof json !== 'object' || json === null) return false;
  return ('Var' in json && json.Var === 'context') || Object.values(json).some(speaksOfContext);
}

/** Every entity of a type `Action` anywhere in parsed JSON; one too many does no harm. */
function namedIn(json: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof json !== 'object' || json === null) return found;
  if ('type' in json && 'id' in json && typeof json.type === 'string' && typeof json.id === 'string') {
    if (/(?:^|::)Action$/.test(json.type)) found.add(keyOf(json.type, json.id));
  }
  for (const member of Object.values(json)) namedIn(member, found);
  return found;
}
