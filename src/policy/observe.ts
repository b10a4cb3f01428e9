// The values that a clause looked at, as text: `context.input.amount_cents: 4200`. Paths are followed (`principal.segment.links`,
// `resource.server.getTag("Acme")`), and only where evaluation went: what a guard or a branch kept from being looked at is not shown.
import { booleanIn, compile, type Constants } from './cedar/compile.ts';
import type { Expression } from './cedar/expression.ts';
import { operandsOf } from './cedar/expression.ts';
import { step, toText } from './cedar/text.ts';
import { isRecord, isUid, uid, type Value } from './cedar/value.ts';
import type { Facts } from './facts.ts';

/** Values shown of one clause. */
const SHOWN = 8;

/** What a condition read of the request, in order. */
export function observedIn(body: Expression, constants: Constants, facts: Facts): string {
  const seen = new Map<string, Value | undefined>();
  new Observer(constants, facts, seen).walk(body);
  const shown = [...seen].slice(0, SHOWN).map(([path, value]) => `${path}: ${value === undefined ? 'absent' : toText(value)}`);
  return shown.join(', ');
}

/** What a scope constraint saw: the entity, and all that it is in. */
export function observedScope(name: 'principal' | 'action' | 'resource', facts: Facts): string {
  const one = facts[name];
  const above = [...(facts.entities.get(one)?.ancestors ?? [])].map(textOfKey);
  return `${name}: ${toText(one)}${above.length === 0 ? '' : ` in ${above.join(', ')}`}`;
}

function textOfKey(key: string): string {
  const end = key.indexOf('::"');
  return toText(uid(key.slice(0, end), key.slice(end + 3)));
}

interface Seen {
  readonly path: string;
  /** Undefined: absent. */
  readonly value: Value | undefined;
}

class Observer {
  readonly #constants: Constants;
  readonly #facts: Facts;
  readonly #seen: Map<string, Value | undefined>;

  constructor(constants: Constants, facts: Facts, seen: Map<string, Value | undefined>) {
    this.#constants = constants;
    this.#facts = facts;
    this.#seen = seen;
  }

  walk(expression: Expression): void {
    const path = this.#read(expression);
    if (path !== undefined && path.path !== 'context') this.#seen.set(path.path, path.value);
    // what a path goes through is not worth a line, but the key of a tag may come from the arguments
    if (path === undefined) for (const operand of this.#evaluated(expression)) this.walk(operand);
    else if (expression.op === 'getTag' || expression.op === 'hasTag') this.walk(expression.right);
  }

  /** The operands that evaluation reaches. */
  #evaluated(expression: Expression): readonly Expression[] {
    if (expression.op === 'if') {
      const { test, consequent, otherwise } = expression;
      const held = this.#truth(test);
      return held === undefined ? [test] : [test, held ? consequent : otherwise];
    }
    if (expression.op !== '&&' && expression.op !== '||') return operandsOf(expression);
    const { op, left, right } = expression;
    return this.#truth(left) === (op === '&&') ? [left, right] : [left];
  }

  #truth(expression: Expression): boolean | undefined {
    try {
      return booleanIn(compile(expression)(this.#facts, this.#constants));
    } catch {
      return undefined; // it failed to evaluate: nothing after it was looked at
    }
  }

  /** The path that an expression spells, and its value; undefined for any other expression. */
  #read(expression: Expression): Seen | undefined {
    switch (expression.op) {
      case 'variable':
        return { path: expression.name, value: this.#facts[expression.name] };
      case 'attribute':
        return this.#attribute(this.#read(expression.of), [expression.name]);
      case 'has':
        return this.#attribute(this.#read(expression.of), expression.path);
      case 'getTag':
      case 'hasTag':
        return this.#tag(this.#read(expression.left), expression.right);
      default:
        return undefined;
    }
  }

  #attribute(base: Seen | undefined, names: readonly string[]): Seen | undefined {
    return names.reduce<Seen | undefined>(
      (seen, name) => seen && { path: `${seen.path}${step(name)}`, value: this.#attributesOf(seen.value)?.get(name) },
      base,
    );
  }

  #attributesOf(value: Value | undefined): ReadonlyMap<string, Value> | undefined {
    if (isUid(value)) return this.#facts.entities.get(value)?.record.attrs;
    return isRecord(value) ? value : undefined;
  }

  #tag(base: Seen | undefined, key: Expression): Seen | undefined {
    const name = key.op === 'constant' ? this.#constants[key.at] : this.#read(key)?.value;
    if (base === undefined || typeof name !== 'string') return undefined;
    const tags = isUid(base.value) ? this.#facts.entities.get(base.value)?.record.tags : undefined;
    return { path: `${base.path}.getTag(${JSON.stringify(name)})`, value: tags?.get(name) };
  }
}
