// Revocation: what is revoked is logged, kept and cut at once, and does not come back; and what fails on the way keeps nothing alive.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { restoreRevocations, revoke, type RevocationParts } from '../src/control/revocation.ts';
import { createPublisher } from '../src/control/publisher.ts';
import type { Target } from '../src/domain/revocation.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { parseConfig } from '../src/server/config.ts';
import type { RevocationRow } from '../src/store/ports.ts';
import type { Svid } from './support/bed.ts';
import { streamCall, type CallStream } from './support/call-stream.ts';
import { cordon, type Ran } from './support/cordon.ts';
import { askRenewal, joinRun, startRun, type RunSvid } from './support/join.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { claimsOf, EXCHANGE, TYPE } from './support/oauth-bed.ts';
import { bearer, codeOf, openTokenBed, type TokenBed } from './support/token-bed.ts';
import { until } from './support/until.ts';

const ECHO = ['echo', { text: 'x' }] as const;

interface Revoked {
  readonly status: string;
  readonly peps: readonly { readonly pep: string; readonly connections: number; readonly calls: number; readonly remaining: number }[];
}

describe('[I6] a run that is revoked', () => {
  let bed: TokenBed;
  let caller: RunSvid;
  let hop: string;
  before(async () => {
    bed = await openTokenBed();
    caller = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
    const task = await bed.task(caller);
    await bed.message(caller, 'go on', task);
    hop = await bed.exchange(bed.agent.svid, String(bed.agent.calls.at(-1)?.['txn-token']), TYPE.txn);
    assert.equal((await bed.tool(bed.agent.svid, ...ECHO, hop)).status, 200);
  });
  after(() => (bed as TokenBed | undefined)?.[Symbol.asyncDispose]());

  const gatewayOf = ({ peps }: Revoked): Revoked['peps'][number] | undefined => peps.find(({ pep }) => pep === 'gateway-1');
  const cut = ({ response }: CallStream): Promise<unknown> => {
    response.resume();
    return until('the stream is cut', () => (response.destroyed ? true : undefined));
  };
  const refused = async (): Promise<void> => {
    const answer = await bed.tool(caller, ...ECHO);
    assert.deepEqual([answer.status, codeOf(answer)], [200, 'CORDON-4005']);
    const child = await bed.tool(bed.agent.svid, ...ECHO, hop);
    assert.equal(codeOf(child), 'CORDON-2007');
    assert.equal(codeOf(await askRenewal(bed, caller)), 'CORDON-4005');
    const asked = { grant_type: EXCHANGE, subject_token: hop, subject_token_type: TYPE.access };
    assert.equal((await bed.post(asked, { as: bed.agent.svid })).status, 400);
    assert.equal((await bed.post({ ...asked, subject_token: await bed.userToken() }, { as: caller })).status, 401);
  };

  test('loses its connections and calls, and with it those of everybody it handed its task to; others go on', async () => {
    const idle = connect({ host: '127.0.0.1', port: bed.ports.gateway, ...tls(caller), checkServerIdentity: () => undefined });
    idle.on('error', () => undefined);
    await once(idle, 'secureConnect');
    const gone = once(idle.resume(), 'close');
    const own = await streamCall(bed.ports.gateway, caller, 'tick', {});
    const child = await streamCall(bed.ports.gateway, bed.agent.svid, 'tick', {}, 'bench', bearer(hop));
    const others = await streamCall(bed.ports.gateway, bed.agent.svid, 'tick', {});
    const { json, status } = await bed.control('POST', '/v1/revocations', { kind: 'run', id: caller.run, reason: 'stolen laptop' });
    assert.equal(status, 200);
    const { connections = 0, calls, remaining } = gatewayOf(json as unknown as Revoked) ?? {};
    assert.deepEqual([json['status'], calls, remaining], ['contained', 2, 0]);
    assert.ok(connections >= 1);
    await Promise.all([cut(own), cut(child), gone]);
    assert.equal(others.response.destroyed, false);
    others.abort();
    await refused();
  });

  test('cannot join any more, cannot be revoked by an agent, and a run that never was cannot be', async () => {
    const unjoined = await startRun(bed, 'agent', 'caller');
    await bed.control('POST', '/v1/revocations', { kind: 'run', id: unjoined.id, reason: 'not started by us' });
    await assert.rejects(joinRun(bed, unjoined), /CORDON-1005/);
    const none = await bed.control('POST', '/v1/revocations', { kind: 'run', id: 'NOSUCHRUN', reason: 'x' });
    assert.equal(none.json['code'], 'CORDON-3003');
    const form = await bed.control('POST', '/v1/revocations', { kind: 'agent', id: 'caller', reason: 'x' });
    assert.equal(form.json['code'], 'CORDON-9011');
  });

  test('[U6] a slip is no contained incident: tokens are not kept, so their names are held to their form, and a run must have been', async () => {
    const revoked = async (kind: string, id: string): Promise<unknown> =>
      (await bed.control('POST', '/v1/revocations', { kind, id, reason: 'x' })).json['code'];
    for (const id of ['NOPE', '', 'R'.repeat(25), 'R'.repeat(27), 'U'.repeat(26), 'r'.repeat(26), '../x', caller.run])
      assert.equal(await revoked('token', id), 'CORDON-9011', id);
    for (const id of ['', 'x'.repeat(26), 'a b']) assert.equal(await revoked('txn', id), 'CORDON-9011', id);
    assert.equal(await revoked('txn', 'NOPE'), 'CORDON-3003', 'it could only be a run, and there was none');
    assert.equal(await revoked('txn', caller.run), undefined, 'a call without a task has its run for one');
    assert.equal(await revoked('token', 'Z'.repeat(26)), undefined);
    const slip = await cordon(['delegation', 'revoke', 'NOPE', '--reason', 'x'], { cwd: bed.dir, env: { CORDON_DATA: bed.data } });
    assert.equal(slip.code, 2);
    assert.match(slip.stderr, /`id` does not fit\n {2}why {2}expected {2}26 digits and upper case letters/);
  });

  test('[U6] is in no list before it has joined, except that of its agent', async () => {
    const { id } = await startRun(bed, 'agent', 'caller');
    const waiting = async (): Promise<boolean> => {
      const { json } = await bed.control('GET', '/v1/agents/caller');
      return (json as unknown as { waiting: readonly { id: string }[] }).waiting.some((run) => run.id === id);
    };
    assert.equal(await waiting(), true);
    const shown = await cordon(['agent', 'get', 'caller'], { cwd: bed.dir, env: { CORDON_DATA: bed.data } });
    assert.match(shown.stdout, new RegExp(`${id} {2}started .* ago, has asked for no SVID yet`));
    await bed.control('POST', '/v1/revocations', { kind: 'run', id, reason: 'x' });
    assert.equal(await waiting(), false);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`stays revoked across a restart (${signal}), and so does its subtree`, async () => {
      await bed.stop(signal);
      await bed.start();
      await bed.ready();
      await refused();
      const { items } = (await bed.control('GET', '/v1/revocations')).json as { items: RevocationRow[] };
      assert.ok(items.some(({ kind, id, reason }) => kind === 'run' && id === caller.run && reason === 'stolen laptop'));
    });
  }

  test('is not called any more either: the run that answers for an agent is revoked', async () => {
    const run = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
    const said = await bed.message(run, 'hello');
    assert.equal(said.status, 200, said.text);
    await bed.control('POST', '/v1/revocations', { kind: 'run', id: bed.agent.svid.run, reason: 'taken over' });
    const calls = bed.agent.calls.length;
    const answer = await bed.message(run, 'hello again');
    assert.deepEqual([answer.status, codeOf(answer), bed.agent.calls.length], [502, 'CORDON-9010', calls]);
  });

  test('[U6] `cordon off --run` says what every PEP saw, and asks for one thing', async () => {
    const run = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
    const stream = await streamCall(bed.ports.gateway, run, 'tick', {});
    const env = { CORDON_DATA: bed.data };
    const off = (...args: readonly string[]): Promise<Ran> => cordon(['off', ...args], { cwd: bed.dir, env });
    const { code, stdout } = await off('--run', run.run, '--reason', 'odd calls');
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`v run ${run.run} is revoked, .*: contained in \\d`));
    assert.match(stdout, /left +its process/);
    const again = await off('--run', run.run, '--reason', 'odd calls');
    assert.deepEqual([again.code, /was revoked before/.test(again.stdout)], [8, true]);
    assert.match(stdout, /gateway-1 +silent .* 1 connection, 1 call cut/);
    await cut(stream);
    const both = await off('caller', '--run', run.run, '--reason', 'x');
    assert.deepEqual([both.code, /name an agent or a run/.test(both.stderr)], [2, true]);
    assert.equal((await off('--reason', 'x')).code, 2);
    assert.equal((await off('--run', 'NOSUCHRUN', '--reason', 'x')).code, 2);
  });

  test('[I3] [I7] is in the log: who, what, why', async () => {
    await signedAll(bed);
    const act = (await readLog(bed)).acts.find(({ act: name, target }) => name === 'run.revoke' && target === caller.run);
    assert.deepEqual([act?.reason, act?.actor.startsWith('spiffe://test.example/operator/local/')], ['stolen laptop', true]);
  });

  test('as a client of the token service its client may revoke its own token, and the gateway knows at once', async () => {
    const run = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
    const task = await bed.task(run);
    const line = async (): Promise<string | undefined> => codeOf(await bed.tool(run, ...ECHO, task));
    assert.equal(await line(), undefined);
    assert.equal((await bed.post({ token: task }, { to: 'revoke', as: run })).status, 200);
    assert.equal(await line(), 'CORDON-2007');
    const { items } = (await bed.control('GET', '/v1/revocations')).json as { items: RevocationRow[] };
    assert.ok(items.some(({ kind, id }) => kind === 'token' && id === claimsOf(task)['jti']));
  });

  test('[I7] of an operator administers nothing any more, over no connection; who owns the machine starts another', async () => {
    const { json } = await bed.control('GET', '/v1/whoami');
    const id = String(json['spiffe_id']).split('/').at(-1);
    assert.equal((await bed.control('POST', '/v1/revocations', { kind: 'run', id, reason: 'stolen' })).status, 200);
    const refusal = await bed.control('GET', '/v1/whoami');
    assert.equal(refusal.json['code'], 'CORDON-4005', refusal.text);
    await bed.stop('SIGTERM');
    await bed.start();
    await bed.ready();
    assert.equal((await bed.control('GET', '/v1/whoami')).json['name'], 'local');
  });
});

