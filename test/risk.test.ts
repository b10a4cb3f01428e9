// The risk engine: bounded, falling by time alone, and learning what is usual from nobody who could use it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Code } from '../src/domain/codes.ts';
import { CODES } from '../src/domain/codes.ts';
import { CAUSE_NAMES, CAUSES, type Cause, causeOf, MOST_RISK, NO_RISK, parseRisk, pointsAfter, riskOf } from '../src/domain/risk.ts';
import { Baseline, featuresOf, RunDeeds } from '../src/trust/baseline.ts';
import { faded, Risk, wholePoints } from '../src/trust/risk.ts';

const OWN = CAUSE_NAMES.filter((cause) => CAUSES[cause].of !== 'other');
const HOUR = 3_600_000;

const cause = fc.constantFrom(...OWN);
/** What was raised, each so many milliseconds after the one before; a clock that is set back among them. */
const history = fc.array(fc.tuple(cause, fc.integer({ min: -HOUR, max: HOUR })), { maxLength: 200 });

function riskAfter(events: readonly (readonly [Cause, number])[]): { readonly risk: Risk; readonly now: number; readonly latest: number } {
  const risk = new Risk();
  let [now, latest] = [0, 0];
  for (const [raised, ms] of events) {
    now += ms;
    latest = Math.max(latest, now);
    risk.raise(raised, now);
  }
  return { risk, now, latest };
}
const valueOf = (risk: Risk, now: number, besides?: readonly Cause[]): number => riskOf(risk.points(now, besides)).value;

void test('[I10] whatever is raised, no cause goes beyond its bound, and the value is the sum of its points up to 100', () => {
  fc.assert(
    fc.property(history, (events) => {
      const { risk, now } = riskAfter(events);
      const points = risk.points(now);
      for (const [name, its] of Object.entries(points)) assert.ok(Number.isInteger(its) && its > 0 && its <= CAUSES[name as Cause].most);
      const { value, causes } = riskOf(points);
      assert.equal(
        value,
        Math.min(
          MOST_RISK,
          Object.values(causes).reduce((a, b) => a + b, 0),
        ),
      );
    }),
  );
});

void test('nothing but time takes points away: a cause that is raised only rises, and left alone it only falls, to nothing', () => {
  fc.assert(
    fc.property(history, cause, fc.array(fc.integer({ min: 0, max: HOUR }), { maxLength: 20 }), (events, raised, waits) => {
      const { risk, now } = riskAfter(events);
      const before = valueOf(risk, now);
      assert.ok(valueOf(risk, now, [raised]) >= before, 'asked');
      assert.equal(valueOf(risk, now), before, 'asking changes nothing');
      const foreseen = risk.points(now, [raised]);
      assert.ok(risk.raise(raised, now) >= 0);
      assert.deepEqual(risk.points(now), foreseen, 'what was asked is what comes');
      let [at, last] = [now, valueOf(risk, now)];
      for (const wait of waits) {
        at += wait;
        const value = valueOf(risk, at);
        assert.ok(value <= last);
        last = value;
      }
      assert.equal(valueOf(risk, at + 1_000 * HOUR), 0);
    }),
  );
});

void test('a clock that is set back takes nothing away', () => {
  const risk = new Risk();
  risk.raise('denied', HOUR);
  assert.deepEqual(risk.points(0), { denied: 10 });
  risk.raise('denied', 0);
  assert.deepEqual(risk.points(HOUR), { denied: 20 });
});

void test('half of it is gone after its half-life', () => {
  const risk = new Risk();
  for (let n = 0; n < 20; n++) risk.raise('denied', 0);
  assert.deepEqual(risk.points(0), { denied: 60 });
  assert.deepEqual(risk.points(CAUSES.denied.halfLifeMs), { denied: 30 });
  assert.deepEqual(risk.points(2 * CAUSES.denied.halfLifeMs), { denied: 15 });
});

void test('[I1] whatever a run had when it was forgotten, `restart` is not less, then and ever after', () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 0, max: 24 * HOUR }), (events, later) => {
      const { risk, latest } = riskAfter(events);
      const restart = riskOf(wholePoints([['restart', faded('restart', CAUSES.restart.points, later)]]));
      assert.ok(restart.value >= valueOf(risk, latest + later));
    }),
  );
});

void test('what others can bring about, or nobody did, speaks against no run', () => {
  // an approval, a level, a callee that is off, a definition that its server changed, a system that fails
  const silent: readonly Code[] = ['CORDON-1010', 'CORDON-2007', 'CORDON-3004', 'CORDON-3008', 'CORDON-4002', 'CORDON-4004', 'CORDON-5001'];
  for (const code of silent) assert.equal(causeOf(code), undefined, code);
  for (const [code, { kind }] of Object.entries(CODES)) if (kind === 'system') assert.equal(causeOf(code as Code), undefined, code);
  assert.equal(causeOf('CORDON-3002'), 'denied');
});

void test('what is on record reads back, and anything else is no risk that is known', () => {
  const risk = riskOf({ denied: 20, chain: 100 });
  assert.deepEqual(parseRisk(JSON.parse(JSON.stringify(risk)) as never), risk);
  for (const json of [
    undefined,
    null,
    5,
    {},
    { value: 0, causes: { strange: 1 } },
    { causes: { denied: -1 } },
    { causes: { denied: 0.5 } },
  ])
    assert.equal(parseRisk(json as never), undefined);
  assert.equal(parseRisk({ value: 0, causes: { denied: 60 } })?.value, 60, 'the value is what its causes come to');
  assert.deepEqual(pointsAfter({ ...NO_RISK, raised: { denied: 10 } }), { denied: 10 });
});

