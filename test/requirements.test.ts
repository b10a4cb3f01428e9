// Claims and tests hold each other: see requirements.ts.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tokens } from '../scripts/tokens.ts';
import { REQUIREMENTS, type Requirement } from './requirements.ts';

const NAMED = new Set(['test', 'it', 'describe', 'suite']);
const CITATION = /\[([A-Z][\w.]*(?:-[\w.]+)*)(?: §[^\]]+)?\]/g;

/** The claims cited in the names of tests and suites; `test.skip(…)` and `test.todo(…)` cite nothing. */
function citations(source: string): string[] {
  const read = tokens(source);
  return read.flatMap(({ kind, text }, at) => {
    const name = read[at + 2];
    const names =
      kind === 'word' && NAMED.has(text) && read[at + 1]?.text === '(' && (name?.kind === 'string' || name?.kind === 'template');
    return names ? [...name.text.matchAll(CITATION)].map(([, id = '']) => id) : [];
  });
}

function gaps(requirements: Readonly<Record<string, Requirement>>, sources: Readonly<Record<string, string>>): string[] {
  const cited = Object.entries(sources).flatMap(([path, source]) => citations(source).map((id) => ({ path, id })));
  const unknown = cited
    .filter(({ id }) => !Object.hasOwn(requirements, id))
    .map(({ path, id }) => `${path} cites \`${id}\`, which requirements.ts does not list`);
  const unproved = Object.entries(requirements)
    .filter(([id, { status }]) => status === 'proved' && !cited.some((citation) => citation.id === id))
    .map(([id, { title }]) => `\`${id}\` is said to be proved, and no test cites it: ${title}`);
  return [...unknown, ...unproved];
}

test('every citation is a claim, and every proved claim is cited', () => {
  const paths = globSync('**/*.test.ts', { cwd: import.meta.dirname });
  const sources = Object.fromEntries(paths.map((path) => [`test/${path}`, readFileSync(join(import.meta.dirname, path), 'utf8')]));
  assert.deepEqual(gaps(REQUIREMENTS, sources), []);
});

test('a gap is found', () => {
  const claims: Record<string, Requirement> = {
    I1: { title: 'a', status: 'proved' },
    I2: { title: 'b', status: 'later', why: 'c' },
  };
  assert.deepEqual(gaps(claims, { 'a.test.ts': "test('[I1] x', () => {});" }), []);
  assert.deepEqual(gaps(claims, { 'a.test.ts': 'describe(`[I1 §2.1] ${name}`, () => {});' }), []);
  assert.match(
    gaps(claims, { 'a.test.ts': "test('[I2] x', f); test.skip('[I1] y', f); // test('[I1]')" }).join('\n'),
    /^`I1` is said to be proved/,
  );
  assert.match(gaps(claims, { 'a.test.ts': "t.test('[I1] [I11] x', f);" }).join('\n'), /^a\.test\.ts cites `I11`/);
});
