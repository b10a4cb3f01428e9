// The key and SVID that a run has now: one for all its streams, in memory only, and another one from half of its life on. INVARIANT I5
import type { RunIdentities, RunSvid } from './ports.ts';

interface Kept {
  readonly made: Promise<RunSvid>;
  /** Unix milliseconds; infinite as long as it is being made. */
  renewAt: number;
}

export interface Held extends RunSvid {
  /** Unix milliseconds. */
  readonly renewAt: number;
}

export class RunCredentials {
  readonly #identities: RunIdentities;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();

  /** `now`: Unix milliseconds. */
  constructor(identities: RunIdentities, now: () => number) {
    this.#identities = identities;
    this.#now = now;
  }

  /** @throws Refusal CORDON-4005, CORDON-4002 as soon as the run may no longer have any */
  async of(run: string): Promise<Held> {
    try {
      await this.#identities.live(run);
      const kept = this.#fresh(run) ?? this.put(run, this.#identities.provide(run));
      return { ...(await kept.made), renewAt: kept.renewAt };
    } catch (error) {
      this.#kept.delete(run);
      throw error;
    }
  }

  /** Takes what was issued to the run as its own. */
  put(run: string, made: Promise<RunSvid>): { readonly made: Promise<RunSvid>; readonly renewAt: number } {
    const from = this.#now();
    const kept: Kept = {
      renewAt: Infinity,
      made: made.then((own) => {
        kept.renewAt = from + (own.svid.notAfter - from) / 2;
        return own;
      }),
    };
    this.#kept.set(run, kept);
    return kept;
  }

  /** Drops the keys of all other runs. */
  keepOnly(runs: ReadonlySet<string>): void {
    for (const run of this.#kept.keys()) if (!runs.has(run)) this.#kept.delete(run);
  }

  #fresh(run: string): Kept | undefined {
    const kept = this.#kept.get(run);
    return kept === undefined || kept.renewAt <= this.#now() ? undefined : kept;
  }
}
