// A mandate for a plan: what a planner wrote down before it read anything, as narrow as a mandate can say it. A plan may come in many forms; what
// comes out is a mandate like any other, read by the same code, and names only tools and arguments that there are. What is not understood is
// refused, never left out: a limit that nobody read would be one that nobody enforces. INVARIANT I4
import { isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';
import { type Mandate, MANDATE_TYPE, parseMandate } from './mandate.ts';
import { Refusal } from './refusal.ts';
import { similar } from './similar.ts';

/** A tool or route that a plan can name, and the names of its arguments. */
export interface Callable {
  /** `ledger/pay_invoice` */
  readonly id: string;
  readonly type: 'tool' | 'route';
  readonly arguments: readonly string[];
  /** Those without which there is no call. */
  readonly required: readonly string[];
  /** Those that say where something goes. */
  readonly sinks: readonly string[];
}

/** An argument whose value the plan does not say. */
export interface Open {
  /** `ledger/pay_invoice` */
  readonly callable: string;
  readonly argument: string;
  readonly sink: boolean;
}

/** A tool whose calls are counted together, whatever their arguments. */
export interface Pooled {
  readonly callable: string;
  readonly calls: number;
  /** So many different arguments share them. */
  readonly ways: number;
}

export interface Draft {
  readonly mandate: Mandate;
  readonly open: readonly Open[];
  readonly pooled: readonly Pooled[];
}

interface Step {
  readonly callable: Callable;
  /** Undefined: the plan says nothing of its arguments. */
  readonly limits: JsonObject | undefined;
  readonly calls: number;
}

const MOST_STEPS = 256;
const LIMIT = new Set(['in', 'min', 'max', 'prefix', 'suffix']);
const LISTS = ['steps', 'trajectory', 'tools', 'plan'] as const;
const PLAN = new Set<string>([...LISTS, 'purpose', 'ordered']);
const STEP = new Set(['tool', 'name', 'arguments', 'args', 'calls']);
/** `$1`, `{{account}}`, `<the address>`: to be filled in by what an earlier step gives. One of them alone, with none inside. */
const PLACEHOLDER = /^(?:\$[A-Za-z0-9_][\w.[\]]*|\{\{[^{}]+\}\}|<[^<>]+>)$/;
const OF_STEP = /^\$(\d+)/;

/** `$100` is what a step gives only where there are so many; else it is a price. `steps`: of the plan. */
const isPlaceholder = (text: string, steps: number): boolean => PLACEHOLDER.test(text) && Number(OF_STEP.exec(text)?.[1] ?? 0) <= steps;

/**
 * A plan is a list of steps, or an object with one as `steps`, `trajectory`, `tools` or `plan`, and perhaps a `purpose`, and whether they are
 * `ordered`: then a tool is called once the one before it was. A step is a name, or
 * an object with `tool` or `name`, `arguments` or `args`, and `calls`; an argument is a value, a list of values, a limit as mandates have it,
 * or a placeholder. @throws Refusal CORDON-9011
 */
export function draftMandate(plan: Json, callables: readonly Callable[]): Draft {
  const { steps: named, purpose, ordered } = membersOf(plan);
  if (!isJsonArray(named) || named.length === 0 || named.length > MOST_STEPS) throw bad(`expected a list of 1 to ${MOST_STEPS} steps`);
  const steps = named.map((step, at) => stepOf(step, `step ${at + 1}`, { callables, steps: named.length }));
  const calls = new Map<Callable, number>();
  for (const step of steps) calls.set(step.callable, (calls.get(step.callable) ?? 0) + step.calls);
  const entries = new Map<string, { readonly callable: Callable; readonly entry: JsonObject }>();
  for (const [at, { callable, limits }] of steps.entries()) {
    const before = ordered ? steps.slice(0, at).findLast((step) => step.callable !== callable)?.callable : undefined;
    const entry: JsonObject = {
      type: MANDATE_TYPE,
      actions: [callable.type === 'tool' ? 'tools/call' : 'http/call'],
      locations: [placeOf(callable)],
      ...(limits === undefined || Object.keys(limits).length === 0 ? {} : { arguments: limits }),
      ...(limits === undefined ? {} : { other_arguments: false }),
      ...(before === undefined ? {} : { after: [placeOf(before)] }),
      // a budget counts the calls of a tool, whichever entry lets them pass
      budget: { calls: calls.get(callable) ?? 1 },
      ...(purpose === undefined ? {} : { purpose }),
    };
    const way = limits === undefined ? undefined : Object.entries(limits).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const name = JSON.stringify([callable.id, way], wholeNumbers);
    // of two steps that are the same the first says what comes before
    if (!entries.has(name)) entries.set(name, { callable, entry });
  }
  const drafted = [...entries.values()];
  return {
    mandate: parseMandate(drafted.map(({ entry }) => entry)),
    open: openIn(steps),
    pooled: [...calls].flatMap(([callable, all]): Pooled[] => {
      const ways = drafted.filter((one) => one.callable === callable).length;
      return ways === 1 ? [] : [{ callable: callable.id, calls: all, ways }];
    }),
  };
}

const placeOf = ({ type, id }: Callable): string => `${type}:${id}`;

const wholeNumbers = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

interface Members {
  readonly steps: Json | undefined;
  readonly purpose?: Json;
  readonly ordered: boolean;
}

function membersOf(plan: Json): Members {
  if (!isJsonObject(plan)) return { steps: plan, ordered: false };
  onlyKnown(plan, PLAN, 'the plan');
  const lists = LISTS.filter((name) => plan[name] !== undefined);
  if (lists.length > 1) throw bad(`\`${lists.join('` and `')}\` are two lists of steps`);
  const [list = 'steps'] = lists;
  const { [list]: steps, purpose, ordered = false } = plan;
  if (typeof ordered !== 'boolean') throw bad('`ordered` is `true` or `false`');
  return { steps, ordered, ...(purpose === undefined ? {} : { purpose }) };
}

/** A word that is not known may be one that is misspelt, and what it was to limit would be free. */
function onlyKnown(json: JsonObject, known: ReadonlySet<string>, where: string): void {
  const unknown = Object.keys(json).find((member) => !known.has(member));
  if (unknown === undefined) return;
  throw new Refusal('CORDON-9011', `not a plan: ${where} has a member \`${unknown.slice(0, 80)}\` that is not known`, {
    ...fixOf(unknown, [...known]),
    expected: [...known].join(', '),
  });
}

/** Each argument that is asked for with any value, or may be said at all, once. */
function openIn(steps: readonly Step[]): readonly Open[] {
  const found = new Map<string, Open>();
  for (const { callable, limits } of steps) {
    for (const argument of callable.arguments) {
      const isOpen = limits === undefined || (Object.hasOwn(limits, argument) && isAnything(limits[argument]));
      if (isOpen) found.set(`${callable.id} ${argument}`, { callable: callable.id, argument, sink: callable.sinks.includes(argument) });
    }
  }
  return [...found.values()];
}

const isAnything = (limit: Json | undefined): boolean => isJsonObject(limit) && Object.keys(limit).length === 0;

interface Around {
  readonly callables: readonly Callable[];
  /** How many the plan has. */
  readonly steps: number;
}

function stepOf(json: Json, where: string, { callables, steps }: Around): Step {
  const step = typeof json === 'string' ? { name: json } : json;
  if (!isJsonObject(step)) throw bad(`${where} is neither a name nor an object`);
  onlyKnown(step, STEP, where);
  const { calls = 1 } = step;
  const called = oneOf(step, 'tool', 'name', where);
  if (typeof called !== 'string') throw bad(`${where} names no tool`);
  const callable = callableOf(called, callables);
  if (typeof calls !== 'number' || !Number.isSafeInteger(calls) || calls < 1) throw bad(`\`calls\` of ${where} is a whole number`);
  const values = oneOf(step, 'arguments', 'args', where);
  if (values === undefined) return { callable, limits: undefined, calls };
  if (!isJsonObject(values)) throw bad(`the arguments of \`${callable.id}\` are an object`);
  const limits = Object.entries(values).map(([argument, value]): [string, Json] => {
    if (callable.arguments.includes(argument)) return [argument, limitOf(value, `${callable.id} ${argument}`, steps)];
    throw new Refusal('CORDON-9011', `\`${callable.id}\` has no argument \`${argument.slice(0, 80)}\``, {
      ...fixOf(argument, callable.arguments),
      expected: callable.arguments.join(', ') || 'no arguments',
    });
  });
  // what every call must have and the plan does not say: open, or the plan could not be carried out
  const more = callable.required.flatMap((argument): [string, Json][] => (Object.hasOwn(values, argument) ? [] : [[argument, {}]]));
  return { callable, limits: Object.fromEntries([...limits, ...more]), calls };
}

/** Two words for one thing, of which a step has one. */
function oneOf(step: JsonObject, one: string, other: string, where: string): Json | undefined {
  if (step[one] !== undefined && step[other] !== undefined) throw bad(`${where} has \`${one}\` and \`${other}\`, which are the same`);
  return step[one] ?? step[other];
}

/** By its id, or by the name of the tool alone where only one server has it. */
function callableOf(name: string, callables: readonly Callable[]): Callable {
  const known = callables.find(({ id }) => id === name);
  const [one, ...others] = known === undefined ? callables.filter(({ id }) => id.endsWith(`/${name}`)) : [known];
  if (one === undefined) {
    const near = fixOf(
      name,
      callables.map(({ id }) => (name.includes('/') ? id : id.slice(id.indexOf('/') + 1))),
    );
    throw new Refusal('CORDON-9011', `no tool or route is called \`${name.slice(0, 80)}\``, near);
  }
  if (others.length > 0) throw bad(`\`${name}\` is a tool of several servers: ${[one, ...others].map(({ id }) => id).join(', ')}`);
  return one;
}

function fixOf(name: string, known: readonly string[]): { readonly fix?: string } {
  const [near] = similar(name, known);
  return near === undefined ? {} : { fix: `did you mean \`${near}\`?` };
}

function limitOf(value: Json, where: string, steps: number): Json {
  if (isJsonArray(value)) return { in: value };
  if (isJsonObject(value)) {
    if (Object.keys(value).every((member) => LIMIT.has(member))) return value;
    throw bad(`a mandate says nothing of objects: \`${where}\` is a value, a list of values, or a limit`);
  }
  return value === null || (typeof value === 'string' && isPlaceholder(value, steps)) ? {} : { in: [value] };
}

const bad = (why: string): Refusal => new Refusal('CORDON-9011', `not a plan: ${why}`);
