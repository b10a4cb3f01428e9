// `npm run conformance -- <suite>...`: whole sets of cases that say whether Cordon does what a standard says. Progress goes to stderr;
// each suite closes with `N passed, N failed`. Exit 2 on bad usage, 1 when a case failed or none ran.
import { parseArgs } from 'node:util';
import type { Score, Suite, SuiteOptions } from './score.ts';

const SUITES: Readonly<Record<string, () => Promise<{ readonly run: Suite }>>> = {
  cedar: () => import('./cedar.ts'),
  authzen: () => import('./authzen.ts'),
  spiffe: () => import('./spiffe.ts'),
  fuzz: () => import('./fuzz.ts'),
  probes: () => import('./probes.ts'),
  mutation: () => import('./mutation.ts'),
  coverage: () => import('./coverage.ts'),
  delegation: () => import('./delegation.ts'),
  mcp: () => import('./mcp.ts'),
  a2a: () => import('./a2a.ts'),
  wire: () => import('./wire.ts'),
  'fuzz-wire': () => import('./fuzz-wire.ts'),
};
const USAGE = `usage: npm run conformance -- ${Object.keys(SUITES).join('|')}... [--sample 0.1] [--requests N] [--seed N] [--json]`;

interface Wanted extends SuiteOptions {
  readonly names: readonly string[];
  readonly json: boolean;
}

function readArguments(): Wanted {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: 'string', default: '1' },
      requests: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const unknown = positionals.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) throw new Error(`no suite is called \`${unknown}\``);
  if (positionals.length === 0) throw new Error('which suite');
  const sample = Number(values.sample);
  if (!(sample > 0 && sample <= 1)) throw new Error('`--sample` is a share between 0 and 1');
  return {
    names: positionals,
    json: values.json,
    sample,
    ...(values.requests === undefined ? {} : { requests: countIn('--requests', values.requests) }),
    ...(values.seed === undefined ? {} : { seed: countIn('--seed', values.seed) }),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  };
}

function countIn(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0) throw new Error(`\`${name}\` is a whole number`);
  return count;
}

/** @returns whether cases ran and none failed */
async function run(name: string, wanted: Wanted): Promise<boolean> {
  const started = performance.now();
  const score = await (await SUITES[name]?.())?.run(wanted);
  if (score === undefined) return false;
  report(name, score, (performance.now() - started) / 1000, wanted.json);
  return score.failed === 0 && score.passed > 0;
}

function report(suite: string, { passed, failed, notes, figures }: Score, seconds: number, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ suite, passed, failed, seconds: Number(seconds.toFixed(1)), ...figures, notes }));
    return;
  }
  for (const note of notes) console.log(note);
  console.log(`${suite}: ${passed} passed, ${failed} failed (${seconds.toFixed(1)} s)`);
}

let wanted: Wanted;
try {
  wanted = readArguments();
} catch (error) {
  console.error(`x ${error instanceof Error ? error.message : String(error)}\n  ${USAGE}`);
  process.exit(2);
}
try {
  for (const name of wanted.names) if (!(await run(name, wanted))) process.exitCode = 1;
} catch (error) {
  console.error(`x conformance  ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
