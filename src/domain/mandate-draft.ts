// A mandate for a plan: what a planner wrote down before it read anything, as narrow as the plan is. A plan may come in many forms; what comes
// out is a mandate like any other, read by the same code, and names only tools and arguments that there are.
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
  /** Those that say where something goes. */
  readonly sinks: readonly string[];
}

export interface Draft {
  readonly mandate: Mandate;
  /** `ledger/pay_invoice iban`: says where something goes, and the plan leaves it open. */
  readonly open: readonly string[];
}

interface Step {
  readonly callable: Callable;
  readonly limits: JsonObject;
  readonly calls: number;
}

const MOST_STEPS = 256;
const LIMIT = new Set(['in', 'min', 'max', 'prefix', 'suffix']);
/** `$1`, `{{account}}`, `<the address>`: to be filled in by what an earlier step gives. */
const PLACEHOLDER = /^(?:\$[\w.[\]]+|\{\{.*\}\}|<.*>)$/s;

/**
 * A plan is a list of steps, or an object with one as `steps`, `trajectory`, `tools` or `plan`, and perhaps a `purpose`. A step is a name, or
 * an object with `tool` or `name`, `arguments` or `args`, and `calls`; an argument is a value, a list of values, a limit as mandates have it,
 * or a placeholder. @throws Refusal CORDON-9011
 */
export function draftMandate(plan: Json, callables: readonly Callable[]): Draft {
  const named = isJsonObject(plan) ? (plan['steps'] ?? plan['trajectory'] ?? plan['tools'] ?? plan['plan']) : plan;
  if (!isJsonArray(named) || named.length === 0 || named.length > MOST_STEPS) throw bad(`expected a list of 1 to ${MOST_STEPS} steps`);
  const purpose = isJsonObject(plan) ? plan['purpose'] : undefined;
  const steps = named.map((step) => stepOf(step, callables));
  const calls = new Map<Callable, number>();
  for (const step of steps) calls.set(step.callable, (calls.get(step.callable) ?? 0) + step.calls);
  const entries = new Map<string, JsonObject>();
  for (const { callable, limits } of steps) {
    const entry: JsonObject = {
      type: MANDATE_TYPE,
      actions: [callable.type === 'tool' ? 'tools/call' : 'http/call'],
      locations: [`${callable.type}:${callable.id}`],
      ...(Object.keys(limits).length === 0 ? {} : { arguments: limits }),
      // a budget counts the calls of a tool, whichever entry lets them pass
      budget: { calls: calls.get(callable) ?? 1 },
      ...(purpose === undefined ? {} : { purpose }),
    };
    entries.set(JSON.stringify([callable.id, Object.entries(limits).toSorted(([a], [b]) => (a < b ? -1 : 1))], wholeNumbers), entry);
  }
  const open = steps.flatMap(({ callable, limits }) =>
    callable.sinks.filter((sink) => isOpen(limits[sink])).map((sink) => `${callable.id} ${sink}`),
  );
  return { mandate: parseMandate([...entries.values()]), open: [...new Set(open)] };
}

const wholeNumbers = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

const isOpen = (limit: Json | undefined): boolean => limit === undefined || (isJsonObject(limit) && Object.keys(limit).length === 0);

function stepOf(json: Json, callables: readonly Callable[]): Step {
  const { tool, name, arguments: given, args, calls = 1 } = typeof json === 'string' ? { name: json } : isJsonObject(json) ? json : {};
  const called = tool ?? name;
  if (typeof called !== 'string') throw bad('a step names a tool');
  const callable = callableOf(called, callables);
  const values = given ?? args ?? {};
  if (!isJsonObject(values)) throw bad(`the arguments of \`${callable.id}\` are an object`);
  if (typeof calls !== 'number' || !Number.isSafeInteger(calls) || calls < 1) throw bad('`calls` is a whole number');
  const limits = Object.entries(values).map(([argument, value]): [string, Json] => {
    if (callable.arguments.includes(argument)) return [argument, limitOf(value, `${callable.id} ${argument}`)];
    throw new Refusal('CORDON-9011', `\`${callable.id}\` has no argument \`${argument.slice(0, 80)}\``, {
      ...fixOf(argument, callable.arguments),
      expected: callable.arguments.join(', ') || 'no arguments',
    });
  });
  return { callable, limits: Object.fromEntries(limits), calls };
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

function limitOf(value: Json, where: string): Json {
  if (isJsonArray(value)) return { in: value };
  if (isJsonObject(value)) {
    if (Object.keys(value).every((member) => LIMIT.has(member))) return value;
    throw bad(`a mandate says nothing of objects: \`${where}\` is a value, a list of values, or a limit`);
  }
  return value === null || (typeof value === 'string' && PLACEHOLDER.test(value)) ? {} : { in: [value] };
}

const bad = (why: string): Refusal => new Refusal('CORDON-9011', `not a plan: ${why}`);
