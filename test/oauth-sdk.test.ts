// Task tokens by the SDK: an agent for a user, the agent that it calls, and less of what is held.
import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Cordon } from '../src/sdk/index.ts';
import { claimsOf } from './support/oauth-bed.ts';
import { mandate, openWorld, type World } from './support/oauth-world.ts';

let [opened, agent]: [World | undefined, Cordon | undefined] = [undefined, undefined];
const cordon = (): Cordon => {
  if (agent === undefined) throw new Error('there is no agent');
  return agent;
};
const world = (): World => {
  if (opened === undefined) throw new Error('there is no world');
  return opened;
};

before(async () => {
  opened = await openWorld();
  const { json } = await opened.control('POST', '/v1/runs', { kind: 'agent', name: 'callee' });
  agent = await connect({
    CORDON_JOIN_TOKEN: String(json['token']),
    CORDON_IDENTITY_URL: String(json['identity_url']),
    CORDON_BUNDLE: String(json['bundle']),
  });
});
after(async () => {
  await agent?.close();
  await opened?.close();
});

test('for a user, for one server, within a mandate', async () => {
  const task = { resource: cordon().mcpUrl('bench'), mandate: mandate('tool:bench/echo') as never };
  const { token, expiresAt } = await cordon().tokens.forUser(world().alice, task);
  const { sub, aud, act, authorization_details: details } = claimsOf(token);
  deepEqual(
    [sub, aud, act, details],
    ['corp/alice', `${world().gateway}/mcp/bench`, { sub: cordon().spiffeId }, mandate('tool:bench/echo')],
  );
  ok(expiresAt > Date.now());
  await rejects(cordon().tokens.narrowed(token, { mandate: mandate('tool:bench/write') as never }), { code: 'CORDON-2003' });
});

test('for a call that came with a transaction token', async () => {
  const txn = await world().txn('caller', await world().task('caller', { scope: 'cordon' }), 'callee');
  const { token } = await cordon().tokens.forCall(txn, { resource: cordon().gateway });
  deepEqual(claimsOf(token)['act'], { sub: cordon().spiffeId, act: { sub: world().ids.caller } });
});

test('a refusal has its code', async () => {
  await rejects(cordon().tokens.forUser('no token'), { code: 'CORDON-1009' });
  await rejects(cordon().tokens.forUser(world().alice, { resource: new URL('https://elsewhere.example') }), { code: 'CORDON-2010' });
  equal((await cordon().tokens.forUser(await world().userToken(), { type: 'id_token' })).token.split('.').length, 3);
});
