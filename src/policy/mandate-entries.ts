// Why a mandate does not allow a call: the entries that came nearest, each taken apart into what it asks. Every part is asked alone, as an
// entry that asks nothing else, of the same function that decides, so that what is shown is what was enforced.
import type { AccessRequest, Clause, Delegation, NearestPermit } from '../domain/access.ts';
import { type Json, type JsonObject, writeJson } from '../domain/json.ts';
import { allows, EVERYTHING, type Mandate, type MandateCall, type MandateEntry } from '../domain/mandate.ts';

const NEAREST = 3;
/** Characters of a value that are shown. */
const SHOWN = 80;

/** The call as a mandate is asked about it. */
export const mandateCall = ({ action, resource, context }: AccessRequest, { made, done }: Delegation): MandateCall => ({
  action: action.name,
  resource,
  input: context.input ?? {},
  ...(context['body'] === 'unseen' ? { unseen: true } : {}),
  ...(made === undefined ? {} : { made }),
  ...(done === undefined ? {} : { done }),
});

/** Something that an entry asks. */
interface Part {
  readonly text: string;
  /** The mandate that asks this alone. */
  readonly alone: Mandate;
  readonly observed: string;
}

/** At most three, the one with the most that held first. `now`: Unix seconds. */
export function nearestEntries(mandate: Mandate, call: MandateCall, now: number): readonly NearestPermit[] {
  const near = mandate.map((entry, at) => nearness(`mandate entry ${at + 1}`, partsOf(entry, call, now), call, now));
  return near.toSorted((a, b) => b.held - a.held || a.total - b.total).slice(0, NEAREST);
}

function nearness(policy: string, parts: readonly Part[], call: MandateCall, now: number): NearestPermit {
  const clauses = parts.map(({ text, alone, observed }): Clause => {
    const state = allows(alone, call, now) ? 'held' : 'failed';
    return { policy, clause: text, state, observed };
  });
  const { clause: failedClause = '', observed = '' } = clauses.find(({ state }) => state === 'failed') ?? {};
  const held = clauses.filter(({ state }) => state === 'held').length;
  return { policy, held, total: clauses.length, failedClause, observed, clauses, annotations: {} };
}

const asking = (only: Partial<MandateEntry>): Mandate => EVERYTHING.map((entry) => ({ ...entry, ...only }));

function partsOf(entry: MandateEntry, { action, resource, input, unseen, made = 0, done = [] }: MandateCall, now: number): readonly Part[] {
  const { actions, locations, arguments: limits = {}, other_arguments: others, after, budget, exp } = entry;
  const parts: Part[] = [
    { text: `actions: ${actions.join(', ')}`, alone: asking({ actions }), observed: `action: ${action}` },
    { text: `locations: ${locations.join(', ')}`, alone: asking({ locations }), observed: `resource: ${resource.type}:${resource.id}` },
  ];
  for (const [name, limit] of Object.entries(limits)) {
    const members = Object.entries(limit);
    const observed = observedOf(name, input);
    if (members.length === 0) parts.push({ text: `${name}: present`, alone: asking({ arguments: { [name]: limit } }), observed });
    for (const [member, wanted] of members) {
      const alone = asking({ arguments: { [name]: { [member]: wanted } } });
      parts.push({ text: `${name}: ${member} ${shown(wanted)}`, alone, observed });
    }
  }
  if (others === false) {
    const given = Object.keys(input ?? {});
    // asked of those that are there alone: that the others are missing is said above
    const named = Object.fromEntries(given.filter((name) => Object.hasOwn(limits, name)).map((name) => [name, {}]));
    const text = ['no other arguments', Object.keys(limits).join(', ')].filter((part) => part !== '').join(' than ');
    const observed = unseen === true ? 'the body was not seen' : `context.input: ${shown(given)}`;
    parts.push({ text, alone: asking({ arguments: named, other_arguments: others }), observed });
  }
  for (const place of after ?? [])
    parts.push({ text: `after ${place}`, alone: asking({ after: [place] }), observed: done.includes(place) ? 'called' : 'not called yet' });
  if (budget !== undefined)
    parts.push({ text: `budget: ${budget.calls} calls`, alone: asking({ budget }), observed: `calls before: ${made}` });
  if (exp !== undefined) parts.push({ text: `until ${timeOf(exp)}`, alone: asking({ exp }), observed: `now: ${timeOf(now)}` });
  return parts;
}

function observedOf(name: string, input: JsonObject = {}): string {
  const value = Object.hasOwn(input, name) ? input[name] : undefined;
  return `context.input.${name}: ${value === undefined ? 'absent' : shown(value)}`;
}

/** The last second that a date can hold, for what is later. */
const LATEST = 8_640_000_000_000;
const timeOf = (seconds: number): string => new Date(Math.min(seconds, LATEST) * 1000).toISOString();

function shown(json: Json): string {
  const text = writeJson(json);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}..` : text;
}
