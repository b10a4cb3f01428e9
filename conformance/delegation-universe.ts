// What a mandate allows, by trying every call of a small world. Written from the words of docs/delegation.md and sharing no line with the
// engine, so that what the two have in common is not a mistake that both made.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';

const SERVERS = ['ledger', 'mail'];
const TOOLS = ['ledger/pay', 'ledger/read', 'mail/send'];
const AGENTS = ['clerk', 'scribe'];
const SESSION = ['initialize', 'ping', 'server/discover', 'tools/list'];
const AMOUNTS: readonly (Json | undefined)[] = [undefined, 0, 5, 10, 11, '10'];
const PAYEES: readonly (Json | undefined)[] = [undefined, 'acme-1', 'acme-22', 'evil-1'];
const MADE = [0, 2];
/** When every story begins, Unix seconds. */
export const START = 1_800_000_000;
/** Seconds after that at which a call is tried. */
const MOMENTS = [0, 100, 500, 2000];

interface Call {
  readonly action: string;
  readonly type: string;
  readonly id: string;
  readonly input: JsonObject;
  readonly made: number;
  /** What the task has called before. */
  readonly done: readonly string[];
  /** Unix seconds. */
  readonly at: number;
}

const withValues = (action: string, type: string, id: string, at: number): readonly Call[] =>
  AMOUNTS.flatMap((amount) =>
    PAYEES.flatMap((to) =>
      MADE.map((made) => ({
        action,
        type,
        id,
        input: { ...(amount === undefined ? {} : { amount }), ...(to === undefined ? {} : { to }) },
        made,
        done: [],
        at,
      })),
    ),
  );

/** Where nothing was called before. */
const EVERY: readonly Call[] = MOMENTS.map((moment) => START + moment).flatMap((at) => [
  ...TOOLS.flatMap((id) => withValues('tools/call', 'tool', id, at)),
  ...AGENTS.flatMap((id) => withValues('a2a/SendMessage', 'agent', id, at)),
  ...SERVERS.flatMap((id) =>
    [...SESSION, 'resources/read'].map((action): Call => ({ action, type: 'mcp_server', id, input: {}, made: 9, done: [], at })),
  ),
]);

/** Every call of the world. */
export const CALLS: readonly Call[] = [
  ...EVERY,
  ...EVERY.filter(({ id, at, made }) => (id === 'ledger/pay' || id === 'mail/send') && at === START && made === 0).flatMap((call) =>
    [['tool:ledger/read'], ['tool:ledger/pay', 'tool:ledger/read']].map((done) => ({ ...call, done })),
  ),
];

/** Of every call of the world whether it is allowed. */
export type Allowed = Uint8Array;

const known = new Map<string, Allowed>();
const MOST_KNOWN = 20_000;

/** What a mandate, as JSON, allows. */
export function allowedBy(mandate: Json): Allowed {
  const key = JSON.stringify(mandate);
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size > MOST_KNOWN) known.clear();
  const entries = isJsonArray(mandate) ? mandate.filter(isJsonObject) : [];
  const allowed = Uint8Array.from(CALLS, (call) => (entries.some((entry) => isAllowed(entry, call)) ? 1 : 0));
  known.set(key, allowed);
  return allowed;
}

function isAllowed(entry: JsonObject, { action, type, id, input, made, done, at }: Call): boolean {
  const { exp, budget, actions, locations, arguments: limits, after } = entry;
  if (typeof exp === 'number' && exp <= at) return false;
  const places = isJsonArray(locations) ? locations.map(String) : [];
  if (type === 'mcp_server' && SESSION.includes(action)) return places.some((place) => serverOf(place) === '*' || serverOf(place) === id);
  if (isJsonObject(budget) && typeof budget['calls'] === 'number' && !(made < budget['calls'])) return false;
  if (!isJsonArray(actions) || !(actions.includes('*') || actions.includes(action))) return false;
  if (!places.some((place) => place === '*' || place === `${type}:*` || place === `${type}:${id}` || isEveryToolOf(place, type, id)))
    return false;
  if (isJsonArray(after) && after.some((place) => typeof place !== 'string' || !done.includes(place))) return false;
  const named = isJsonObject(limits) ? limits : {};
  if (entry['other_arguments'] === false && Object.keys(input).some((name) => named[name] === undefined)) return false;
  return Object.keys(named).every((name) => passes(named[name], input[name]));
}

/** The server that something at this place is on; `*` for any. */
function serverOf(place: string): string | undefined {
  if (place === '*') return '*';
  const [type, rest = ''] = place.split(':');
  return type === 'tool' || type === 'mcp_server' ? rest.split('/')[0] : undefined;
}

const isEveryToolOf = (place: string, type: string, id: string): boolean => type === 'tool' && place === `tool:${id.split('/')[0] ?? ''}/*`;

function passes(limit: Json | undefined, value: Json | undefined): boolean {
  if (value === undefined || !isJsonObject(limit)) return false;
  const { in: values, min, max, prefix, suffix } = limit;
  const checks = [
    values === undefined || (isJsonArray(values) && values.includes(value)),
    min === undefined || (typeof value === 'number' && typeof min === 'number' && min <= value),
    max === undefined || (typeof value === 'number' && typeof max === 'number' && value <= max),
    prefix === undefined || (typeof value === 'string' && value.slice(0, lengthOf(prefix)) === prefix),
    suffix === undefined || (typeof value === 'string' && value.slice(value.length - lengthOf(suffix)) === suffix),
  ];
  return checks.every(Boolean);
}

const lengthOf = (json: Json): number => (typeof json === 'string' ? json.length : 0);

/** A call that one allows and the other does not. */
export function callBeyond(child: Allowed, parent: Allowed): string | undefined {
  const at = child.findIndex((allowed, index) => allowed > (parent[index] ?? 0));
  return at < 0 ? undefined : JSON.stringify(CALLS[at]);
}

/** A call that one allows and the other does not, of the first calls of all: no budget is used up by then, and nothing has expired. */
export function firstBeyond(asked: Allowed, parent: Allowed): string | undefined {
  const at = asked.findIndex((allowed, index) => allowed > (parent[index] ?? 0) && isFirst(index));
  return at < 0 ? undefined : JSON.stringify(CALLS[at]);
}

const isFirst = (index: number): boolean => CALLS[index]?.at === START && (CALLS[index].made === 0 || isSession(index));

/** What both allow, but for what opens a session: that is allowed with whatever is on the server. */
export const bothAllow = (a: Allowed, b: Allowed): Allowed => a.map((allowed, at) => (isSession(at) ? 0 : allowed & (b[at] ?? 0)));

const isSession = (at: number): boolean => SESSION.includes(CALLS[at]?.action ?? '');
