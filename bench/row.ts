// One line of a bench, and the statistics it is made of. Times in microseconds; `null` where nothing was there to measure.
export interface Row {
  readonly bench: string;
  readonly case: string;
  readonly subject: string;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly per_s: number;
  /** CPU time, user and system, of all processes of the subject, divided by the operations they did. */
  readonly cpu_us: number | null;
  readonly rss_mb: number | null;
  /** `cpu_us/nginx`: this row's figure divided by the peer's, the median of one ratio per round. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** What one subject did in one round. */
export type Sample = Pick<Row, 'p50_us' | 'p99_us' | 'per_s' | 'cpu_us' | 'rss_mb'>;

export interface Report {
  readonly rows: readonly Row[];
  /** What the ratios say, as sentences. */
  readonly says: readonly string[];
}

export interface BenchOptions {
  /** Shows that the bench works; its figures are too few to mean much. */
  readonly quick: boolean;
  /** How long a bench that looks at time goes on, when it was said. */
  readonly minutes?: number;
  /** Told of what a reader must know before the figures. */
  readonly onNotice: (line: string) => void;
}

export type Bench = (options: BenchOptions) => Promise<Report>;

/** The value at `share` (0 to 1) of values that are sorted already; 0 when there are none. */
export const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** @throws Error when there are no values: a median of nothing would look like a result */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Three digits say what a shared machine can say. */
export const rounded = (value: number): number => (Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3)));
