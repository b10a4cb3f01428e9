// Interleaved rounds: every subject once, then every subject again. The speed of a shared machine drifts from minute to minute, so a
// ratio is formed inside a round, between neighbours in time, and its median over the rounds is what is printed.
import { median, rounded, type Report, type Row, type Sample } from './row.ts';

export interface Subject {
  readonly name: string;
  /** The subject in the same rounds that this one is divided by. */
  readonly over?: string;
  run(): Promise<Sample>;
}

export interface Plan {
  readonly bench: string;
  readonly case: string;
  readonly rounds: number;
  readonly subjects: readonly Subject[];
  /** A sentence from a ratio: of which subject, of which figure. */
  /** `over`: another subject than the one of its rows. */
  readonly says: readonly {
    readonly subject: string;
    readonly over?: string;
    readonly figure: Figure;
    readonly text: (ratio: string) => string;
  }[];
}

const FIGURES = ['cpu_us', 'p50_us', 'p99_us', 'per_s'] as const;
const MEASURES = [...FIGURES, 'rss_mb'] as const;
type Figure = (typeof FIGURES)[number];

export async function interleave(plan: Plan): Promise<Report> {
  const samples = new Map<string, Sample[]>(plan.subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < plan.rounds; round++) {
    for (const subject of plan.subjects) samples.get(subject.name)?.push(await subject.run());
  }
  const ratiosOf = (
    name: string,
    figure: Figure,
    over = plan.subjects.find((subject) => subject.name === name)?.over,
  ): readonly number[] => {
    const peer = samples.get(over ?? '');
    return (samples.get(name) ?? []).flatMap((own, round) => quotient(own[figure], peer?.[round]?.[figure]));
  };
  const rows = plan.subjects.map(({ name, over }) => rowOf(plan, name, over, samples.get(name) ?? [], ratiosOf));
  const says = plan.says.flatMap(({ subject, over, figure, text }) => {
    const ratios = ratiosOf(subject, figure, over);
    return ratios.length === 0 ? [] : [text(withRange(ratios))];
  });
  return { rows, says };
}

function rowOf(
  plan: Plan,
  subject: string,
  over: string | undefined,
  samples: readonly Sample[],
  ratiosOf: (name: string, figure: Figure) => readonly number[],
): Row {
  const ratios = FIGURES.flatMap((figure) => {
    const values = ratiosOf(subject, figure);
    return over === undefined || values.length === 0 ? [] : [[`${figure}/${over}`, rounded(median(values))] as const];
  });
  const [cpu_us, p50_us, p99_us, per_s, rss_mb] = MEASURES.map((figure) => middle(samples, figure));
  return {
    bench: plan.bench,
    case: plan.case,
    subject,
    p50_us: p50_us ?? 0,
    p99_us: p99_us ?? 0,
    per_s: per_s ?? 0,
    cpu_us: cpu_us ?? null,
    rss_mb: rss_mb ?? null,
    ratios: Object.fromEntries(ratios),
  };
}

function middle(samples: readonly Sample[], figure: keyof Sample): number | null {
  const values = samples.flatMap((sample) => sample[figure] ?? []);
  return values.length === 0 ? null : rounded(median(values));
}

/** Nothing when one of the two was not measured, or was too short for its clock. */
const quotient = (own: number | null, peer: number | null | undefined): readonly number[] =>
  own === null || peer === null || peer === undefined || peer === 0 ? [] : [own / peer];

function withRange(ratios: readonly number[]): string {
  const one = (value: number): string => String(Number(value.toPrecision(2)));
  const range = ratios.length === 1 ? 'one round' : `${one(Math.min(...ratios))} to ${one(Math.max(...ratios))} in ${ratios.length} rounds`;
  return `${one(median(ratios))} x [${range}]`;
}
