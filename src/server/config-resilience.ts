// The sections `resilience` of `cordon.yaml`, of a callee and for all of them: how long it may take, how much of the gateway it may hold,
// when it counts as gone. What is left out has the default that is written here.
import * as z from 'zod';
import type { Resilience, ResilienceConfig } from '../control/config.ts';
import { duration, milliseconds } from './config-values.ts';

const inFlight = z.int().min(1).max(100_000);

/** Of one agent or resource; what it does not say is said for all. */
export const RESILIENCE = z.strictObject({
  /** For a connection with its handshake. */
  connect: duration('1s', '2m').exactOptional(),
  /** From a request until its answer begins. An agent with a model behind it takes minutes over an answer that it does not stream. */
  answer: duration('1s', '1h').exactOptional(),
  /** Between two parts of an answer that is no event stream. */
  idle: duration('1s', '1h').exactOptional(),
  /** Calls in flight to it, whoever makes them. */
  inFlight: inFlight.exactOptional(),
  /** Failures in a row after which calls are refused at once. */
  failures: z.int().min(1).max(1000).exactOptional(),
  /** Until it is tried again; doubled with each try that fails, up to 30 seconds. */
  tryAgain: duration('1s', '30s').exactOptional(),
});

/** Tools that may be called twice, when their pinned definition says `idempotentHint` too. */
export const retry = z.array(z.string().min(1)).default([]);

type Said = z.infer<typeof RESILIENCE>;

const DEFAULTS = { connect: '20s', answer: '10m', idle: '60s', failures: 5, tryAgain: '1s' } as const;

/** One run alone cannot take all places of a callee, nor one callee those of its segment. */
const RUNS_PER_CALLEE = 8;
const CALLEES_PER_SEGMENT = 4;

interface Sections {
  readonly resilience: Said;
  readonly limits: { readonly concurrent: number };
  readonly segments: Readonly<Record<string, { readonly inFlight?: number } | null>>;
  readonly agents: Readonly<Record<string, { readonly resilience?: Said }>>;
  readonly resources: Readonly<Record<string, { readonly resilience?: Said; readonly retry: readonly string[] }>>;
}

export function resilienceOf({ resilience: all, limits, segments, agents, resources }: Sections): ResilienceConfig {
  const places = RUNS_PER_CALLEE * limits.concurrent;
  const of = (own: Said = {}, tools: readonly string[] = []): Resilience => {
    const { connect, answer, idle, tryAgain, ...counts } = { inFlight: places, ...DEFAULTS, ...all, ...own };
    const times = { connectMs: milliseconds(connect), answerMs: milliseconds(answer), idleMs: milliseconds(idle) };
    return { ...times, ...counts, tryAgainMs: milliseconds(tryAgain), retry: tools };
  };
  return {
    segments: eachOf(segments, (row) => row?.inFlight ?? CALLEES_PER_SEGMENT * (all.inFlight ?? places)),
    agents: eachOf(agents, (row) => of(row.resilience)),
    resources: eachOf(resources, (row) => of(row.resilience, row.retry)),
  };
}

const eachOf = <T, U>(rows: Readonly<Record<string, T>>, made: (row: T) => U): ReadonlyMap<string, U> =>
  new Map(Object.entries(rows).map(([name, row]) => [name, made(row)]));
