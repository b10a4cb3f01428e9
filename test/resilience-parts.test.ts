// What keeps one callee in trouble from troubling the others, part by part: circuit breaker, places, repetitions.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBreaker, type Circuit } from '../src/gateway/breaker.ts';
import { createGuards } from '../src/gateway/guards.ts';
import { createPool, enterAll } from '../src/gateway/pools.ts';
import { createRetryBudget, isLost } from '../src/gateway/retry.ts';
import type { Plan } from '../src/gateway/call.ts';

const OPEN = { code: 'CORDON-9014' };
const FULL = { code: 'CORDON-9013' };

function breaker(): { readonly of: ReturnType<typeof createBreaker>; readonly seen: Circuit[]; pass: (ms: number) => void } {
  let now = 0;
  const seen: Circuit[] = [];
  const of = createBreaker(
    { failures: 3, retryMs: 1_000, maxRetryMs: 4_000 },
    () => now,
    (circuit) => seen.push(circuit),
  );
  return { of, seen, pass: (ms) => void (now += ms) };
}

/** So many calls that fail, one after the other. */
const fail = (of: ReturnType<typeof createBreaker>, times: number): void => {
  for (let n = 0; n < times; n++) {
    const leave = of.enter();
    of.failed();
    leave();
  }
};

describe('a circuit breaker', () => {
  void test('opens after so many failures in a row, and an answer in between begins the count anew', () => {
    const { of } = breaker();
    fail(of, 2);
    of.answered();
    fail(of, 2);
    assert.equal(of.circuit, 'closed');
    fail(of, 1);
    assert.throws(() => of.enter(), OPEN);
    assert.equal(of.waitMs(), 1_000);
  });

  void test('lets one call at a time try, and closes when it is answered', () => {
    const { of, seen, pass } = breaker();
    fail(of, 3);
    pass(999);
    assert.throws(() => of.enter(), OPEN);
    pass(1);
    of.enter();
    assert.throws(() => of.enter(), OPEN);
    of.answered();
    of.enter();
    of.enter();
    assert.deepEqual(seen, ['open', 'half-open', 'closed']);
  });

  void test('waits twice as long after each try that fails, up to a bound', () => {
    const { of, pass } = breaker();
    fail(of, 3);
    for (const wait of [1_000, 2_000, 4_000, 4_000]) {
      assert.equal(of.waitMs(), wait);
      pass(wait);
      fail(of, 1);
    }
  });

  void test('a try whose caller goes away is given back', () => {
    const { of, pass } = breaker();
    fail(of, 3);
    pass(1_000);
    of.enter()();
    const second = of.enter();
    assert.throws(() => of.enter(), OPEN);
    second();
    of.enter();
  });

  void test('opens for a callee that flaps, whose every second call fails, and no straggler closes it', () => {
    const { of } = breaker();
    for (let n = 0; n < 10; n++) {
      of.answered();
      fail(of, 1);
    }
    assert.equal(of.circuit, 'open');
    of.answered();
    assert.equal(of.circuit, 'open');
  });

  void test('what Cordon asks for itself, of a server that has not started yet, opens nothing', () => {
    const { of } = breaker();
    for (let n = 0; n < 100; n++) of.failed();
    of.enter()();
    assert.equal(of.circuit, 'closed');
  });

  void test('of a dead callee the first answer, whoever asked, closes it', () => {
    const { of } = breaker();
    fail(of, 3);
    of.answered();
    assert.equal(of.circuit, 'closed');
  });
});

describe('places in flight', () => {
  void test('[I10] are refused at once when all are taken, and come back once, however often they are given back', () => {
    const pool = createPool('it', 2);
    const [first] = [pool.enter(), pool.enter()];
    assert.throws(() => pool.enter(), FULL);
    first();
    first();
    assert.equal(pool.inFlight, 1);
    pool.enter();
    assert.throws(() => pool.enter(), FULL);
  });

  void test('[I10] all of several are taken, or none: a refusal holds nothing', () => {
    const [own, segment] = [createPool('own', 5), createPool('segment', 1)];
    const leave = enterAll([own, segment]);
    assert.throws(() => enterAll([own, segment]), FULL);
    assert.deepEqual([own.inFlight, segment.inFlight], [1, 1]);
    leave();
    assert.deepEqual([own.inFlight, segment.inFlight], [0, 0]);
  });
});

describe('guards', () => {
  const guardOf = (name: string, segment: ReturnType<typeof createPool>) => ({
    kind: 'resource' as const,
    name,
    segment: 'tools',
    breaker: createBreaker(
      { failures: 1, retryMs: 5_000, maxRetryMs: 5_000 },
      () => 0,
      () => undefined,
    ),
    pools: [createPool(name, 2), segment] as const,
    retry: new Set(['echo']),
  });
  const callOf = (server: string): Plan => ({ kind: 'mcp/call', server, id: 1, era: 'modern', tool: 'echo', args: {} });

  void test('[I10] a callee that holds all its places costs its neighbour none', () => {
    const segment = createPool('tools', 3);
    const guards = createGuards([guardOf('drowned', segment), guardOf('healthy', segment)]);
    guards.enter(callOf('drowned'));
    guards.enter(callOf('drowned'));
    for (let n = 0; n < 100; n++) {
      assert.throws(() => guards.enter(callOf('drowned')), FULL);
      guards.enter(callOf('healthy'))();
    }
    assert.deepEqual(
      guards.views().map(({ name, inFlight }) => [name, inFlight]),
      [
        ['drowned', 2],
        ['healthy', 0],
      ],
    );
  });

  void test('an open circuit takes no place, says when to come again, and stops nothing that the gateway answers itself', () => {
    const guard = guardOf('dead', createPool('tools', 3));
    const guards = createGuards([guard]);
    const leave = guard.breaker.enter();
    guard.breaker.failed();
    leave();
    assert.throws(() => guards.enter(callOf('dead')), OPEN);
    assert.deepEqual([guard.pools[0].inFlight, guards.retryAfter(callOf('dead'))], [0, 5]);
    guards.enter({ kind: 'mcp/list', server: 'dead', id: 1, era: 'modern' });
  });
});

describe('a retry budget', () => {
  void test('repeats at most a fifth of the calls, and saves up no more than a bound', () => {
    const budget = createRetryBudget();
    let repeated = 0;
    for (let call = 0; call < 1_000; call++) {
      budget.called();
      if (budget.take()) repeated++;
    }
    assert.ok(repeated <= 201, `${repeated} of 1,000`);
    for (let call = 0; call < 1_000; call++) budget.called();
    let saved = 0;
    while (budget.take()) saved++;
    assert.equal(saved, 10);
  });

  void test('only a connection that ended counts as lost', () => {
    const withCode = (code: string): Error => Object.assign(new Error(code), { code });
    assert.ok(isLost(withCode('UND_ERR_SOCKET')));
    for (const code of ['UND_ERR_HEADERS_TIMEOUT', 'ECONNREFUSED', 'CERT_HAS_EXPIRED', 'ABORT_ERR'])
      assert.equal(isLost(withCode(code)), false, code);
  });
});
