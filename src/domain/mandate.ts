// Mandates: what one task may do, as RFC 9396 `authorization_details` of type `cordon_task`. A call is allowed if one entry allows it.
// Promises: every term of an entry only takes away, so what two mandates share (`intersect`) and what a request leaves of a parent
// (`narrow`) allow no call that both do not, and `within` never says yes to a child that allows more. INVARIANT I4
import { isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';
import { coversLimits, type Limits, parseLimits, satisfiesLimits, sharedLimits } from './mandate-limits.ts';
import { Refusal } from './refusal.ts';

/** The one `type` of `authorization_details` that Cordon knows (RFC 9396 §2). */
export const MANDATE_TYPE = 'cordon_task';

export type MandateEntry = {
  readonly type: typeof MANDATE_TYPE;
  /** `tools/call`, `a2a/SendMessage`, … or `*`. */
  readonly actions: readonly string[];
  /** `tool:ledger/pay_invoice`, `tool:ledger/*`, `tool:*`, `mcp_server:ledger`, `agent:clerk`, `route:billing/*`, `egress:github`, `*`. */
  readonly locations: readonly string[];
  /** Of arguments, which must then be there. */
  readonly arguments?: Limits;
  /** The call has no argument besides those that are named. */
  readonly other_arguments?: false;
  /** What the task must have called before: `tool:ledger/list_invoices`, `route:billing/get`. */
  readonly after?: readonly string[];
  /** How often one task may make each of these calls, whoever makes it. */
  readonly budget?: { readonly calls: number };
  readonly purpose?: string;
  /** Unix seconds; from then on the entry allows nothing. */
  readonly exp?: number;
};

/** At least one entry. It is JSON, as it stands in `authorization_details`. */
export type Mandate = readonly MandateEntry[];

/** A call, as a mandate sees it. */
export interface MandateCall {
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  /** The arguments. Without them it is asked whether there are any with which the call would be allowed. */
  readonly input?: JsonObject;
  /** There may be arguments that nobody has seen. */
  readonly unseen?: true;
  /** How often the task has made this call already. */
  readonly made?: number;
  /** Of what its entries are to come after, that which the task has called. */
  readonly done?: readonly string[];
}

const MOST = { entries: 32, actions: 32, locations: 64, after: 16, purpose: 200, calls: 1_000_000_000 };
const MEMBERS = new Set(['type', 'actions', 'locations', 'arguments', 'other_arguments', 'after', 'budget', 'purpose', 'exp']);
const ACTION = /^(?:\*|[\w.-]{1,64}(?:\/[\w.-]{1,64}){0,3})$/;
const LOCATION = /^(?:\*|(?:tool|mcp_server|agent|route|egress):(?:\*|[\w.-]{1,128}|[\w.-]{1,128}\/(?:\*|[^*\s]{1,200})))$/;
const CALLABLE = /^(?:tool|route):[\w.-]{1,128}\/[^*\s]{1,200}$/;
/** What opens and keeps a session with a server and gives nothing of it: allowed wherever something on that server is. */
export const SESSION_ACTIONS: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
]);

/** Allows whatever the agent and the user may do. */
export const EVERYTHING: Mandate = [{ type: MANDATE_TYPE, actions: ['*'], locations: ['*'] }];

/** Reads `authorization_details`. attacker-controlled @throws Refusal CORDON-9011 */
export function parseMandate(json: Json): Mandate {
  if (!isJsonArray(json) || json.length === 0 || json.length > MOST.entries) throw bad(`expected 1 to ${MOST.entries} entries`);
  return json.map(parseEntry);
}

function parseEntry(json: Json): MandateEntry {
  if (!isJsonObject(json) || json['type'] !== MANDATE_TYPE) throw bad(`expected entries of type \`${MANDATE_TYPE}\``);
  const unknown = Object.keys(json).find((member) => !MEMBERS.has(member));
  if (unknown !== undefined) throw bad('member not known', unknown);
  const { actions, locations, arguments: limits, other_arguments: others, after, budget, purpose, exp } = json;
  if (others !== undefined && others !== false) throw bad('`other_arguments` is `false`');
  if (purpose !== undefined && (typeof purpose !== 'string' || purpose === '' || purpose.length > MOST.purpose)) throw bad('`purpose`');
  return {
    type: MANDATE_TYPE,
    actions: names(actions, 'actions', ACTION, MOST.actions),
    locations: names(locations, 'locations', LOCATION, MOST.locations),
    ...(limits === undefined ? {} : { arguments: parseLimits(limits) }),
    ...(others === undefined ? {} : { other_arguments: others }),
    ...(after === undefined ? {} : { after: names(after, 'after', CALLABLE, MOST.after) }),
    ...termsOf({
      calls: budget === undefined ? undefined : parseBudget(budget),
      purpose,
      exp: exp === undefined ? undefined : whole(exp, 'exp', Number.MAX_SAFE_INTEGER),
    }),
  };
}

/** What an entry says beside what it is about. */
interface Terms {
  readonly calls: number | undefined;
  readonly purpose: string | undefined;
  readonly exp: number | undefined;
}

