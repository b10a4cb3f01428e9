// Who and what no policy can tell apart. A policy knows an entity by its name or by its attributes, tags and parents. So of agents that
// no policy names and that agree in the rest, one answer is the answer of all; tools and called agents likewise. A world of a thousand
// agents and five thousand tools has far fewer kinds of them, and only these are asked about.
import { Refusal } from '../../domain/refusal.ts';
import type { World } from '../../domain/registry.ts';
import { type Catalog, catalogOf } from '../schema/catalog.ts';
import { type EntityUid, keyOf, uid } from '../cedar/value.ts';
import type { PolicySet } from '../policy-set.ts';
import { residentsOf } from '../residents.ts';
import { isCallable } from '../methods.ts';
import { TARGET_TYPES } from '../targets.ts';
import { Turns } from '../turns.ts';
import { unquoted } from './literals.ts';
import { tokensOf } from './policy-text.ts';
import type { Target } from './targets.ts';

/** `ask`, asked once for all that `sets` cannot tell apart. Its answer depends on nothing but those sets and `world`. */
export async function askedOnce<T extends object>(
  sets: readonly PolicySet[],
  world: World,
  ask: (agent: string, target: Target) => T,
): Promise<(agent: string, target: Target) => T> {
  const kinds = new Kinds(world, await namesIn(sets));
  const answers: T[][] = [];
  return (agent, target) => {
    if (target.type === 'agent' && target.id === agent) return ask(agent, target); // `principal == resource` tells oneself from all others
    const ofAgent = (answers[kinds.agent(agent)] ??= []);
    return (ofAgent[kinds.target(target)] ??= ask(agent, target));
  };
}

/** Numbers that are equal exactly for what cannot be told apart. */
class Kinds {
  readonly #catalog: Catalog;
  readonly #entities: ReturnType<typeof residentsOf>;
  readonly #named: ReadonlySet<string>;
  readonly #numbers = new Map<string, number>();
  readonly #agents = new Map<string, number>();
  readonly #targets = new Map<Target, number>();

  constructor(world: World, named: ReadonlySet<string>) {
    this.#catalog = catalogOf(world);
    this.#entities = residentsOf(world, this.#catalog);
    this.#named = named;
  }

  agent(name: string): number {
    const known = this.#agents.get(name) ?? this.#numberOf(this.#kindOf(uid('Agent', name)));
    this.#agents.set(name, known);
    return known;
  }

  target(target: Target): number {
    const known = this.#targets.get(target) ?? this.#numberOf(this.#kindOfTarget(target));
    this.#targets.set(target, known);
    return known;
  }

  #numberOf(kind: string): number {
    const known = this.#numbers.get(kind) ?? this.#numbers.size;
    this.#numbers.set(kind, known);
    return known;
  }

  #kindOfTarget({ action, type, id }: Target): string {
    const resource = this.#kindOf(uid(TARGET_TYPES[type], id));
    if (!isCallable(type)) return `${action} on ${resource}`;
    const untyped = this.#catalog.get(id)?.input instanceof Refusal ? 'untyped ' : '';
    return `${untyped}${this.#kindOf(uid('Action', id))} on ${resource}`;
  }

  #kindOf(one: EntityUid): string {
    const record = this.#entities.get(one)?.record;
    if (record === undefined || this.#named.has(one.id)) return keyOf(one);
    const parents = record.parents.map(keyOf).toSorted();
    return `${one.type}${keyOf(record.attrs)}${keyOf(record.tags)}${parents.join()}`;
  }
}

/** Every text between quotes: among them each name that a policy knows. */
async function namesIn(sets: readonly PolicySet[]): Promise<ReadonlySet<string>> {
  const turns = new Turns();
  const names = new Set<string>();
  for (const policy of sets.flatMap(({ policies }) => policies)) {
    for (const token of tokensOf(policy)) if (token.kind === 'string') names.add(unquoted(token.text));
    await turns.next();
  }
  return names;
}
