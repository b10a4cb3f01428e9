// The newsroom under one attack of each family of the catalogues, over real sockets between real processes: without protection each succeeds,
// behind Cordon none does, and what the newsroom is for gets done.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FAMILIES } from '../examples/newsroom/families.ts';
import { attackAll, openNewsroom, type Protection, type Result } from '../examples/newsroom/newsroom.ts';

async function attacked(by?: Protection): Promise<readonly Result[]> {
  const dir = await mkdtemp(join(tmpdir(), 'newsroom-test-'));
  try {
    await using stack = new AsyncDisposableStack();
    const newsroom = stack.adopt(await openNewsroom(dir, by), (it) => it.close());
    const clean = await newsroom.read('clean');
    assert.equal(clean.ok, true, clean.text);
    return await attackAll(newsroom);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const named = (results: readonly Result[], holds: (result: Result) => boolean): readonly string[] =>
  results.filter(holds).map(({ family }) => family.id);

const ALL = FAMILIES.map(({ id }) => id);

describe('the newsroom', () => {
  test('without protection every attack succeeds', async () => {
    assert.deepEqual(
      named(await attacked(), ({ harmed }) => harmed),
      ALL,
    );
  });

  test('[I1] [I4] [I9] behind Cordon none does, each order is refused, and every page is published', async () => {
    const results = await attacked('policies');
    assert.deepEqual(
      named(results, ({ harmed }) => harmed),
      [],
    );
    assert.deepEqual(
      named(results, ({ published }) => published),
      ALL,
    );
    // a description that changed is shown to nobody, so nobody is told to do anything
    assert.deepEqual(
      named(results, ({ refused }) => refused.length > 0),
      ALL.filter((id) => id !== 'tool-poisoning'),
    );
  });

  test('[I1] [I4] beside a policy that permits everything, the containment pack alone leaves no write to the attacker', async () => {
    const results = await attacked('containment');
    assert.deepEqual(
      named(results, ({ harmed }) => harmed),
      ['tool-transfer', 'sandbox-escape', 'vulnerable-server'], // reads, which are for segments and for policies on their arguments
    );
    assert.deepEqual(
      named(results, ({ published }) => published),
      ALL,
    );
  });
});
