// The risk of a run: a number from 0 to 100, the sum of contributions, each with its cause. It stands beside the request, is what policy sees
// as `context.risk` and `context.causes`, and is on record with the decision. Names of causes and points, never values.
import type { Code } from './codes.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';

const MINUTE = 60_000;

export interface CauseRow {
  /** What it adds each time. */
  readonly points: number;
  /** Beyond which nothing more is added: no cause can be flooded. */
  readonly most: number;
  /** Milliseconds in which half of it is gone. */
  readonly halfLifeMs: number;
  /**
   * `call`: seen in a call before it is decided, which counts it. `denial`: what was denied, known from the next call on. `other`: nothing that
   * the run did itself.
   */
  readonly of: 'call' | 'denial' | 'other';
}

const row = (of: CauseRow['of'], points: number, most: number, halfLifeMs: number): CauseRow => ({ of, points, most, halfLifeMs });

/** No cause fades slower. */
const LONGEST = 60 * MINUTE;

/** What a run does itself. */
const OWN = {
  denied: row('denial', 10, 60, 15 * MINUTE),
  probed: row('denial', 12, 60, 30 * MINUTE),
  forged: row('denial', 30, 90, LONGEST),
  misfit: row('denial', 2, 10, 15 * MINUTE),
  limited: row('denial', 2, 20, 5 * MINUTE),
  untrusted: row('call', 20, 60, 30 * MINUTE),
  ambiguous: row('call', 8, 24, 15 * MINUTE),
  unseen: row('call', 4, 16, 15 * MINUTE),
  'first-peer': row('call', 10, 30, 30 * MINUTE),
  'first-tool': row('call', 8, 24, 30 * MINUTE),
  'first-argument': row('call', 3, 12, 15 * MINUTE),
  burst: row('call', 15, 45, 10 * MINUTE),
} as const satisfies Readonly<Record<string, CauseRow>>;

/** As much as a run can have, faded as slowly as anything: whatever was forgotten, it was not more. */
const ALL = Object.values(OWN).reduce((all, { most }) => all + most, 0);

export const CAUSES = {
  ...OWN,
  /** What those have that it acts for. */
  chain: row('other', 0, 100, LONGEST),
  /** It is not made of what was registered, for as long as nobody has looked. */
  drift: row('other', 40, 40, Infinity),
  /** The run began before this gateway did. */
  restart: row('other', ALL, ALL, LONGEST),
  /** What the run does is seen elsewhere too, or it is not known at all. */
  unknown: row('other', 100, 100, Infinity),
} as const satisfies Readonly<Record<string, CauseRow>>;

export type Cause = keyof typeof CAUSES;

export const isCause = (name: string): name is Cause => Object.hasOwn(CAUSES, name);
export const CAUSE_NAMES: readonly Cause[] = Object.keys(CAUSES).filter(isCause);

/** Whole points, none of them 0, by cause. */
export type Points = Readonly<Partial<Record<Cause, number>>>;

/** `value`: what the points come to, at most `MOST_RISK`. */
export type RiskFacts = { readonly value: number; readonly causes: Points };

export const MOST_RISK = 100;

const sum = (points: readonly number[]): number => points.reduce((all, each) => all + each, 0);

export const riskOf = (causes: Points): RiskFacts => ({ value: Math.min(MOST_RISK, sum(Object.values(causes))), causes });

export const NO_RISK: RiskFacts = riskOf({});
/** Of what nobody knows anything about. */
export const UNKNOWN_RISK: RiskFacts = riskOf({ unknown: CAUSES.unknown.points });

/** What speaks against a run that is denied so; absent: nothing, since others can bring it about, or nobody did anything. */
const DENIALS: Readonly<Partial<Record<Code, Cause>>> = {
  'CORDON-1009': 'forged',
  'CORDON-1011': 'denied',
  'CORDON-1013': 'forged',
  'CORDON-1016': 'denied',
  'CORDON-2009': 'forged',
  'CORDON-2010': 'denied',
  'CORDON-2011': 'forged',
  'CORDON-3001': 'denied',
  'CORDON-3002': 'denied',
  'CORDON-3003': 'probed',
  'CORDON-3005': 'denied',
  'CORDON-3006': 'misfit',
  'CORDON-3007': 'probed',
  'CORDON-3010': 'denied',
  'CORDON-3011': 'misfit',
  'CORDON-3019': 'denied',
  'CORDON-4003': 'limited',
  'CORDON-5006': 'denied',
};

export const causeOf = (code: Code | undefined): Cause | undefined => (code === undefined ? undefined : DENIALS[code]);

/** Of what is on record with a call: the points, after it, for what its run did itself. */
export function pointsAfter({ causes, raised = {} }: RiskFacts & { readonly raised?: Points } = NO_RISK): Points {
  const own = CAUSE_NAMES.filter((cause) => CAUSES[cause].of !== 'other');
  // what the call itself brought has been counted; what it was denied for has not
  const points = own.map((cause) => [cause, (causes[cause] ?? 0) + (CAUSES[cause].of === 'denial' ? (raised[cause] ?? 0) : 0)] as const);
  return Object.fromEntries(points.filter(([, its]) => its > 0));
}

/** Reads back what was kept; undefined when it is anything else. */
export function parseRisk(json: Json | undefined): RiskFacts | undefined {
  if (!isJsonObject(json) || !isJsonObject(json['causes'])) return undefined;
  const { causes } = json;
  return isPoints(causes) ? riskOf(causes) : undefined;
}

const isPoints = (json: JsonObject): json is Points & JsonObject =>
  Object.entries(json).every(([name, points]) => isCause(name) && Number.isSafeInteger(points) && Number(points) > 0);
