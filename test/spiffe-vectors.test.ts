// The published SPIFFE cases by the verification engine, and the comparator against expectations that are turned round.
import { deepEqual, equal } from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { everyCase, judge, missingVectors, type Expected, type SpiffeCase } from './support/spiffe-vectors.ts';

const absent = missingVectors();
const cases: readonly SpiffeCase[] = absent === undefined ? everyCase() : [];

/** Without the vectors the test is skipped aloud, and under CI it fails. */
function withVectors(t: TestContext): boolean {
  if (absent === undefined) return true;
  if (process.env['CI'] === 'true') throw new Error(absent);
  t.skip(absent);
  return false;
}

const countOf = (kind: string): number => cases.filter(({ name }) => name.startsWith(kind)).length;

/** Expectations that no case may meet. */
const TURNED: Readonly<Record<string, (expected: Expected) => Expected>> = {
  'valid and refused change places': (expected) => ('reason' in expected ? { facts: {} } : { reason: 'no-uri' }),
  'refused for another reason, or other facts': (expected) =>
    'reason' in expected ? { reason: `${expected.reason}-not` } : { facts: { ...expected.facts, 'no such fact': true } },
};

describe('the published SPIFFE cases', () => {
  test('[SPIFFE-X509-SVID] [SPIFFE-JWT-SVID] [SPIFFE-bundle] [SPIFFE-ID] all 940 of them', (t) => {
    if (!withVectors(t)) return;
    const counts = { x509svid: 37, x509bundle: 8, spiffebundle: 6, jwtbundle: 9, 'jwt-svid': 27, 'wit-svid': 25, sweep: 766 };
    deepEqual(Object.fromEntries(Object.keys(counts).map((kind) => [kind, countOf(kind)])), counts);
    equal(cases.length, 940);
    deepEqual(
      cases.flatMap((each) => judge(each) ?? []),
      [],
    );
  });

  for (const [what, turn] of Object.entries(TURNED)) {
    test(`${what}: every case turns red`, (t) => {
      if (!withVectors(t)) return;
      const green = cases.filter((each) => judge({ ...each, expected: turn(each.expected) }) === undefined);
      deepEqual(
        green.map(({ name }) => name),
        [],
      );
    });
  }
});
