// What the runs of one agent usually do: whom they call, with which kinds of arguments, how much in a minute. It is learned from runs that
// ended clean, so that nothing a run does makes the same thing usual for that run; and slowly, so that many runs begun at once teach no more
// than one. Pure. attacker-controlled: names of arguments
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import type { Cause } from '../domain/risk.ts';

/** Features of a run, and of an agent; arguments of a call that are looked at, and characters of a name. */
const MOST = { ofRun: 512, ofAgent: 2_048, arguments: 64, name: 128 };
/** Clean runs until something is unusual at all, and until a thing is usual. */
const ENOUGH = { runs: 5, seen: 2 };
/** Of the runs that end within it one is learned from. Milliseconds. */
const LEARN_EVERY = 3_600_000;
/** Calls in a minute that are never a burst, and how many times the most of clean runs are. */
const BURST = { least: 20, times: 2 };
const MINUTE = 60_000;

export interface Deed {
  /** `tool`, `agent`, … */
  readonly type: string;
  readonly action: string;
  readonly resource: string;
  readonly input?: Readonly<Record<string, unknown>>;
}

/** What a call shows: the causes for which it would be a first, by feature. */
export type Features = ReadonlyMap<string, Cause>;

const PEERS: ReadonlySet<string> = new Set(['agent', 'egress']);

export function featuresOf({ type, action, resource, input = {} }: Deed): Features {
  const name = `${action} ${resource}`;
  const features = new Map<string, Cause>([[name, PEERS.has(type) ? 'first-peer' : 'first-tool']]);
  const given = Object.entries(input);
  if (given.length > MOST.arguments) features.set(`${name} and more`, 'first-argument');
  for (const [argument, value] of given.slice(0, MOST.arguments))
    features.set(`${name} ${argument.slice(0, MOST.name)}:${kindOf(value)}`, 'first-argument');
  return features;
}

/** The JSON type, and of numbers how long they are before the point. */
function kindOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return `number${String(value).split('.', 1)[0]?.length ?? 0}`;
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

/** What one run has done so far. */
export class RunDeeds {
  readonly #features = new Set<string>();
  #isClean = true;
  #minute = 0;
  #inMinute = 0;
  #peak = 0;

  get isClean(): boolean {
    return this.#isClean;
  }
  get features(): ReadonlySet<string> {
    return this.#features;
  }
  get peak(): number {
    return this.#peak;
  }

  /** Nothing is learned from it. */
  spoil(): void {
    this.#isClean = false;
  }

  /** What speaks against the call, were it made now. */
  unusual(features: Features, usual: Baseline, now: number): readonly Cause[] {
    if (!usual.isEnough) return [];
    const firsts = [...features].filter(([feature]) => !this.#features.has(feature) && !usual.knows(feature)).map(([, cause]) => cause);
    const calls = (minuteOf(now) === this.#minute ? this.#inMinute : 0) + 1;
    return [...new Set(firsts), ...(calls % usual.burst === 0 ? (['burst'] as const) : [])];
  }

  /** It is made, or was asked for and denied. */
  add(features: Features, now: number): void {
    for (const feature of features.keys()) if (this.#features.size < MOST.ofRun) this.#features.add(feature);
    const minute = minuteOf(now);
    this.#inMinute = minute === this.#minute ? this.#inMinute + 1 : 1;
    this.#minute = minute;
    this.#peak = Math.max(this.#peak, this.#inMinute);
  }
}

const minuteOf = (now: number): number => Math.floor(now / MINUTE);

export class Baseline {
  /** In how many clean runs each was seen, at most `ENOUGH.seen`. */
  readonly #seen = new Map<string, number>();
  #runs = 0;
  #peak = 0;
  /** Unix milliseconds. */
  #learned = -Infinity;

  /** Is there enough to compare with? */
  get isEnough(): boolean {
    return this.#runs >= ENOUGH.runs;
  }
  /** Calls in a minute that are a burst. */
  get burst(): number {
    return Math.max(BURST.least, this.#peak * BURST.times);
  }

  knows(feature: string): boolean {
    return (this.#seen.get(feature) ?? 0) >= ENOUGH.seen;
  }

  /** Takes in a run that has ended. @returns whether it taught anything */
  learn(run: RunDeeds, now: number): boolean {
    if (!run.isClean || run.features.size === 0 || now < this.#learned + LEARN_EVERY) return false;
    this.#learned = now;
    this.#runs = Math.min(this.#runs + 1, ENOUGH.runs);
    // one run makes twice as much usual, not more
    this.#peak = Math.max(this.#peak, this.#peak === 0 ? Math.min(run.peak, BURST.least) : Math.min(run.peak, this.#peak * 2));
    for (const feature of run.features) {
      const seen = this.#seen.get(feature) ?? 0;
      // what no longer fits stays unusual
      if (seen < ENOUGH.seen && (seen > 0 || this.#seen.size < MOST.ofAgent)) this.#seen.set(feature, seen + 1);
    }
    return true;
  }

  /** As it is kept. */
  json(): JsonObject {
    return {
      runs: this.#runs,
      peak: this.#peak,
      learned: Math.max(0, this.#learned),
      seen: [...this.#seen].map(([feature, runs]) => [feature, runs]),
    };
  }

  /** Reads back what was kept; undefined when it is anything else. */
  static parse(json: Json | undefined): Baseline | undefined {
    const { runs, peak, learned, seen } = isJsonObject(json) ? json : {};
    if (typeof runs !== 'number' || typeof peak !== 'number' || typeof learned !== 'number' || !isJsonArray(seen)) return undefined;
    const baseline = new Baseline();
    baseline.#runs = runs;
    baseline.#peak = peak;
    baseline.#learned = learned;
    for (const entry of seen) {
      const [feature, times] = isJsonArray(entry) ? entry : [];
      if (typeof feature !== 'string' || typeof times !== 'number') return undefined;
      baseline.#seen.set(feature, times);
    }
    return baseline;
  }
}
