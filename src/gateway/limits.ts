// What one run may take of the gateway, checked before anything of its request is parsed. INVARIANT I10
import { Refusal } from '../domain/refusal.ts';

export interface LimitSettings {
  /** Calls a second, averaged. */
  readonly rate: number;
  /** Calls at once above the average. */
  readonly burst: number;
  /** Calls that have not ended. */
  readonly concurrent: number;
}

/** What connections may take, whoever is at their end. Milliseconds. */
export interface DoorLimits {
  /** Of one run at once. */
  readonly connections: number;
  /** Of all that have not shown who they are. */
  readonly handshakes: number;
  readonly handshakeMs: number;
  readonly headMs: number;
  readonly requestMs: number;
  /** Between two requests. */
  readonly idleMs: number;
  /** An answer of which the caller reads nothing. */
  readonly stallMs: number;
}

export interface Limiter {
  /** Takes one place for `run`; `now` in Unix milliseconds. @returns gives the place back @throws Refusal CORDON-4003 */
  enter(run: string, now: number): () => void;
}

interface Bucket {
  tokens: number;
  at: number;
  inFlight: number;
}

const MAX_IDLE_BUCKETS = 10_000;

export function createLimiter(settings: LimitSettings): Limiter {
  const buckets = new Map<string, Bucket>();
  return {
    enter(run, now): () => void {
      const bucket = refill(buckets, run, now, settings);
      if (bucket.tokens < 1) throw limited(`more than ${settings.rate} calls a second`);
      if (bucket.inFlight >= settings.concurrent) throw limited(`more than ${settings.concurrent} calls at once`);
      bucket.tokens--;
      bucket.inFlight++;
      let left = false;
      return () => {
        if (!left) bucket.inFlight--;
        left = true;
      };
    },
  };
}

const limited = (message: string): Refusal => new Refusal('CORDON-4003', message);

function refill(buckets: Map<string, Bucket>, run: string, now: number, settings: LimitSettings): Bucket {
  let bucket = buckets.get(run);
  if (bucket === undefined) {
    if (buckets.size >= MAX_IDLE_BUCKETS) dropIdle(buckets);
    bucket = { tokens: settings.burst, at: now, inFlight: 0 };
    buckets.set(run, bucket);
  }
  const passed = Math.max(0, now - bucket.at) / 1000;
  bucket.tokens = Math.min(settings.burst, bucket.tokens + passed * settings.rate);
  bucket.at = now;
  return bucket;
}

function dropIdle(buckets: Map<string, Bucket>): void {
  for (const [run, bucket] of buckets) if (bucket.inFlight === 0) buckets.delete(run);
}
