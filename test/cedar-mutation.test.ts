// The mutation gate in short: a few bugs are built into the evaluator, and random cases notice each. `npm run conformance -- mutation`
// tries all of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Mutant, MUTANTS } from '../conformance/mutants.ts';
import { problemOf, tryMutants } from '../conformance/mutation.ts';

const FEW = [
  'compile.ts: `&&` evaluates both operands',
  'long.ts: no overflow',
  'ipaddr.ts: equal without the prefix',
  'entities.ts: `in` without ancestors',
  'compiled-set.ts: permits win',
  'scope.ts: `is T in G` forgets T',
];
const EXTENT = { values: 12, sets: 40, corpusEvery: 0 };

test('every bug of the gate fits the source as it is', () => {
  const source = (file: string): string => readFileSync(join(import.meta.dirname, '../src/policy/cedar', file), 'utf8');
  const misfits = MUTANTS.filter(({ file, find, replace }) => find === replace || source(file).split(find).length !== 2);
  assert.deepEqual(
    misfits.map(({ file, bug }) => `${file}: ${bug}`),
    [],
  );
  assert.ok(MUTANTS.length >= 150);
});

test('bugs in the evaluator are noticed; what is no bug is not', async () => {
  const harmless: Mutant = { bug: 'none', file: 'compile.ts', find: '// Expressions → closures.', replace: '// Closures.' };
  const mutants = [...MUTANTS.filter(({ file, bug }) => FEW.includes(`${file}: ${bug}`)), harmless];
  const verdicts = await tryMutants(mutants, 1, EXTENT, () => undefined);
  assert.deepEqual(
    verdicts.map((verdict) => problemOf(verdict)),
    [...FEW.map(() => undefined), 'nothing notices it'],
  );
  assert.equal(
    problemOf({ mutant: { ...harmless, unnoticeable: 'no code' }, deaths: new Map([['values', 1]]) }),
    'it was argued that nothing can notice it',
  );
});

test('a snippet that is not there, or the sound evaluator failing, stops the gate', async () => {
  const absent: Mutant = { bug: 'absent', file: 'compile.ts', find: 'no such text', replace: '' };
  await assert.rejects(
    tryMutants([absent], 1, EXTENT, () => undefined),
    /its snippet is 0 times in compile\.ts/,
  );
});
