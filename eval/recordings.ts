// Recorded runs of agents under attack, as ../shared/data/README.md §2 lays them out: found by file name anywhere under one folder,
// parsed strictly, joined with what the scorer alone may see.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

const Args = z.record(z.string(), z.unknown());
const Call = z.object({ fn: z.string(), args: Args, out: z.string().nullish() });
const Tool = z.object({
  name: z.string(),
  desc: z.string(),
  params: z.record(z.string(), z.object({ type: z.string().optional(), desc: z.string().optional() })),
  drift_permission: z.string().nullish(),
});
const UserTask = z.object({ id: z.string(), prompt: z.string(), gt: z.array(Call).nullish() });
const Suite = z.object({ tools: z.array(Tool), user_tasks: z.array(UserTask), injection_tasks: z.array(z.object({ id: z.string() })) });
const Labels = z.object({
  label: z.enum(['breach', 'attacked_useful', 'benign_ok', 'text_only_breach']),
  model: z.string(),
  user_task: z.string(),
  injection_task: z.string().nullish(),
  breach_sets: z.array(z.array(z.number())).nullish(),
  needed: z.array(z.number()).nullish(),
  utility_without_breach_calls: z.boolean().nullish(),
  attack_like_calls: z.array(z.number()).nullish(),
  injected_outputs: z.array(z.number()).nullish(),
});
const Trace = z.object({ suite: z.string(), prompt: z.string(), calls: z.array(Call), labels: Labels });
const Out = z.object({ h: z.string(), s: z.string() });
const Plan = z.object({ suite: z.string(), ut: z.string(), trajectory: z.array(z.string()), checklist: z.string().nullish() });
const Variant = z.object({ suite: z.string(), injection_task: z.string().optional(), calls: z.array(Call) });
const Count = z.object({
  model: z.string(),
  suite: z.string(),
  attack: z.string(),
  breach: z.number().default(0),
  attacked_useful: z.number().default(0),
  attacked_other: z.number().default(0),
  text_only_breach: z.number().default(0),
});

export type RecordedCall = z.infer<typeof Call>;
export type RecordedTool = z.infer<typeof Tool>;
export type RecordedPlan = z.infer<typeof Plan>;
export type RecordedTrace = z.infer<typeof Trace>;
export type AttackVariant = z.infer<typeof Variant> & { readonly injection_task: string };

/** Attack cases of one pipeline in one suite: the denominator of its attack success rate. */
interface Cases {
  readonly model: string;
  readonly suite: string;
  readonly attacked: number;
}

export interface Recordings {
  readonly suites: ReadonlyMap<string, z.infer<typeof Suite>>;
  readonly traces: readonly RecordedTrace[];
  readonly outputs: ReadonlyMap<string, string>;
  readonly plans: readonly RecordedPlan[];
  readonly attacks: readonly AttackVariant[];
  readonly cases: readonly Cases[];
}

/** What is wrong with a file, with its name: an evaluation of half a recording would look like a result. */
function within<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const said = error instanceof z.ZodError ? z.prettifyError(error).replace(/\s+/g, ' ') : error instanceof Error ? error.message : error;
    throw new Error(`\`${place}\`: ${String(said)}`, { cause: error });
  }
}

const text = (path: string): string => within(path, () => gunzipSync(readFileSync(path)).toString('utf8'));

const rowsOf = <T>(path: string, row: z.ZodType<T>): T[] =>
  text(path)
    .split('\n')
    .flatMap((line, at) => (line.trim() === '' ? [] : [within(`${path}:${at + 1}`, () => row.parse(JSON.parse(line)))]));

/** @throws Error when the folder lacks a kind of file that nothing can be said without, or a file is cut short or not in its schema */
export function readRecordings(folder: string): Recordings {
  const paths = within(folder, () => readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    .toSorted()
    .map((name) => join(folder, name));
  const named = (name: RegExp): string[] => paths.filter((path) => name.test(basename(path)));
  const rows = <T>(name: RegExp, row: z.ZodType<T>): T[] => named(name).flatMap((path) => rowsOf(path, row));
  const documents = <T>(name: RegExp, document: z.ZodType<T>): T[] =>
    named(name).map((path) => {
      const whole = text(path);
      return within(path, () => document.parse(JSON.parse(whole)));
    });
  const suites = new Map(documents(/^catalog.*\.json\.gz$/, z.record(z.string(), Suite)).flatMap((catalog) => Object.entries(catalog)));
  const traces = rows(/_traces\.jsonl\.gz$/, Trace);
  if (suites.size === 0) throw new Error(`no \`catalog*.json.gz\` under \`${folder}\``);
  if (traces.length === 0) throw new Error(`no \`*_traces.jsonl.gz\` with a run in it under \`${folder}\``);
  const unknown = traces.find(({ suite }) => !suites.has(suite))?.suite;
  if (unknown !== undefined) throw new Error(`runs of suite \`${unknown}\`, which no \`catalog*.json.gz\` under \`${folder}\` describes`);
  return {
    suites,
    traces,
    outputs: new Map(rows(/_outs\.jsonl\.gz$/, Out).map(({ h, s }) => [h, s])),
    plans: rows(/plans.*\.jsonl\.gz$/, Plan),
    attacks: rows(/variants.*\.jsonl\.gz$/, Variant).flatMap((row) =>
      row.injection_task === undefined ? [] : [{ ...row, injection_task: row.injection_task }],
    ),
    cases: casesOf(documents(/trace_counts[^/]*\.json\.gz$/, z.array(Count)).flat(), traces),
  };
}

/** Counted cases where the recording tells them; otherwise the traces themselves, which leaves out attacks that led nowhere. */
function casesOf(counts: readonly z.infer<typeof Count>[], traces: readonly RecordedTrace[]): Cases[] {
  const suites = new Set(traces.map(({ suite }) => suite));
  const counted = counts.filter(({ suite, attack }) => suites.has(suite) && attack !== 'none');
  if (counted.length > 0)
    return counted.map((row) => ({
      model: row.model,
      suite: row.suite,
      attacked: row.breach + row.attacked_useful + row.attacked_other + row.text_only_breach,
    }));
  return traces
    .filter(({ labels }) => labels.label !== 'benign_ok')
    .map(({ suite, labels }) => ({ model: labels.model, suite, attacked: 1 }));
}
