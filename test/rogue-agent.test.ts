// A rogue agent with a key, an SVID and a task token that are all good: in 10,000 attempts over the wire nothing reaches an upstream that its
// policy, its task or its segment does not allow. The witnesses are the upstreams; what the gateway answered is not asked.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Agent } from 'undici';
import { Random } from '../conformance/random.ts';
import { send, toolCall, type Svid } from './support/bed.ts';
import { attemptOf, type Attempt, type Kind } from './support/rogue-attempts.ts';
import { breaches, BUDGET, openRogueWorld, type RogueWorld } from './support/rogue-world.ts';
import { bearer } from './support/token-bed.ts';

const SEED = 2_026;
const ATTEMPTS = 10_000;
/** Calls at once: so many race for what the budget has left. */
const AT_ONCE = 24;

let world: RogueWorld;
before(async () => {
  world = await openRogueWorld();
});
after(() => (world as RogueWorld | undefined)?.[Symbol.asyncDispose]());

interface Tried {
  readonly sent: Map<Kind, number>;
  readonly done: Map<Kind, number>;
  readonly broken: string[];
}

/** Over connections that stay open, where the gateway leaves them open. */
async function tryAll(attempts: number): Promise<Tried> {
  const random = new Random(SEED);
  const agents = new Map<Partial<Svid>, Agent>([world.rogue, world.ended].map((svid) => [svid, agentOf(svid)]));
  const held = [world.token.own];
  const tried: Tried = { sent: new Map(), done: new Map(), broken: [] };
  const count = (map: Map<Kind, number>, { kind }: Attempt): unknown => map.set(kind, (map.get(kind) ?? 0) + 1);
  let left = attempts;
  const one = async (attempt: Attempt): Promise<void> => {
    count(tried.sent, attempt);
    const { port, path, svid, method = 'POST', headers = {}, body = null } = attempt;
    const to = { origin: `https://127.0.0.1:${port}`, path, method: method as 'POST', body };
    const answer = await agents.get(svid)?.request({ ...to, headers: { 'content-type': 'application/json', ...headers } });
    const text = await answer?.body.text();
    if (answer?.statusCode !== 200) return;
    count(tried.done, attempt);
    // whatever the token service gave it, it uses
    if (attempt.kind === 'exchange') held.push((JSON.parse(text ?? '') as { access_token: string }).access_token);
  };
  const caller = async (): Promise<void> => {
    while (left-- > 0) await one(attemptOf(random, world, held)).catch((error: unknown) => tried.broken.push(String(error)));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  await Promise.all([...agents.values()].map((agent) => agent.destroy()));
  return tried;
}

const agentOf = ({ cert, key, ca }: Svid): Agent =>
  new Agent({ connections: AT_ONCE, connect: { cert, key, ca, checkServerIdentity: () => undefined } });

describe('a rogue agent whose credentials are good', () => {
  test('[I2] [I4] [I5] [I7] [I9] writes nothing outside its policy, task and segment in 10,000 random attempts', async (t) => {
    const stateOf = async (): Promise<unknown> => {
      const agents = (await world.bed.control('GET', '/v1/agents')).json['items'] as { name: string; level: string; runs: unknown[] }[];
      return [
        agents.map(({ name, level, runs }) => [name, level, runs.length]),
        (await world.bed.control('GET', '/v1/policies')).json['enforced'],
      ];
    };
    const state = await stateOf();
    const started = performance.now();
    const { sent, done, broken } = await tryAll(ATTEMPTS);
    t.diagnostic(
      `${ATTEMPTS} attempts in ${Math.round(performance.now() - started)} ms: ${JSON.stringify([...sent])}, answered with 200: ${JSON.stringify([...done])}, broken off: ${JSON.stringify([...new Set(broken)])} ${broken.length}; reached: ${world.arrived.length} calls, ${world.billing.received.length} of billing`,
    );
    assert.deepEqual(breaches(world), []);
    // it was no world where nothing passes
    assert.equal(world.arrived.length, BUDGET);
    assert.ok(
      world.billing.received.some(({ method }) => method === 'POST') && world.billing.received.some(({ method }) => method === 'GET'),
    );
    assert.ok((done.get('exchange') ?? 0) > 0);
    assert.equal(done.get('control'), undefined);
    assert.deepEqual(await stateOf(), state);
  });

  test('[I4] what it was allowed is used up: the same call again reaches nobody', async () => {
    const { path, headers, body } = toolCall('write', { line: 'note:x', amount: 1 });
    const again = { port: world.bed.ports.gateway, path, body: body ?? '', svid: world.rogue };
    const before_ = world.arrived.length;
    await Promise.all(Array.from({ length: 20 }, () => send({ ...again, headers: { ...headers, ...bearer(world.token.own) } })));
    assert.equal(world.arrived.length, before_);
  });
});

test('a breach is seen as one', async () => {
  const [one] = world.arrived;
  assert.ok(one !== undefined);
  const seen = { ...world, billing: { received: [] }, closed: { received: [] } };
  const told = (over: Partial<typeof one>): number => breaches({ ...seen, arrived: [{ ...one, ...over }] }).length;
  const said = (name: string, given: string): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","arguments":${given}}}`;
  assert.equal(told({}), 0);
  assert.equal(told({ body: said('write', '{"line":"note:x","amount":10}') }), 0);
  for (const given of [
    '{"line":"note:x","amount":11}',
    '{"line":"x","amount":1}',
    '{"line":"note:x","amount":1,"amount":1}',
    '{"line":"note:x","amount":"1"}',
    '{"line":"note:x","amount":1,"more":"x"}',
  ])
    assert.equal(told({ body: said('write', given) }), 1, given);
  assert.equal(told({ body: said('secret', '{}') }), 1);
  assert.equal(told({ at: 'safe' }), 1);
  assert.equal(told({ headers: { ...one.headers, 'txn-token': world.token.ofCallee } }), 1);
  assert.equal(breaches({ ...seen, arrived: Array.from({ length: BUDGET + 1 }, () => one) }).length, 1);
  const request = { method: 'POST', url: '/v1/invoices/8/payments', headers: [], body: '{"amount":1}' };
  assert.equal(breaches({ ...seen, arrived: [], billing: { received: [request] } }).length, 1);
  assert.equal(breaches({ ...seen, arrived: [], closed: { received: [request] } }).length, 1);
});