const termsOf = ({ calls, purpose, exp }: Terms): Pick<MandateEntry, 'budget' | 'purpose' | 'exp'> => ({
  ...(calls === undefined ? {} : { budget: { calls } }),
  ...(purpose === undefined ? {} : { purpose }),
  ...(exp === undefined ? {} : { exp }),
});

function names(json: Json | undefined, member: string, shape: RegExp, most: number): readonly string[] {
  if (!isJsonArray(json) || json.length === 0 || json.length > most) throw bad(`\`${member}\` is a list of 1 to ${most}`);
  const texts = json.map((text) => {
    if (typeof text === 'string' && shape.test(text)) return text;
    throw bad(`\`${member}\``, typeof text === 'string' ? text : undefined);
  });
  return [...new Set(texts)];
}

function parseBudget(json: Json): number {
  if (!isJsonObject(json) || Object.keys(json).length !== 1) throw bad('`budget` is `{"calls": n}`');
  return whole(json['calls'], 'calls', MOST.calls);
}

function whole(json: Json | undefined, member: string, most: number): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 1 || json > most) throw bad(`\`${member}\` is a whole number`);
  return json;
}

const bad = (why: string, observed?: string): Refusal =>
  new Refusal('CORDON-9011', `not a mandate: ${why}`, observed === undefined ? {} : { observed: `\`${observed.slice(0, 80)}\`` });

/** As it stands in `authorization_details`. */
export const mandateJson = (mandate: Mandate): Json => mandate;

/** May the task make this call? `now`: Unix seconds. */
export const allows = (mandate: Mandate, call: MandateCall, now: number): boolean => mandate.some((entry) => entryAllows(entry, call, now));

function entryAllows(entry: MandateEntry, call: MandateCall, now: number): boolean {
  const { actions, locations, budget, exp } = entry;
  const { action, resource, made = 0 } = call;
  if (exp !== undefined && now >= exp) return false;
  if (resource.type === 'mcp_server' && SESSION_ACTIONS.has(action)) return locations.some((location) => isOnServer(location, resource.id));
  if (budget !== undefined && made >= budget.calls) return false;
  const place = `${resource.type}:${resource.id}`;
  if (!actions.some((one) => one === '*' || one === action) || !locations.some((one) => covers(one, place))) return false;
  return argumentsPass(entry, call) && comesAfter(entry, call);
}

/** Where it is asked whether there is any such call, there is one later. */
const comesAfter = ({ after = [] }: MandateEntry, { input, done = [] }: MandateCall): boolean =>
  input === undefined || after.every((place) => done.includes(place));

/** What entries are to come after, each once. */
export const afterIn = (mandate: Mandate): readonly string[] => [...new Set(mandate.flatMap(({ after = [] }) => after))];

function argumentsPass({ arguments: limits = {}, other_arguments: others }: MandateEntry, { input, unseen }: MandateCall): boolean {
  if (input === undefined) return true;
  if (others === false && (unseen === true || !areNamed(input, limits))) return false;
  return satisfiesLimits(limits, input);
}

const areNamed = (given: JsonObject, limits: Limits): boolean => Object.keys(given).every((name) => Object.hasOwn(limits, name));

/** Is the place, or all that the pattern names, within the pattern? A `*` stands only at an end, so it is a matter of prefixes. */
const covers = (pattern: string, place: string): boolean =>
  pattern === place || (pattern.endsWith('*') && place.startsWith(pattern.slice(0, -1)));

const isOnServer = (location: string, server: string): boolean =>
  covers(location, `mcp_server:${server}`) || location === 'tool:*' || location.startsWith(`tool:${server}/`);

/** The last moment at which it allows anything, Unix seconds; undefined when it has no end of its own. */
export function endOf(mandate: Mandate): number | undefined {
  const ends = mandate.map(({ exp }) => exp ?? Infinity);
  const last = Math.max(...ends);
  return last === Infinity ? undefined : last;
}

/** Does the child allow nothing that the parent does not? Says no where that cannot be seen entry by entry. */
export const within = (child: Mandate, parent: Mandate): boolean =>
  child.every((entry) =>
    holds(
      parent.filter((holder) => isWithinTerms(entry, holder)),
      entry,
    ),
  );

/** Is every place of the entry, with every action, in one of the holders? */
function holds(holders: Mandate, { actions, locations }: MandateEntry): boolean {
  const held = holders.map((holder) => ({ places: coverage(holder.locations), acts: coverage(holder.actions) }));
  return locations.every((location) => {
    const here = held.filter(({ places }) => places(location));
    return actions.every((action) => here.some(({ acts }) => acts(action)));
  });
}

/** Does one of the patterns cover a name? In time that does not grow with their number. attacker-controlled */
function coverage(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(patterns);
  const starts = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1));
  return (name) => exact.has(name) || starts.some((start) => name.startsWith(start));
}

const isWithinTerms = (entry: MandateEntry, holder: MandateEntry): boolean => excessOf(entry, holder) === undefined;

