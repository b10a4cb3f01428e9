// `pdp`: one decision of the policy engine beside the official engine (prepared once) and a Cerbos server over gRPC, on one workload; all
// must agree before anything is measured. Then what else an engine must do quickly: list, explain, change, load, swap.
import { authorize, CompiledSet, type Request } from '../src/policy/cedar/compiled-set.ts';
import { Entities } from '../src/policy/cedar/entities.ts';
import { contextFromJson } from '../src/policy/cedar/json.ts';
import { Official, type OfficialRequest } from '../src/policy/cedar/official.ts';
import { uid } from '../src/policy/cedar/value.ts';
import { measure } from './loop.ts';
import { cedarOf, entitiesOf, recordsOf } from './pdp/cedar.ts';
import { type Cerbos, cerbosBinary, startCerbos } from './pdp/cerbos.ts';
import { chores } from './pdp/chores.ts';
import { type Asked, type Workload, workload } from './pdp/workload.ts';
import { interleave, type Subject } from './rounds.ts';
import type { Bench, BenchOptions, Report, Sample } from './row.ts';
import { percentile } from './row.ts';

const POLICIES = [10, 100, 1000, 10_000] as const;
const ENTITIES = [5, 100, 1000] as const;
/** Above this Cerbos takes minutes to start. */
const CERBOS_POLICIES = 1000;

export const pdp: Bench = async (options) => {
  const reports: Report[] = [];
  const [policies, entities] = options.quick ? [[10, 100], [100]] : [POLICIES, ENTITIES];
  for (const count of policies) reports.push(...(await decisions(count, entities, options)));
  reports.push(await chores(options));
  return { rows: reports.flatMap(({ rows }) => rows), says: [...reports.flatMap(({ says }) => says), ...growth(reports)] };
};

/** How much dearer a decision becomes from 100 to 10,000 policies. */
function growth(reports: readonly Report[]): readonly string[] {
  const p50 = (name: string): number | undefined =>
    reports.flatMap(({ rows }) => rows).find((row) => row.case === name && row.subject === 'cordon')?.p50_us;
  const [few, many] = [p50('100 policies, 100 entities'), p50('10000 policies, 100 entities')];
  return few === undefined || many === undefined ? [] : [`from 100 to 10,000 policies a decision grows ${(many / few).toFixed(1)} x (p50)`];
}

/** One number of policies, for each number of entities. */
async function decisions(count: number, sizes: readonly number[], options: BenchOptions): Promise<readonly Report[]> {
  const { set, official } = engines(workload(count, 5));
  const reports: Report[] = [];
  for (const size of sizes) reports.push(await decisionsOver(workload(count, size), set, official, options));
  return reports;
}

interface Engines {
  readonly set: CompiledSet;
  readonly official: Official;
}

function engines({ rules }: Workload): Engines {
  const official = new Official();
  const texts = new Map(rules.map((rule) => [rule.id, cedarOf(rule)]));
  const set = new CompiledSet();
  for (const [id, text] of texts) {
    const parsed = official.parsePolicy(text);
    if (!('effect' in parsed)) throw new Error(`the workload does not parse: ${parsed[0]?.message}`);
    set.add(id, parsed);
  }
  official.prepare('bench', { static: texts });
  return { set, official };
}

