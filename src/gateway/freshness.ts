// How long a snapshot is decided with. The decision compares times of day, which somebody may set; here the time since it came is measured
// by a clock that nobody sets, and what is open when it ends is decided again, which cuts it. INVARIANTS I1, I6

export interface Freshness {
  /** A snapshot, or word that the last one still holds. */
  came(): void;
  readonly stale: boolean;
  stop(): void;
}

export function createFreshness(maxStaleness: number, onStale: () => void): Freshness {
  let timer: NodeJS.Timeout | undefined;
  let cameAt = performance.now();
  const isStale = (): boolean => performance.now() - cameAt > maxStaleness;
  const look = (): void => {
    const left = maxStaleness - (performance.now() - cameAt);
    if (left < 0) onStale();
    else timer = setTimeout(look, left + 1).unref();
  };
  return {
    came(): void {
      cameAt = performance.now();
      clearTimeout(timer);
      timer = setTimeout(look, maxStaleness + 1).unref();
    },
    get stale(): boolean {
      return isStale();
    },
    stop: () => clearTimeout(timer),
  };
}