/** Which term of the entry is wider than that of the holder. */
function excessOf(entry: MandateEntry, holder: MandateEntry): string | undefined {
  if (!coversLimits(holder.arguments ?? {}, entry.arguments ?? {})) return 'arguments';
  if (!closesAsFar(entry, holder)) return 'other_arguments';
  if (!(holder.after ?? []).every((place) => entry.after?.includes(place) === true)) return 'after';
  if (holder.budget !== undefined && (entry.budget === undefined || entry.budget.calls > holder.budget.calls)) return 'budget';
  if (holder.purpose !== undefined && entry.purpose !== holder.purpose) return 'purpose';
  if (holder.exp !== undefined && (entry.exp === undefined || entry.exp > holder.exp)) return 'exp';
  return undefined;
}

/** Has a call that the entry allows no argument that the holder does not name? */
const closesAsFar = (entry: MandateEntry, holder: MandateEntry): boolean =>
  holder.other_arguments === undefined || (entry.other_arguments === false && areNamed(entry.arguments ?? {}, holder.arguments ?? {}));

/**
 * What both allow; undefined when that is nothing.
 * @throws Refusal CORDON-2003 when it cannot be said within the bounds of a mandate
 */
export function intersect(a: Mandate, b: Mandate): Mandate | undefined {
  if (within(a, b)) return a;
  if (within(b, a)) return b;
  const shared = a.flatMap((one) => b.flatMap((other) => sharedEntry(one, other) ?? []));
  return shared.length === 0 ? undefined : shortest(shared);
}

/**
 * What a request leaves of what the parent holds. Budget, purpose and expiry that the request does not mention are the parent's; what it
 * does ask for and the parent does not hold is refused, never cut away without a word.
 * @throws Refusal CORDON-2003
 */
export function narrow(parent: Mandate, requested: Mandate): Mandate {
  if (within(requested, parent)) return requested;
  return shortest(
    requested.flatMap((entry, at) => {
      const holders = parent.filter((holder) => isWithinTerms(withTermsOf(holder, entry), holder));
      if (!holds(holders, entry)) throw exceeded(parent, entry, at);
      return parent.flatMap((holder) => sharedEntry(entry, holder) ?? []);
    }),
  );
}

const withTermsOf = ({ budget, purpose, exp }: MandateEntry, entry: MandateEntry): MandateEntry => ({
  ...entry,
  ...termsOf({ calls: (entry.budget ?? budget)?.calls, purpose: entry.purpose ?? purpose, exp: entry.exp ?? exp }),
});

function exceeded(parent: Mandate, entry: MandateEntry, at: number): Refusal {
  const lost = (wanted: readonly string[], member: 'actions' | 'locations'): string | undefined => {
    const held = coverage(parent.flatMap((holder) => holder[member]));
    return wanted.find((name) => !held(name));
  };
  const name = lost(entry.locations, 'locations') ?? lost(entry.actions, 'actions');
  const terms = parent.map((holder) => excessOf(withTermsOf(holder, entry), holder)).find((term) => term !== undefined);
  return new Refusal('CORDON-2003', 'the request asks for more than the parent holds', {
    observed: `entry ${at + 1}: ${name === undefined ? `\`${terms ?? 'locations'}\`` : `\`${name}\``}`,
  });
}

function sharedEntry(a: MandateEntry, b: MandateEntry): MandateEntry | undefined {
  const actions = sharedNames(a.actions, b.actions, MOST.actions);
  const locations = sharedNames(a.locations, b.locations, MOST.locations);
  const limits = sharedLimits(a.arguments ?? {}, b.arguments ?? {});
  if (actions.length === 0 || locations.length === 0 || limits === undefined) return undefined;
  const after = afterIn([a, b]);
  if (after.length > MOST.after) throw tooLong();
  const closed = [a, b].filter((entry) => entry.other_arguments === false);
  // an argument that one asks for and the other lets nobody say
  if (!closed.every((entry) => areNamed(limits, entry.arguments ?? {}))) return undefined;
  if (a.purpose !== undefined && b.purpose !== undefined && a.purpose !== b.purpose) return undefined;
  const terms = { calls: least(a.budget?.calls, b.budget?.calls), purpose: a.purpose ?? b.purpose, exp: least(a.exp, b.exp) };
  return {
    type: MANDATE_TYPE,
    actions,
    locations,
    ...(Object.keys(limits).length === 0 ? {} : { arguments: limits }),
    ...(closed.length === 0 ? {} : { other_arguments: false }),
    ...(after.length === 0 ? {} : { after }),
    ...termsOf(terms),
  };
}

function sharedNames(a: readonly string[], b: readonly string[], most: number): readonly string[] {
  const shared = new Set([...a.filter(coverage(b)), ...b.filter(coverage(a))]);
  if (shared.size > most) throw tooLong();
  return [...shared];
}

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

/** Without the entries that another one contains. */
function shortest(entries: Mandate): Mandate {
  let kept: Mandate = [];
  for (const entry of entries) {
    if (kept.some((known) => within([entry], [known]))) continue;
    kept = [...kept.filter((known) => !within([known], [entry])), entry];
    if (kept.length > MOST.entries) throw tooLong();
  }
  return kept;
}

const tooLong = (): Refusal => new Refusal('CORDON-2003', 'what is left is longer than a mandate may be');