async function decisionsOver(load: Workload, set: CompiledSet, official: Official, { quick, onNotice }: BenchOptions): Promise<Report> {
  const entities = Entities.of(recordsOf(load.entities));
  const given = entitiesOf(load.entities);
  const ours = (asked: Asked): boolean => authorize(set, requestOf(asked), entities).allowed;
  const theirs = (asked: Asked): boolean => official.authorize('bench', officialRequestOf(asked), given).allowed;
  const cerbos = await cerbosFor(load, onNotice);
  try {
    await agree(load, ours, theirs, cerbos);
    const { requests } = load;
    const next = (index: number): Asked => requests[index % requests.length] ?? fail();
    for (let index = 0; index < (quick ? 200 : 50_000); index++) ours(next(index));
    const loop = (operate: (index: number) => void, ms: number) => () => measure({ ms, max: 400_000, operate });
    const ms = quick ? 60 : 400;
    const subjects: Subject[] = [
      { name: 'cordon', over: 'official', run: loop((index) => ours(next(index)), ms) },
      { name: 'official', run: loop((index) => theirs(next(index)), ms) },
      ...(cerbos === undefined ? [] : [{ name: 'cerbos', over: 'cordon', run: () => measureCerbos(cerbos, next, ms) }]),
    ];
    const name = `${load.rules.length} policies, ${sizeOf(load)} entities`;
    const says = [
      {
        subject: 'cordon',
        figure: 'per_s',
        text: (ratio: string) => `${name}: ${ratio} the decisions per second of the official engine`,
      } as const,
      { subject: 'cerbos', figure: 'p50_us', text: (ratio: string) => `${name}: a decision of Cerbos takes ${ratio} ours (p50)` } as const,
    ];
    return await interleave({ bench: 'pdp', case: name, rounds: quick ? 1 : 3, subjects, says });
  } finally {
    await cerbos?.close();
  }
}

const sizeOf = ({ entities }: Workload): number => entities.length;

const fail = (): never => {
  throw new Error('the workload has no requests');
};

/** As a decision point gets it: names and JSON. */
const requestOf = ({ agent, tool, context }: Asked): Request => ({
  principal: uid('Agent', agent),
  action: uid('Action', 'call'),
  resource: uid('Tool', tool),
  context: contextFromJson(context),
});

const officialRequestOf = ({ agent, tool, context }: Asked): OfficialRequest => ({
  principal: { type: 'Agent', id: agent },
  action: { type: 'Action', id: 'call' },
  resource: { type: 'Tool', id: tool },
  context,
});

async function cerbosFor(load: Workload, onNotice: (line: string) => void): Promise<Cerbos | undefined> {
  if (load.rules.length > CERBOS_POLICIES || sizeOf(load) !== 100) return undefined;
  const binary = cerbosBinary();
  if (binary === undefined) {
    if (process.env['CI'] === 'true') throw new Error('cerbos is not installed: see bench/README.md');
    onNotice('! cerbos is not installed: no figures beside it (bench/README.md says how)');
    return undefined;
  }
  return startCerbos(binary, load);
}

const AGREED = 300;

async function agree(
  load: Workload,
  ours: (asked: Asked) => boolean,
  theirs: (asked: Asked) => boolean,
  cerbos: Cerbos | undefined,
): Promise<void> {
  const sample = load.requests.slice(0, load.rules.length > 1000 ? 30 : AGREED);
  let allowed = 0;
  for (const asked of sample) {
    const expected = theirs(asked);
    allowed += expected ? 1 : 0;
    if (ours(asked) !== expected) throw new Error(`cordon and the official engine disagree on ${JSON.stringify(asked)}`);
    if (cerbos !== undefined && (await cerbos.isAllowed(asked)) !== expected)
      throw new Error(`cerbos disagrees on ${JSON.stringify(asked)}`);
  }
  if (allowed === 0 || allowed === sample.length) throw new Error('the workload allows all or nothing: it would measure nothing');
}

/** One request after another, as a caller that waits for its decision. */
async function measureCerbos(cerbos: Cerbos, next: (index: number) => Asked, ms: number): Promise<Sample> {
  const latencies: number[] = [];
  const started = performance.now();
  for (let index = 0; performance.now() - started < ms; index++) {
    const before = performance.now();
    await cerbos.isAllowed(next(index));
    latencies.push((performance.now() - before) * 1000);
  }
  const wall = performance.now() - started;
  latencies.sort((a, b) => a - b);
  return {
    p50_us: percentile(latencies, 0.5),
    p99_us: percentile(latencies, 0.99),
    per_s: (latencies.length * 1000) / wall,
    cpu_us: null,
    rss_mb: null,
  };
}
