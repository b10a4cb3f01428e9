// AuthZEN 1.0: the certification scenario and the interop cases, over HTTPS at a running Cordon, by the strict comparator
// (test/support/authzen-compare.ts). The certification scenario runs whole, whatever the sample: its cases lead on from one another.
import { isJsonArray, isJsonObject } from '../src/domain/json.ts';
import { openAuthzenBed } from '../test/support/authzen-bed.ts';
import { runCertification, runInterop } from '../test/support/authzen-run.ts';
import { certificationCases, interopCases, type InteropCase, missingVectors } from '../test/support/authzen-vectors.ts';
import type { Score, SuiteOptions } from './score.ts';

/** How many there are. */
const WHOLE = { interop: 272, certification: 76 };
const SHOWN = 20;

export async function run({ sample, onProgress }: SuiteOptions): Promise<Score> {
  const missing = missingVectors();
  if (missing !== undefined) return { passed: 0, failed: 1, notes: [missing] };
  const [interop, certification] = [interopCases(), certificationCases()];
  if (interop.length !== WHOLE.interop || certification.length !== WHOLE.certification)
    return { passed: 0, failed: 1, notes: [`the vectors hold ${WHOLE.interop} and ${WHOLE.certification} cases`] };
  const chosen = interop.filter((_, at) => at % Math.round(1 / sample) === 0);
  const bed = await openAuthzenBed();
  try {
    const byKey = await runInterop(chosen, bed.ask);
    onProgress(`interop: ${byKey.passed} of ${chosen.length}`);
    const byCertificate = await runCertification(certification, bed.askAsOperator, bed.controlUrl);
    const empty = chosen.filter(findsNothing).length;
    const failures = [...byKey.failures, ...byCertificate.failures];
    return {
      passed: byKey.passed + byCertificate.passed,
      failed: failures.length,
      notes: [
        ...failures.slice(0, SHOWN),
        `interop, with a key: ${byKey.passed} of ${chosen.length}; ${empty} of them expect no result, as an empty answer has`,
        `certification, over mTLS: ${byCertificate.passed} of ${certification.length}`,
      ],
      figures: { interop: byKey.passed, certification: byCertificate.passed, empty },
    };
  } finally {
    await bed.close();
  }
}

const findsNothing = ({ expected }: InteropCase): boolean =>
  isJsonObject(expected) && isJsonArray(expected['results']) && expected['results'].length === 0;