const tls = ({ cert, key, ca }: Svid): Svid => ({ cert, key, ca });

describe('an order to revoke', () => {
  const CONFIG = parseConfig(
    'trustDomain: test.example\nsegments: { desk: }\nagents: { clerk: { segment: desk, owner: o, purpose: p } }\n',
    'x.yaml',
  );
  const NOW = 1_800_000_000_000;

  interface Bench {
    readonly parts: RevocationParts;
    readonly steps: string[];
    readonly rows: RevocationRow[];
  }

  /** `fails`: the step that throws. */
  function bench(fails?: string): Bench {
    const steps: string[] = [];
    const rows: RevocationRow[] = [];
    const step = (name: string): void => {
      steps.push(name);
      if (name === fails) throw new Refusal('CORDON-9004', `${name} failed`);
    };
    const publisher = createPublisher(CONFIG, () => NOW);
    publisher.setRun('R1AB', { agent: 'clerk', notAfter: NOW + 1000, since: 0 });
    publisher.publish();
    publisher.attach({
      id: 'gateway-1',
      apply: () => undefined,
      async contain(snapshot, target: Target) {
        steps.push(`contain ${target.kind} ${target.id}`);
        assert.ok(snapshot.revoked.runs.has('R1AB') || target.kind !== 'run');
        return { pep: 'gateway-1', connections: 0, calls: 0, remaining: 0, silentMs: 1 };
      },
    });
    const log = {
      append() {
        step('log');
        return { log: 'l', seq: 1, leafHash: 'h' };
      },
    };
    const store: RevocationParts['store'] = {
      addRevocation: async (row) => {
        step('keep');
        rows.push(row);
      },
      activeRevocations: async () => rows,
      getRun: async () => undefined,
      endRun: async () => true,
      certificatesOf: async () => [],
    };
    return { parts: { publisher, log, store, now: () => NOW }, steps, rows };
  }

  const order = { kind: 'run', id: 'R1AB', actor: 'spiffe://test.example/operator/local', reason: 'why' } as const;

  test('[I3] is logged, kept, and only then applied', async () => {
    const { parts, steps, rows } = bench();
    const { status, cutMs } = await revoke(parts, order);
    assert.deepEqual([steps, status, cutMs], [['log', 'keep', 'contain run R1AB'], 'contained', 1]);
    assert.ok((rows[0]?.until ?? 0) >= NOW + 3_600_000, 'for longer than any token lives');
    assert.equal(parts.publisher.current().runs.has('R1AB'), false);
  });

  for (const fails of ['log', 'keep']) {
    test(`[I1] takes away even when ${fails} fails, and says that it failed`, async () => {
      const { parts, steps } = bench(fails);
      await assert.rejects(revoke(parts, order), { code: 'CORDON-9004' });
      assert.equal(steps.at(-1), 'contain run R1AB');
      assert.ok(parts.publisher.current().revoked.runs.has('R1AB'));
    });
  }

  test('crash: a run that was revoked and not yet ended is ended at the next start', async () => {
    const { parts, rows } = bench();
    await revoke(parts, order);
    const ended: string[] = [];
    const publisher = createPublisher(CONFIG, () => NOW);
    const store = { ...parts.store, activeRevocations: async () => rows, endRun: async (id: string) => ended.push(id) > 0 };
    await restoreRevocations({ publisher, store, now: () => NOW });
    publisher.setRun('R1AB', { agent: 'clerk', notAfter: NOW + 1000, since: 0 });
    publisher.publish();
    assert.deepEqual([ended, publisher.current().runs.size, publisher.current().revoked.runs.has('R1AB')], [['R1AB'], 0, true]);
  });

  test('is forgotten when nothing of it can live any more, and a renewal under way does not bring the run back', async () => {
    let now = NOW;
    const publisher = createPublisher(CONFIG, () => now);
    publisher.revoke('run', 'R1AB', NOW + 10);
    publisher.revoke('token', 'jti', NOW + 20);
    publisher.setRun('R1AB', { agent: 'clerk', notAfter: NOW + 1000, since: 0 });
    publisher.publish();
    assert.equal(publisher.current().runs.size, 0);
    now = NOW + 10;
    publisher.heartbeat();
    assert.deepEqual([publisher.current().revoked.runs.size, publisher.current().revoked.tokens.size], [0, 1]);
  });
});
