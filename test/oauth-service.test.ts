// The token service of a running Cordon: who may know of a token, what ends it, what a restart leaves, and what is on record.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send } from './support/bed.ts';
import { claimsOf, EXCHANGE, formOf, proof, TYPE } from './support/oauth-bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { openWorld, type RunSvid, type World } from './support/oauth-world.ts';

let opened: World | undefined;
const world = (): World => {
  if (opened === undefined) throw new Error('there is no world');
  return opened;
};

before(async () => {
  opened = await openWorld();
});
after(() => opened?.close());

const INACTIVE = { active: false };
const look = async (token: string, as: RunSvid | World['operator'] = world().operator): Promise<Record<string, unknown>> =>
  (await world().post({ token }, { to: 'introspect', as })).json;

describe('introspection (RFC 7662)', () => {
  test('an agent knows of what it holds or handed on, others of nothing', async () => {
    const { runs } = world();
    const first = await world().task('caller', { scope: 'cordon' });
    const second = String((await world().hop('callee', await world().txn('caller', first, 'callee'))).json['access_token']);
    for (const [token, as, active] of [
      [first, runs.caller, true],
      [second, runs.caller, true],
      [second, runs.callee, true],
      [first, runs.callee, false],
      [first, runs.other, false],
      [second, runs.other, false],
      [second, world().operator, true],
    ] as const) {
      const { active: seen, ...facts } = await look(token, as);
      equal(seen, active);
      equal(Object.keys(facts).length > 0, active);
    }
  });

  test('§2.2: what is no task token of ours is not active, and nothing is said about it', async () => {
    const w = world();
    const txn = await w.txn('caller', await w.task('caller', { scope: 'cordon' }), 'callee');
    const idJag = { ...w.exchange(), requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag', resource: undefined };
    const introduced = await w.post({ ...idJag, audience: 'https://as.partner.example' }, { as: w.runs.caller });
    equal(introduced.json['token_type'], 'N_A', introduced.text);
    const others = [
      txn,
      String(introduced.json['access_token']),
      w.alice,
      w.assertions.caller,
      await proof(w.dpopKey, { htu: w.mtls }),
      'x',
      'a.b.c',
    ];
    for (const token of others) deepEqual(await look(token), INACTIVE);
  });

  test('a JWT-SVID is enough to ask, at the listener that asks for no certificate', async () => {
    const token = await world().task('caller');
    const { json } = await world().post({ token, ...world().signedIn() }, { to: 'introspect' });
    deepEqual([json['active'], json['token_type'], json['jti']], [true, 'Bearer', claimsOf(token)['jti']]);
  });
});

describe('what ends a token', () => {
  test('[I6] the end of its run, and of a run that handed it on', async () => {
    const [own, next] = [await world().svid('caller'), await world().svid('callee')];
    const granted = await world().post(world().exchange({ scope: 'cordon' }), { as: own });
    const first = String(granted.json['access_token']);
    const form = {
      grant_type: EXCHANGE,
      subject_token: first,
      subject_token_type: TYPE.access,
      requested_token_type: TYPE.txn,
      audience: 'test.example',
    };
    const call = { request_details: JSON.stringify({ action: 'a2a/SendMessage', resource: 'agent:callee', callee: 'callee' }) };
    const txn = String((await world().post({ ...form, ...call }, { as: own })).json['access_token']);
    const hop = { grant_type: EXCHANGE, subject_token: txn, subject_token_type: TYPE.txn };
    const second = String((await world().post(hop, { as: next })).json['access_token']);
    equal((await look(second))['active'], true);
    equal((await world().control('POST', '/v1/revocations', { kind: 'run', id: own.run, reason: 'test' })).status, 200);
    for (const token of [first, second]) deepEqual(await look(token), INACTIVE);
    const again = await world()
      .post(world().exchange(), { as: own })
      .catch((error: unknown) => error);
    ok(again instanceof Error || (again as { status: number }).status === 401);
    equal((await world().post(hop, { as: next })).status, 400);
  });

  test('[I6] the level of its agent, until it is lifted', async () => {
    const token = await world().task('other');
    await world().control('POST', '/v1/agents/other/level', { level: 'off', reason: 'test' });
    deepEqual(await look(token), INACTIVE);
    const refused = await world()
      .post(world().exchange(), { as: world().runs.other })
      .catch((error: unknown) => error);
    ok(refused instanceof Error || [400, 401].includes((refused as { status: number }).status));
    await world().control('POST', '/v1/agents/other/level', { level: 'normal', reason: 'test' });
    equal((await look(token))['active'], true);
  });

  test('an operator ends a whole task by its name', async () => {
    const token = await world().task('caller');
    const { status, text } = await world().control('POST', '/v1/revocations', { kind: 'txn', id: claimsOf(token)['txn'], reason: 'test' });
    equal(status, 200, text);
    deepEqual(await look(token), INACTIVE);
  });
});

describe('the wire', () => {
  test('metadata and keys are for everybody, and hold no secret', async () => {
    for (const path of ['/.well-known/oauth-authorization-server', '/oauth2/jwks']) {
      const { status, text } = await send({ port: world().ports.identity, path, method: 'GET', svid: { ca: world().ca } });
      equal(status, 200);
      ok(!/"(d|k|p|q)":/.test(text));
    }
  });

  test('there is nowhere to sign in: users do that at their own issuers', async () => {
    const { status, json } = await send({
      port: world().ports.identity,
      path: '/oauth2/authorize?response_type=code',
      method: 'GET',
      svid: { ca: world().ca },
    });
    deepEqual([status, json['error']], [400, 'unsupported_response_type']);
  });

  test('a header that comes twice is no header', async () => {
    const form = formOf({ ...world().exchange(), ...world().signedIn() });
    const { json } = await world().post(
      {},
      { body: form, headers: { 'content-type': ['application/x-www-form-urlencoded', 'text/plain'] } },
    );
    equal(json['error'], 'invalid_request');
  });

  test('[I3] what is refused is on record, with who asked and without what was sent', async () => {
    const { status } = await world().post(world().exchange({ resource: 'https://elsewhere.example' }), { as: world().runs.callee });
    equal(status, 400);
    await signedAll(world());
    const { decisions } = await readLog(world());
    const refused = decisions.filter(({ code, action }) => code === 'CORDON-2010' && action === 'control/POST /oauth2/token');
    deepEqual(refused.at(-1)?.principal, world().ids.callee);
    ok(!JSON.stringify(decisions).includes('eyJ'));
  });
});

test('[I6] a restart brings nothing back: what was revoked stays so, a proof from before is of no use, and what lived lives', async () => {
  const w = world();
  const [lives, dies] = [await w.task('caller'), await w.task('caller')];
  equal((await w.post({ token: dies }, { to: 'revoke', as: w.runs.caller })).status, 200);
  const old = await w.proof({ jti: 'from before' });
  await w.stop();
  await w.start();
  deepEqual(await look(dies), INACTIVE);
  equal((await look(lives))['active'], true);
  const { json } = await w.post(w.exchange(), { as: w.runs.caller, headers: { dpop: old } });
  equal(json['error'], 'use_dpop_nonce');
});