const pay = (amount: unknown, more: object = {}): ReturnType<typeof featuresOf> =>
  featuresOf({ type: 'tool', action: 'tools/call', resource: 'ledger/pay', input: { amount, ...more } });
const mail = featuresOf({ type: 'tool', action: 'tools/call', resource: 'mail/send', input: { to: 'a@b.example' } });
const message = featuresOf({ type: 'agent', action: 'a2a/SendMessage', resource: 'clerk' });

function cleanRun(...calls: readonly ReturnType<typeof featuresOf>[]): RunDeeds {
  const run = new RunDeeds();
  for (const [at, call] of calls.entries()) run.add(call, at);
  return run;
}
/** Of so many clean runs, an hour apart. */
function learned(runs: number, make: () => RunDeeds = () => cleanRun(pay(100))): Baseline {
  const usual = new Baseline();
  for (let n = 0; n < runs; n++) assert.equal(usual.learn(make(), n * HOUR), true);
  return usual;
}

void test('a tool, a peer, and a kind of argument that clean runs did not have are firsts', () => {
  const usual = learned(5);
  const run = new RunDeeds();
  assert.deepEqual(run.unusual(pay(250), usual, 0), []);
  assert.deepEqual(run.unusual(pay(25_000), usual, 0), ['first-argument'], 'two digits more');
  assert.deepEqual(run.unusual(pay('100'), usual, 0), ['first-argument']);
  assert.deepEqual(run.unusual(pay(100, { note: 'x' }), usual, 0), ['first-argument']);
  assert.deepEqual(run.unusual(mail, usual, 0), ['first-tool', 'first-argument']);
  assert.deepEqual(run.unusual(message, usual, 0), ['first-peer']);
});

void test('until five clean runs have ended nothing is a first, and a thing is usual from its second', () => {
  const run = new RunDeeds();
  assert.deepEqual(run.unusual(mail, learned(4), 0), []);
  const usual = learned(5);
  usual.learn(cleanRun(mail), 5 * HOUR);
  assert.deepEqual(run.unusual(mail, usual, 0), ['first-tool', 'first-argument']);
  usual.learn(cleanRun(mail), 6 * HOUR);
  assert.deepEqual(run.unusual(mail, usual, 0), []);
});

void test('[I10] what a run does makes nothing usual while it goes on, nor when it ends otherwise than clean', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(mail, message, pay(1_000_000)), { maxLength: 50 }), (calls) => {
      const usual = learned(5);
      const before = JSON.stringify(usual.json());
      const run = new RunDeeds();
      for (const call of calls) {
        run.unusual(call, usual, 0);
        run.add(call, 0);
      }
      run.spoil();
      assert.equal(usual.learn(run, 10 * HOUR), false);
      assert.equal(JSON.stringify(usual.json()), before);
      assert.deepEqual(new RunDeeds().unusual(mail, usual, 0), ['first-tool', 'first-argument']);
    }),
  );
});

void test('[I10] many runs begun at once teach no more than one, nor does a run that did nothing', () => {
  const usual = learned(5);
  assert.equal(usual.learn(new RunDeeds(), 10 * HOUR), false);
  for (let n = 0; n < 100; n++) usual.learn(cleanRun(mail), 10 * HOUR + n);
  assert.deepEqual(new RunDeeds().unusual(mail, usual, 0), ['first-tool', 'first-argument']);
});

void test('a burst is twice what clean runs had at most, each time it is reached; one run can make twice as much usual, no more', () => {
  const burstsIn = (usual: Baseline, calls: number): number => {
    const run = new RunDeeds();
    let bursts = 0;
    for (let n = 0; n < calls; n++) {
      if (run.unusual(pay(100), usual, 0).includes('burst')) bursts++;
      run.add(pay(100), 0);
    }
    return bursts;
  };
  const usual = learned(5);
  assert.deepEqual([burstsIn(usual, 19), burstsIn(usual, 20), burstsIn(usual, 60)], [0, 1, 3]);
  const busy = learned(5, () => cleanRun(...Array.from({ length: 1_000 }, () => pay(100))));
  assert.equal(busy.burst, 640, '20, 40, 80, 160, 320 a minute, twice');
  const run = new RunDeeds();
  for (let n = 0; n < 19; n++) run.add(pay(100), 0);
  assert.deepEqual(run.unusual(pay(100), usual, 60_000), [], 'the minute after');
});

void test('[I10] what no longer fits stays unusual, and pushes nothing out', () => {
  const filled = (at: number): RunDeeds =>
    cleanRun(...Array.from({ length: 600 }, (_, n) => featuresOf({ type: 'tool', action: 'tools/call', resource: `s/${at}-${n}` })));
  const usual = learned(5);
  for (let n = 0; n < 20; n++) usual.learn(filled(Math.floor(n / 2)), (10 + n) * HOUR);
  const { seen } = usual.json() as { seen: unknown[] };
  assert.equal(seen.length, 2_048);
  assert.deepEqual(new RunDeeds().unusual(pay(100), usual, 0), []);
  assert.deepEqual(new RunDeeds().unusual(mail, usual, 0), ['first-tool', 'first-argument']);
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`${n}`.padEnd(1_000, 'x'), n]));
  const features = featuresOf({ type: 'tool', action: 'tools/call', resource: 'a/b', input: wide });
  assert.ok(features.size <= 66 && features.has('tools/call a/b and more') && [...features.keys()].every((name) => name.length < 200));
});

void test('what is usual reads back as it was, and anything else is nothing', () => {
  const usual = learned(6);
  assert.deepEqual(Baseline.parse(usual.json())?.json(), usual.json());
  for (const json of [undefined, [], {}, { runs: 5, peak: 1, learned: 0, seen: [[1, 2]] }])
    assert.equal(Baseline.parse(json as never), undefined);
});
