// SPIFFE: the published cases (certificates, bundles, tokens, names) by the engine of `src/identity`, each refusal by its own reason.
import { everyCase, judge, missingVectors } from '../test/support/spiffe-vectors.ts';
import type { Score, SuiteOptions } from './score.ts';

/** 62 of the manifest, 52 tokens, 826 names. */
const WHOLE = 940;
const SHOWN = 20;

export async function run({ sample, onProgress }: SuiteOptions): Promise<Score> {
  const missing = missingVectors();
  if (missing !== undefined) return { passed: 0, failed: 1, notes: [missing] };
  const all = everyCase();
  if (all.length !== WHOLE) return { passed: 0, failed: 1, notes: [`${WHOLE} cases are expected and ${all.length} were read`] };
  const chosen = all.filter((_, at) => at % Math.round(1 / sample) === 0);
  const failures = chosen.flatMap((each) => judge(each) ?? []);
  onProgress(`${chosen.length} of ${all.length} cases`);
  return { passed: chosen.length - failures.length, failed: failures.length, notes: failures.slice(0, SHOWN) };
}
