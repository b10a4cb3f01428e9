// [I4] No sequence of exchanges yields more than its parent held: a bounded share of `npm run conformance -- delegation`, and a few bugs
// that it must notice.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MUTANTS, noticed } from '../conformance/delegation-mutants.ts';
import { tryLives } from '../conformance/delegation-trials.ts';
import { exchange } from '../src/sts/exchange.ts';

const SEED = 20_261_123;
const LIVES = 5_000;
/** Bugs that are noticed at once; `npm run conformance -- delegation` builds in all of them. */
const FEW = new Set([
  'a request replaces what is held',
  'the expiry of the parent is forgotten',
  'nothing is ever revoked',
  'agents may be in a chain twice',
  'anybody takes a transaction token',
  'parents are forgotten',
]);

describe('[I4] random lives of delegations', () => {
  test(`${LIVES} of them`, () => {
    const { lived, issued, refused, problem } = tryLives({ exchange }, LIVES, SEED);
    assert.equal(problem, undefined);
    assert.equal(lived, LIVES);
    // neither a service that refuses everything nor one that is never asked too much would prove anything
    assert.ok(issued > LIVES && refused > LIVES, `${issued} issued, ${refused} refused`);
  });

  for (const mutant of MUTANTS.filter(({ bug }) => FEW.has(bug))) {
    test(`notice that ${mutant.bug}`, async () => assert.notEqual(await noticed(mutant, SEED), undefined));
  }
});
