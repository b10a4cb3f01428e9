// What one client may ask of the token service. INVARIANT I10
import { Refusal } from '../../domain/refusal.ts';

export interface RateSettings {
  /** Requests a second, averaged. */
  readonly rate: number;
  /** Requests at once above the average. */
  readonly burst: number;
}

export interface Rates {
  /** `now`: Unix milliseconds. @throws Refusal CORDON-4003 */
  take(client: string, now: number): void;
}

/** Clients that are remembered: who asked longest ago is forgotten first, and has had its time to rest. */
const MOST = 10_000;

export function createRates({ rate, burst }: RateSettings): Rates {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take(client, now): void {
      const { left, at } = buckets.get(client) ?? { left: burst, at: now };
      const filled = Math.min(burst, left + (Math.max(0, now - at) / 1000) * rate);
      buckets.delete(client);
      buckets.set(client, { left: Math.max(0, filled - 1), at: now });
      const [oldest] = buckets.keys();
      if (buckets.size > MOST && oldest !== undefined) buckets.delete(oldest);
      if (filled < 1) throw new Refusal('CORDON-4003', `more than ${rate} requests a second`);
    },
  };
}
