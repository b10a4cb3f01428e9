// Some of the attacks on the wire, and that one which gets through is noticed. `npm run conformance -- wire` runs them all.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bytes, GOOD, post, type Class } from '../conformance/wire/attack.ts';
import { REPLIES, tryReplies } from '../conformance/wire/replies.ts';
import { tryClass } from '../conformance/wire/run.ts';
import { SLOW, SLOW_LIMITS } from '../conformance/wire/slow.ts';
import { ATTACKS } from '../conformance/wire/table.ts';
import { openNaive, through } from '../conformance/wire/victims.ts';
import { openWorld, type World } from '../conformance/wire/world.ts';

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => (world as World | undefined)?.[Symbol.asyncDispose]());

/** Every so many. */
const STEP = 6;
const some = ([name, attacks]: Class): Class => [name, attacks.filter((_, at) => at % STEP === 0)];

/** One of each kind; `npm run conformance -- wire` runs them all. */
const SHORT = [
  'head-drip',
  'chunks-of-one-byte',
  'handshake-stops-before-certificate',
  'connections-without-identity',
  'connections-of-one-identity',
  'streams-of-one-identity',
  'answer-not-read',
];

describe('[I10] slow attacks, and more of them than one caller needs', () => {
  void test('each is ended within its bound and recorded, and a caller that behaves is served meanwhile', async () => {
    await using small = await openWorld(SLOW_LIMITS);
    const chosen = SLOW.filter(({ id }) => SHORT.includes(id));
    assert.equal(chosen.length, SHORT.length);
    assert.deepEqual(await tryClass(small, ['slow', chosen]), []);
  });
});

describe('[I2] [I3] attacks on the wire', () => {
  for (const each of ATTACKS) {
    void test(`${each[0]}: refused, recorded, and nothing reaches the upstream`, async () => {
      assert.deepEqual(await tryClass(world, some(each)), []);
    });
  }

  void test('replies: what a tool server should not have said does not reach the caller, and the outcome is recorded', async () => {
    const chosen = REPLIES.filter((_, at) => at % STEP === 1);
    assert.deepEqual(await tryReplies(world, chosen), []);
  });

  void test('there are at least 150, each named once, each with its source', () => {
    const all = ATTACKS.flatMap(([name, attacks]) => attacks.map(({ id }) => `${name}/${id}`));
    assert.ok(all.length >= 150, `${all.length}`);
    assert.equal(new Set(all).size, all.length);
    assert.ok(ATTACKS.every(([, attacks]) => attacks.every(({ source }) => source.length > 5)));
  });

  void test('one that gets through, one that is recorded otherwise, and one that is answered otherwise are noticed', async () => {
    const passes = bytes('passes', 'none', post(GOOD), 200, undefined);
    const otherwise = bytes('otherwise', 'none', post('{'), 400, 'CORDON-3011');
    const answered = bytes('answered', 'none', post('{'), 404, 'CORDON-9011');
    const found = (await tryClass(world, ['seeded', [passes, otherwise, answered]])).map((line) => line.split(',', 1)[0]);
    assert.deepEqual(found, [
      'seeded/passes (none): reached the upstream 1 times',
      'seeded/otherwise (none): the log says CORDON-9011',
      'seeded/answered (none): heard 400',
    ]);
  });

  void test('through a proxy that checks nothing the same bytes do reach the upstream', async () => {
    await using naive = await openNaive(world);
    const attacks = ATTACKS.map(some).flatMap(([, chosen]) => chosen);
    const reached = await through(world, naive, attacks);
    assert.ok(reached.length > attacks.length / 4, `${reached.length} of ${attacks.length}`);
  });
});
