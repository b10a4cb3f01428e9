// The time of day, which never goes back: what has expired stays expired, whoever sets the clock of the machine. A clock that is set
// forward is followed, because that only takes away. CORDON-9009

export interface ClockParts {
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number;
  /** Told once when the clock was set back; milliseconds. */
  readonly onSetBack: (by: number) => void;
}

/** Less is no setting: clocks that are kept in step are slowed down. Milliseconds. */
const TOLERANCE = 1_000;

export function steadyClock({ wall, monotonic, onSetBack }: ClockParts): () => number {
  let last = wall();
  let at = monotonic();
  let isBehind = false;
  return () => {
    const [time, tick] = [wall(), monotonic()];
    const expected = last + (tick - at);
    const behind = time < expected - TOLERANCE;
    if (behind && !isBehind) onSetBack(expected - time);
    isBehind = behind;
    last = behind ? expected : Math.max(last, time);
    at = tick;
    return last;
  };
}
