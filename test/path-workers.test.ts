// Several processes on one port, each a whole gateway that decides alone: what is ordered reaches all of them, and what one of them does
// not answer for is not reported as done.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openBed, POLICIES, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf, streamCall, type CallStream } from './support/call-stream.ts';
import { effectsOf, isWritten } from './support/effects.ts';
import { openLine } from './support/line.ts';
import { allowedDigests, assertVerified, digestOf, readLog } from './support/log-reader.ts';
import { until } from './support/until.ts';

interface WorkerStatus {
  readonly pep: string;
  readonly pid: number;
  readonly openCalls: number;
  readonly policies: number;
}

interface Contained {
  readonly status: string;
  readonly peps: readonly { pep: string; remaining: number; connections: number; calls: number; unobserved?: true }[];
}

const WORKERS = 2;

const RULES = `${POLICIES}
@id("caller-writes-500") permit (principal == Agent::"caller", action == Action::"bench/write", resource) when { context.input.amount == 500 };
@id("large-needs-approval") @approval @reason("large amounts need a person")
forbid (principal, action == Action::"bench/write", resource) when { context.input.amount == 500 };
`;

describe('two workers', { skip: process.platform === 'linux' ? false : 'one port for several processes needs SO_REUSEPORT' }, () => {
  let bed: Bed;
  let caller: Svid & { readonly run: string };

  const workers = async (): Promise<readonly WorkerStatus[]> =>
    ((await bed.control('GET', '/v1/status')).json as { workers: readonly WorkerStatus[] }).workers;
  const inForce = (): Promise<readonly WorkerStatus[]> =>
    until('both enforce the policies', async () => {
      const found = await workers();
      return found.length === WORKERS && found.every(({ policies }) => policies > 0) ? found : undefined;
    });
  const call = (tool: string, args: object): Promise<Answer> => send({ port: bed.ports.gateway, ...toolCall(tool, args), svid: caller });

  /** Streams until each worker holds at least one: the kernel spreads connections as it likes. */
  async function streamOnEach(): Promise<readonly CallStream[]> {
    const streams: CallStream[] = [];
    await until(
      'each worker holds a stream',
      async () => {
        streams.push(await streamCall(bed.ports.gateway, caller, 'slow', {}));
        const held = await until('it is counted', async () => {
          const found = await workers();
          return found.reduce((sum, { openCalls }) => sum + openCalls, 0) === streams.length ? found : undefined;
        });
        return held.every(({ openCalls }) => openCalls > 0) ? true : undefined;
      },
      60,
    );
    return streams;
  }

  const ended = async (stream: CallStream): Promise<boolean> => {
    try {
      for await (const _message of messagesOf(stream));
      return false;
    } catch {
      return true;
    }
  };

  before(async () => {
    bed = await openBed({ workers: WORKERS, policies: RULES, configure: (yaml) => `${yaml}maxStaleness: 4s\n` });
    await bed.ready();
    await inForce();
    caller = await bed.svid('caller');
  });
  after(() => (bed as Bed | undefined)?.close());

  void test('[I1] [I3] each decides by itself, and what it decided is known to whoever asks why', async () => {
    for (let n = 0; n < 12; n++) assert.ok(isWritten(await call('write', { line: `n${n}`, amount: 1 })));
    const denied = await call('write', { line: 'much', amount: 101 });
    assert.match(denied.text, /CORDON-3005/);
    assert.equal((await effectsOf(bed)).length, 12);
    const items = await until('all are told', async () => {
      const { json } = await bed.control('GET', '/v1/decisions?agent=caller&limit=100');
      const found = (json as { items: { action: string; resource: string; verdict: string; pep: { id: string }; id: string }[] }).items;
      const writes = found.filter(({ resource }) => resource === 'bench/write');
      return writes.length === 13 ? writes : undefined;
    });
    assert.deepEqual(new Set(items.map(({ pep }) => pep.id)), new Set(['gateway-2', 'gateway-3']));
    const [one, ...more] = items.filter(({ verdict }) => verdict === 'deny'); // each has a log, and numbers, of its own
    assert.ok(one !== undefined && more.length === 0);
    const why = (await bed.control('GET', `/v1/decisions/${one.id}`)).json as { explanation?: object };
    assert.ok(why.explanation);
  });

  void test('[I6] what is ordered reaches both: streams on each are cut, and each says what it saw', async () => {
    const streams = await streamOnEach();
    const cut = Promise.all(streams.map(ended));
    const off = (await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' })).json as unknown as Contained;
    assert.equal(off.status, 'contained', JSON.stringify(off));
    assert.deepEqual(
      off.peps.filter(({ calls }) => calls > 0).map(({ pep }) => pep),
      ['gateway-2', 'gateway-3'],
    );
    assert.equal(
      off.peps.reduce((sum, { calls }) => sum + calls, 0),
      streams.length,
    );
    assert.ok((await cut).every(Boolean));
    for (let n = 0; n < 8; n++) assert.match((await call('echo', { text: 'no' })).text, /CORDON-4002/);
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    assert.match((await call('echo', { text: 'yes' })).text, /yes/);
  });

  void test('[I6] a worker that does not answer is not reported as silent', async () => {
    const [stopped] = await workers();
    assert.ok(stopped);
    process.kill(stopped.pid, 'SIGSTOP');
    try {
      const off = (await bed.control('POST', '/v1/agents/other/level', { level: 'off', reason: 'test' })).json as unknown as Contained;
      assert.equal(off.status, 'partial', JSON.stringify(off));
      assert.deepEqual(
        off.peps.filter(({ unobserved }) => unobserved === true).map(({ pep }) => pep),
        [stopped.pep],
      );
    } finally {
      process.kill(stopped.pid, 'SIGCONT');
    }
  });

  void test('[I4] an approval for one use is used once, whichever of them the calls come to', async () => {
    const large = (): Promise<Answer> => call('write', { line: 'granted', amount: 500 });
    assert.match((await large()).text, /CORDON-5001/);
    const grant = await until('the request is filed', async () => {
      const { items } = (await bed.control('GET', '/v1/grants')).json as { items: readonly { id: string; state: string }[] };
      return items.find(({ state }) => state === 'asked');
    });
    const approved = await bed.control('POST', `/v1/grants/${grant.id}/approve`, {});
    assert.equal(approved.status, 200, approved.text);
    await until('it is used', async () => ((await effectsOf(bed)).includes('granted 500') ? true : large().then(() => undefined)));
    const more = await Promise.all(Array.from({ length: 16 }, large));
    assert.deepEqual(
      [...new Set(more.map(({ text }) => /CORDON-5\d+/.exec(text)?.[0] ?? text))].filter(
        (code) => !['CORDON-5001', 'CORDON-5004'].includes(code),
      ),
      [],
    );
    assert.equal((await effectsOf(bed)).filter((effect) => effect === 'granted 500').length, 1);
  });

  void test('[I1] [I6] a main process that is silent for longer than the staleness budget: both deny, and cut what is open', async () => {
    const main = bed.process();
    const stream = await streamCall(bed.ports.gateway, caller, 'slow', {});
    const cut = ended(stream);
    main.kill('SIGSTOP');
    try {
      assert.ok(await cut);
      for (let n = 0; n < 8; n++) assert.match((await call('write', { line: 'stale', amount: 1 })).text, /CORDON-9012/);
    } finally {
      main.kill('SIGCONT');
    }
    await until('calls go through again', async () => (isWritten(await call('write', { line: 'fresh', amount: 1 })) ? true : undefined));
    assert.equal((await effectsOf(bed)).includes('stale 1'), false);
  });

  void test('[I1] policies that are applied are in force in both', async () => {
    const apply = async (text: string, acceptWidening: readonly string[] = []): Promise<void> => {
      const order = { sources: [{ path: 'test.cedar', text }], acceptWidening };
      const { json } = await bed.control('POST', '/v1/policies/apply', order);
      const { status, version, unaccepted } = json as { status: string; version: number; unaccepted?: readonly string[] };
      if (status === 'not_accepted') return apply(text, unaccepted);
      assert.equal(status, 'enforced', JSON.stringify(json));
      await until('both enforce it', async () => ((await workers()).every(({ policies }) => policies === version) ? true : undefined));
    };
    await apply(`${RULES}@id("no-writes") forbid (principal, action == Action::"bench/write", resource);`);
    for (let n = 0; n < 8; n++) assert.match((await call('write', { line: 'forbidden', amount: 1 })).text, /CORDON-3002/);
    assert.equal((await effectsOf(bed)).includes('forbidden 1'), false);
    await apply(`${RULES}// as before`);
  });

  void test('[I3] one that is killed is started again on its own log, and nothing that had an effect is missing from the logs', async () => {
    const [killed] = await workers();
    assert.ok(killed);
    const lines = await Promise.all(Array.from({ length: 8 }, async () => openLine(bed.ports.gateway, await bed.svid('caller'))));
    let written = 0;
    const writing = lines.map(async (line, n) => {
      for (let i = 0; ; i++) {
        const answer = await line.call('write', { line: `k${n}-${i}`, amount: 2 }).catch(() => undefined);
        if (answer === undefined || i === 40) return;
        if (++written === 40) process.kill(killed.pid, 'SIGKILL');
      }
    });
    await Promise.all(writing);
    await Promise.all(lines.map((line) => line.close()));
    await until('another runs in its place', async () =>
      (await workers()).some(({ pep, pid, policies }) => pep === killed.pep && pid !== killed.pid && policies > 0) ? true : undefined,
    );
    assert.ok(isWritten(await call('write', { line: 'after', amount: 1 })));
    await bed.stop();
    const allowed = new Set<string>();
    for (const pep of ['gateway-1', 'gateway-2', 'gateway-3']) {
      await assertVerified(bed, pep);
      for (const digest of allowedDigests(await readLog(bed, pep))) allowed.add(digest);
    }
    const unrecorded = (await effectsOf(bed)).filter((effect) => {
      const [line = '', amount = ''] = effect.split(' ');
      return line !== 'aborted' && !allowed.has(digestOf({ line, amount: Number(amount) }));
    });
    assert.deepEqual(unrecorded, []);
  });
});
