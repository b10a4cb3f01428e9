// When the address of a webhook is of no use any more, with the clock, the revocations and the levels that a test gives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomKey } from '../src/crypto/random.ts';
import { sealer as sealerOf } from '../src/crypto/seal.ts';
import type { AccessRequest, Level } from '../src/domain/access.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { createA2aIds } from '../src/gateway/a2a-ids.ts';
import { withOwnIds } from '../src/gateway/a2a-inward.ts';
import { openPush, pushAddress, pushIn, referenceFor, type PushReference } from '../src/gateway/a2a-push-address.ts';
import { decodePush } from '../src/gateway/a2a-push-decode.ts';
import { readMessagePush } from '../src/gateway/a2a-push-params.ts';
import type { Call } from '../src/gateway/call.ts';
import type { Peer } from '../src/gateway/connections.ts';
import type { Exchange } from '../src/gateway/exchange.ts';
import type { Pep } from '../src/gateway/pep.ts';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const sealer = sealerOf(randomKey());
const RUN = 'spiffe://acme.example/agent/caller/run/R1';

const request = (delegation?: object): AccessRequest =>
  ({ subject: { type: 'agent', id: 'caller', spiffeId: RUN, run: 'R1' }, ...(delegation && { delegation }) }) as unknown as AccessRequest;
const delegation = { token: 't1', parents: ['t0'], txn: 'x1', chain: [RUN], mandate: [], expiresAt: NOW + HOUR };
const push = { agent: 'callee', about: { kind: 'task', id: 'T' } as const, url: 'https://hooks.example/a', secrets: {} };

interface Stand {
  readonly at?: number;
  readonly tokens?: readonly string[];
  readonly txns?: readonly string[];
  readonly runs?: readonly string[];
  readonly level?: Level;
  readonly peer?: string;
}

/** What becomes of a delivery; one that lives goes on to ask for its host, which is registered nowhere here. */
async function end(
  reference: PushReference,
  { at = NOW, tokens = [], txns = [], runs = [], level = 'normal', peer = 'callee' }: Stand,
): Promise<string> {
  const snapshot = {
    revoked: { tokens: new Set(tokens), txns: new Set(txns), runs: new Set(runs) },
    world: { agents: [], resources: [], segments: [], levels: new Map([['caller', level]]) },
    trustDomain: 'acme.example',
  };
  const pep = { stateSealer: sealer, now: () => at, snapshot: () => snapshot, upstreams: { outside: () => undefined } } as unknown as Pep;
  const exchange = { req: { method: 'POST', headers: {} } } as unknown as Exchange;
  const sealed = pushAddress(sealer, 'https://g', reference).split('/').at(-1) ?? '';
  const error = await decodePush(pep, exchange, { agent: peer } as unknown as Peer, { name: peer, sealed }).catch(
    (cause: unknown) => cause,
  );
  const { code, message } = error as { code: string; message: string };
  return `${code} ${message}`;
}

const LIVES = /^CORDON-3003 the host is not registered any more/;

void test('[I5] a webhook ends with the token that it was asked for with, else after a day, and not a millisecond later', async () => {
  const [own, task] = [referenceFor(request(), push, NOW), referenceFor(request(delegation), push, NOW)];
  assert.deepEqual([own.until, task.until], [NOW + 24 * HOUR, NOW + HOUR]);
  for (const reference of [own, task]) {
    assert.match(await end(reference, { at: reference.until - 1 }), LIVES);
    assert.match(await end(reference, { at: reference.until }), /^CORDON-1010/);
  }
});

void test('[I6] it dies with its token, with one before it, with its task, with its run, and while its caller is off', async () => {
  const reference = referenceFor(request(delegation), push, NOW);
  assert.match(await end(reference, {}), LIVES);
  for (const stand of [{ tokens: ['t1'] }, { tokens: ['t0'] }, { txns: ['x1'] }, { runs: ['R1'] }])
    assert.match(await end(reference, stand), /^CORDON-2007/, JSON.stringify(stand));
  assert.match(await end(referenceFor(request(), push, NOW), { runs: ['R1'] }), /^CORDON-2007/, 'without a token too');
  assert.match(await end(reference, { level: 'off' }), /^CORDON-4004/);
});

void test('[I9] what is no address of this agent says nothing else, whatever it is', async () => {
  assert.match(await end(referenceFor(request(), push, NOW), { peer: 'other' }), /^CORDON-3003 no such path/);
  const foreign = pushAddress(sealerOf(randomKey()), 'https://g', referenceFor(request(), push, NOW));
  const older = Buffer.from(sealer.seal('a2a-push', Buffer.from('{"agent":"callee"}'))).toString('base64url');
  const state = Buffer.from(sealer.seal('another', Buffer.from('{}'))).toString('base64url');
  for (const sealed of ['', '_', 'A'.repeat(16_384), older, state]) assert.equal(openPush(sealer, sealed), undefined);
  for (const url of [foreign, undefined, 7, '', 'https://evil.example/a2a/callee/push/', {}]) assert.equal(pushIn(sealer, url), undefined);
});

void test('[I5] a webhook in a message is bound to the task, else to the context; where there is neither it is refused', () => {
  const a2aIds = createA2aIds(randomKey());
  const of = { ...request(), resource: { type: 'agent', id: 'callee' } } as unknown as AccessRequest;
  const ids = a2aIds(of);
  const bound = (message: JsonObject, makesContexts: boolean): PushReference['about'] | undefined => {
    const pep = {
      stateSealer: sealer,
      now: () => NOW,
      a2aIds,
      upstreams: { a2a: () => ({ makesContexts, pushBase: 'https://g' }) },
    } as unknown as Pep;
    const webhook = readMessagePush({ url: 'https://hooks.example/a' }, message['taskId']);
    const plan = { kind: 'a2a/send', agent: 'callee', params: { message }, push: webhook };
    const { plan: sent } = withOwnIds(pep, { request: of, plan } as unknown as Call);
    const { configuration } = ('onward' in sent ? sent.onward : undefined) as { configuration: { taskPushNotificationConfig: JsonObject } };
    return pushIn(sealer, configuration.taskPushNotificationConfig['url'])?.about;
  };
  assert.deepEqual(bound({ taskId: ids.shown('task', 'T'), contextId: ids.shown('context', 'C') }, false), { kind: 'task', id: 'T' });
  assert.deepEqual(bound({ contextId: ids.shown('context', 'C') }, true), { kind: 'context', id: 'C' });
  const named = bound({}, false);
  assert.ok(named?.kind === 'context' && ids.nameIn('context', named.id) !== undefined, 'a context that only this caller can name');
  assert.throws(() => bound({}, true), { code: 'CORDON-3023' });
  assert.throws(() => bound({ taskId: 'T' }, false), { code: 'CORDON-3003' }, 'a task that it was not given');
});
