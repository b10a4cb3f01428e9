// Much at once, and too much at once: all answered, all recorded, in order.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { DecisionRecord } from '../src/domain/access.ts';
import { openBed, type Answer, type Bed, type Svid } from './support/bed.ts';
import { streamCall } from './support/call-stream.ts';
import { openLine, type Line } from './support/line.ts';
import { assertVerified, digestOf, readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const CONNECTIONS = 50;
const CALLS = 2000;

const range = (length: number): readonly number[] => Array.from({ length }, (_, n) => n);
const codeOf = ({ json }: Answer): string | undefined => json['code'] as string | undefined;
const saidOf = ({ json }: Answer): string | undefined => (json['result'] as { content: { text: string }[] } | undefined)?.content[0]?.text;

interface Gateway {
  readonly connections: number;
  readonly openCalls: number;
}
const gatewayOf = async (bed: Bed): Promise<Gateway> => ((await bed.control('GET', '/v1/status')).json as { gateway: Gateway }).gateway;
const openCalls = (bed: Bed, count: number): Promise<unknown> =>
  until(`${count} calls are open`, async () => ((await gatewayOf(bed)).openCalls === count ? true : undefined));
const decisionsOf = async (bed: Bed, query: string): Promise<readonly (DecisionRecord & { readonly seq: number })[]> =>
  ((await bed.control('GET', `/v1/decisions?${query}`)).json as { items: (DecisionRecord & { seq: number })[] }).items;

let bed: Bed;

before(async () => {
  bed = await openBed();
});
after(() => (bed as Bed | undefined)?.close());

describe('2,000 calls over 50 connections', () => {
  /** What each connection said, in order. */
  const said: string[][] = range(CONNECTIONS).map(() => []);

  void test('every call gets its own answer', async () => {
    const svids = await Promise.all(range(5).map(() => bed.svid('caller')));
    const speak = async (texts: string[], connection: number): Promise<void> => {
      const line = openLine(bed.ports.gateway, svids[connection % svids.length] as Svid);
      for (const n of range(CALLS / CONNECTIONS)) {
        const text = `${connection}-${n}-${'é'.repeat(n)}`;
        const answer = await line.call('echo', { text });
        assert.deepEqual([answer.status, saidOf(answer)], [200, text]);
        texts.push(text);
      }
      await line.close();
    };
    await Promise.all(said.map(speak));
  });

  void test('[I3] every call is in the log once, in the order of its connection, its outcome after it, and the log verifies', async () => {
    await signedAll(bed);
    await assertVerified(bed);
    const { decisions, outcomes, seqOf } = await readLog(bed);
    const allows = new Map(decisions.filter(({ verdict }) => verdict === 'allow').map((record) => [record.args?.digest, record]));
    const calls = decisions.filter(({ action }) => action === 'tools/call');
    assert.equal(calls.length, CALLS);
    assert.equal(allows.size, CALLS);
    const outcomeOf = new Map(outcomes.map((outcome) => [outcome.decision, outcome]));
    assert.equal(outcomeOf.size, outcomes.length, 'one outcome for each decision');
    for (const texts of said) {
      let seen = -1;
      for (const text of texts) {
        const allow = allows.get(digestOf({ text }));
        const outcome = outcomeOf.get(allow?.id ?? '');
        assert.ok(allow !== undefined && outcome !== undefined, text);
        assert.ok(seen < seqOf(allow) && seqOf(allow) < seqOf(outcome), `${seen} < ${seqOf(allow)} < ${seqOf(outcome)}`);
        assert.equal(outcome.status, 'completed');
        seen = seqOf(allow);
      }
    }
  });

  void test('what operators are shown is what the log holds', async () => {
    const { decisions, seqOf } = await readLog(bed);
    const shown: (readonly [number, string])[] = [];
    for (let next = Number.MAX_SAFE_INTEGER; shown.length < CALLS;) {
      const page = await decisionsOf(bed, `limit=1000&agent=caller&before=${next}`);
      assert.ok(page.length > 0, `${shown.length} of ${CALLS}`);
      shown.push(...page.map(({ seq, id }) => [seq, id] as const));
      next = page.at(-1)?.seq ?? 0;
    }
    const logged = decisions.filter(({ action }) => action === 'tools/call').map((record) => [seqOf(record), record.id]);
    assert.deepEqual(shown.toReversed(), logged);
    assert.deepEqual(await gatewayOf(bed), { url: `https://127.0.0.1:${bed.ports.gateway}`, connections: 0, openCalls: 0 });
  });
});

describe('callers that take too much', () => {
  let limited: Bed;
  let greedy: Svid;
  before(async () => {
    limited = await openBed({ configure: (yaml) => yaml.replace(/^limits:.*$/m, 'limits: { rate: 1, burst: 40, concurrent: 10 }') });
    greedy = await limited.svid('caller');
  });
  after(() => (limited as Bed | undefined)?.close());

  void test('[I10] calls at once above the limit are refused with 429, recorded, and free again when the open ones end', async () => {
    const streams = await Promise.all(range(10).map(() => streamCall(limited.ports.gateway, greedy, 'slow', {})));
    const line = openLine(limited.ports.gateway, greedy);
    const refused = await line.call('echo', { text: 'one more' });
    assert.deepEqual([refused.status, codeOf(refused), refused.headers['retry-after']], [429, 'CORDON-4003', '1']);
    const [record] = await decisionsOf(limited, 'limit=1');
    assert.deepEqual(
      [record?.code, record?.verdict, record?.kind, record?.reason],
      ['CORDON-4003', 'deny', 'containment', 'more than 10 calls at once'],
    );
    assert.match(record?.principal ?? '', /^spiffe:\/\/test\.example\/agent\/caller\/run\//);
    for (const stream of streams) stream.abort();
    await openCalls(limited, 0);
    assert.equal(saidOf(await line.call('echo', { text: 'free' })), 'free');
    await line.close();
  });

  void test('[I10] calls a second above the limit are refused with 429, each is recorded, and another run is not made to wait', async () => {
    const patient = await limited.svid('caller');
    const lines = range(8).map(() => openLine(limited.ports.gateway, greedy));
    const started = Date.now();
    const answers = (await Promise.all(lines.map(async (line) => [await burst(line), await burst(line)]))).flat(2);
    const seconds = Math.ceil((Date.now() - started) / 1000);
    const passed = answers.filter(({ status }) => status === 200).length;
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(passed + refused.length, answers.length);
    assert.ok(passed >= 1 && passed <= 40 + seconds, `${passed} of ${answers.length} in ${seconds} s`);
    assert.ok(refused.every((answer) => codeOf(answer) === 'CORDON-4003' && answer.headers['retry-after'] === '1'));
    const recorded = (await decisionsOf(limited, 'limit=1000&verdict=deny')).filter(
      ({ reason }) => reason === 'more than 1 calls a second',
    );
    assert.equal(recorded.length, refused.length);
    const other = openLine(limited.ports.gateway, patient);
    assert.equal(saidOf(await other.call('echo', { text: 'patient' })), 'patient');
    await Promise.all([other, ...lines].map((line) => line.close()));
  });

  const burst = async (line: Line): Promise<readonly Answer[]> => {
    const answers: Answer[] = [];
    for (const n of range(5)) answers.push(await line.call('echo', { text: `${n}` }));
    return answers;
  };
});
