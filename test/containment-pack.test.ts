// The containment pack against the reference that the evaluation measures: to whatever a session says, both give the same answer.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { SessionFacts } from '../src/domain/provenance.ts';
import type { PolicySet } from '../src/policy/policy-set.ts';
import { judge, type Verdict } from '../src/trust/facts.ts';
import { call, desk, PAYMENT, policySet } from './support/policy-desk.ts';

const PACK = new URL('../packs/containment/containment.cedar', import.meta.url);
const ANYTHING = '@id("anything") permit (principal, action, resource);';
const ANSWERS: Readonly<Record<Verdict, readonly [verdict: string, code: string | undefined]>> = {
  allow: ['allow', undefined],
  deny: ['deny', 'CORDON-3002'],
  ask: ['approval_required', 'CORDON-5001'],
};

describe('the containment pack', () => {
  const world = desk();
  let set: PolicySet;
  before(async () => {
    set = await policySet(`${await readFile(PACK, 'utf8')}\n${ANYTHING}`, world);
  });
  const names = fc.uniqueArray(fc.constantFrom('vendor', 'iban', 'amount_cents', 'memo', 'not-one-of-its-arguments'), { maxLength: 4 });
  const facts: fc.Arbitrary<SessionFacts> = fc.record({
    effect: fc.constantFrom('read' as const, 'write' as const),
    known: fc.boolean(),
    sinks: names,
    untrusted: names,
    unseen: names,
    ambiguous: names,
    excess: names,
    unplanned: fc.boolean(),
    exhausted: fc.boolean(),
    calls: fc.nat(),
    writes: fc.nat(),
    same: fc.nat(),
    sums: fc.constant({}),
    recent: fc.record({ minute: fc.nat(), hour: fc.nat() }),
  });

  test('[I4] answers as the reference does, whatever a session knows of a call', () => {
    const seen = new Set<Verdict>();
    fc.assert(
      fc.property(facts, (session) => {
        const expected = judge(session);
        seen.add(expected);
        const { verdict, code } = set.decide({ ...call('clerk', 'ledger/pay_invoice', PAYMENT), session }, world);
        assert.deepEqual([verdict, code], ANSWERS[expected]);
      }),
      { numRuns: 1_000 },
    );
    assert.equal(seen.size, 3);
  });

  test('[I1] without a session a change is denied and a read is not', () => {
    const change = set.decide(call('clerk', 'ledger/pay_invoice', PAYMENT), world);
    assert.deepEqual([change.verdict, change.determining], ['deny', ['containment.needs-a-task']]);
    assert.equal(set.decide(call('clerk', 'ledger/list_invoices'), world).verdict, 'allow');
  });

  test('it is valid for tools that nobody has seen when it was written, and for none at all', async () => {
    const text = await readFile(PACK, 'utf8');
    await assert.doesNotReject(policySet(text, desk({ tools: new Map() })));
  });
});
