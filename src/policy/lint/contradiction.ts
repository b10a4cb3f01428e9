// `never-matches`, in conditions: do they contradict one another? A wrong yes is a bug, a wrong no is not: only comparisons with
// constants, and a condition beside its own contrary, are understood.
import { isLong } from '../cedar/long.ts';
import { toText } from '../cedar/text.ts';
import { equal, type Value } from '../cedar/value.ts';
import { type Atom, type Comparison, constantOf } from './conditions.ts';
import { atCondition, type Draft } from './draft.ts';
import type { Flaw } from './rules.ts';
import { namedBy } from './scope.ts';

const NEVER = { rule: 'never-matches', help: 'mend the condition, or remove the policy' } as const;

/** The first condition that cannot hold together with the scope and those before it. */
export function contradiction(draft: Draft): Flaw | undefined {
  const possible = new Possible(draft);
  for (const atom of draft.atoms) {
    const problem = possible.add(atom);
    if (problem !== undefined) return { ...NEVER, ...atCondition(draft, atom.condition), ...problem };
  }
  return undefined;
}

interface Range {
  equals?: Value;
  readonly not: Value[];
  least?: bigint;
  most?: bigint;
}

/** What the conditions read so far leave possible. */
class Possible {
  readonly #keys = new Set<string>();
  readonly #ranges = new Map<string, Range>();
  readonly #constants: readonly Value[];

  constructor({ place, constants }: Draft) {
    this.#constants = constants;
    for (const name of ['principal', 'action', 'resource'] as const) {
      const [only, ...others] = place[name].keys;
      if (only === undefined || others.length > 0 || !only.startsWith('=')) continue;
      const named = namedBy(only);
      if (named !== undefined) this.#range(JSON.stringify({ op: 'variable', name })).equals = named;
    }
  }

  #range(subject: string): Range {
    let range = this.#ranges.get(subject);
    if (range === undefined) this.#ranges.set(subject, (range = { not: [] }));
    return range;
  }

  /** Takes a fact in, or says why it cannot be one. */
  add({ key, expression, negated, comparison }: Atom): Pick<Flaw, 'message' | 'observed'> | undefined {
    if (constantOf(expression, this.#constants) === negated) return { message: 'this condition never holds' };
    if (comparison !== undefined) return this.#compare(comparison);
    this.#keys.add(key);
    const denied = key.startsWith('!') ? key.slice(1) : `!${key}`;
    return this.#keys.has(denied) ? { message: 'this condition and its contrary are both asked for' } : undefined;
  }

  #compare({ subject, path, operator, value }: Comparison): Pick<Flaw, 'message' | 'observed'> | undefined {
    const range = this.#range(subject);
    const what = path === undefined ? 'it' : `\`${path.join('.')}\``;
    if (operator === '==' && range.equals !== undefined && !equal(range.equals, value)) {
      return { message: `${what} cannot be both`, observed: `${toText(range.equals)} and ${toText(value)}` };
    }
    narrow(range, operator, value);
    if (range.equals !== undefined && range.not.some((one) => range.equals !== undefined && equal(one, range.equals))) {
      return { message: `${what} cannot be ${toText(range.equals)} and not be it` };
    }
    return isEmpty(range) ? { message: `no value of ${what} is left`, observed: leftOf(range) } : undefined;
  }
}

function narrow(range: Range, operator: Comparison['operator'], value: Value): void {
  if (operator === '==') range.equals = value;
  if (operator === '!=') range.not.push(value);
  if (!isLong(value)) return;
  const bound = BigInt(value);
  const [least, most] = BOUNDS[operator](bound);
  if (least !== undefined && (range.least === undefined || least > range.least)) range.least = least;
  if (most !== undefined && (range.most === undefined || most < range.most)) range.most = most;
}

type Bounds = (value: bigint) => readonly [least: bigint | undefined, most: bigint | undefined];
const BOUNDS: Readonly<Record<Comparison['operator'], Bounds>> = {
  '==': (value) => [value, value],
  '!=': () => [undefined, undefined],
  '<': (value) => [undefined, value - 1n],
  '<=': (value) => [undefined, value],
  '>': (value) => [value + 1n, undefined],
  '>=': (value) => [value, undefined],
};

const isEmpty = ({ least, most }: Range): boolean => least !== undefined && most !== undefined && least > most;
const leftOf = ({ least, most }: Range): string => `at least ${String(least)} and at most ${String(most)}`;
