// Which calls a policy can be about at all, as far as the names in its scope tell: a policy that came or went changes no other answer.
// Never too few. `in`, `is` and groups are left open: they are for the engine to follow.
import { splitAt, type Token } from '../lexer.ts';
import { GROUPS, isCallable } from '../methods.ts';
import type { PolicyRow } from '../policy-set.ts';
import { unquoted } from './literals.ts';
import { partsOf } from './policy-text.ts';
import type { Target } from './targets.ts';

/** What a scope names; absent: anything. */
interface Scope {
  readonly agent?: string;
  readonly actions?: readonly string[];
  readonly resource?: string;
}

function scopeOf(policy: Pick<PolicyRow, 'text' | 'effect'>): Scope {
  const [principal = [], action = [], resource = []] = partsOf(policy).scope;
  const [agent, one, target] = [principal, action, resource].map(nameIn);
  const actions = one === undefined ? namesIn(action) : [one];
  const areNamed = actions !== undefined && !actions.some((name) => GROUPS.some((group) => group === name));
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(areNamed ? { actions } : {}),
    ...(target === undefined ? {} : { resource: target }),
  };
}

/** Of `principal == Agent::"clerk"`. */
const nameIn = ([, operator, ...entity]: readonly Token[]): string | undefined => (operator?.text === '==' ? idOf(entity) : undefined);

/** Of `action in [Action::"a", Action::"b"]`. */
function namesIn([, operator, open, ...rest]: readonly Token[]): readonly string[] | undefined {
  if (operator?.text !== 'in' || open?.text !== '[') return undefined;
  const ids = splitAt(rest.slice(0, -1), ',')
    .filter((part) => part.length > 0)
    .map(idOf);
  return ids.every((id) => id !== undefined) ? ids : undefined;
}

/** Of `Agent::"clerk"`; a type with a namespace is not one of ours. */
const idOf = ([type, colons, id, ...more]: readonly Token[]): string | undefined =>
  type?.kind === 'word' && colons?.text === '::' && id?.kind === 'string' && more.length === 0 ? unquoted(id.text) : undefined;

/** Calls that some policies are about. */
export class Touched {
  readonly #byAction = new Map<string, Target[]>();
  readonly #targets: readonly Target[];
  readonly #byAll = new Set<Target>();
  readonly #byOne = new Map<string, Set<Target>>();

  constructor(policies: Iterable<PolicyRow>, targets: readonly Target[]) {
    this.#targets = targets;
    for (const target of targets) {
      const name = isCallable(target.type) ? target.id : target.action;
      const known = this.#byAction.get(name);
      if (known === undefined) this.#byAction.set(name, [target]);
      else known.push(target);
    }
    for (const policy of policies) this.#add(scopeOf(policy));
  }

  #add({ agent, actions, resource }: Scope): void {
    const set = agent === undefined ? this.#byAll : (this.#byOne.get(agent) ?? new Set());
    if (agent !== undefined) this.#byOne.set(agent, set);
    const candidates = actions === undefined ? this.#targets : actions.flatMap((action) => this.#byAction.get(action) ?? []);
    for (const target of candidates) if (resource === undefined || target.id === resource) set.add(target);
  }

  /** Those of `targets` that `agent` may be allowed or denied by one of the policies. */
  by(agent: string, targets: readonly Target[]): readonly Target[] {
    const own = this.#byOne.get(agent);
    if (own === undefined && this.#byAll.size === 0) return [];
    return targets.filter((target) => this.#byAll.has(target) || (own?.has(target) ?? false));
  }
}
