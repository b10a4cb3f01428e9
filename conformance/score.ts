// What a conformance suite takes and what it answers.

export interface SuiteOptions {
  /** The share of the cases that run, 0 to 1: `0.1` is every tenth of them, in a fixed order. Suites of random cases take `requests`. */
  readonly sample: number;
  /** How many random requests a suite of random cases makes; undefined: what it thinks fit. */
  readonly requests?: number;
  /** Where the randomness starts: the same seed, the same cases. */
  readonly seed?: number;
  /** Told how far it is. */
  readonly onProgress: (line: string) => void;
}

export interface Score {
  readonly passed: number;
  /** What could not be tried counts as failed. */
  readonly failed: number;
  /** What a reader must see: the first failures, tables, what was found and is known. */
  readonly notes: readonly string[];
  /** Figures by name, for `--json`. */
  readonly figures?: Readonly<Record<string, number>>;
}

export type Suite = (options: SuiteOptions) => Promise<Score>;

/** Sums what parts of a suite scored; of the notes of failures the first few are enough. */
export function sumOf(scores: readonly Score[]): Score {
  const figures = new Map<string, number>();
  for (const score of scores)
    for (const [name, figure] of Object.entries(score.figures ?? {})) figures.set(name, (figures.get(name) ?? 0) + figure);
  return {
    passed: scores.reduce((sum, { passed }) => sum + passed, 0),
    failed: scores.reduce((sum, { failed }) => sum + failed, 0),
    notes: scores.flatMap(({ notes }) => notes),
    figures: Object.fromEntries(figures),
  };
}
