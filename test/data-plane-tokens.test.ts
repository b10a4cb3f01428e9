// Task tokens through another data plane: HAProxy in front, the same token, mandate and proofs as at our own gateway, and nothing of them behind it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { freePorts, send, toolCall, type Answer, type Svid } from './support/bed.ts';
import { missing, openUpstream, startHaproxy, type Running, type Upstream } from './support/data-planes.ts';
import { joinRun, renew, startRun, type RunSvid } from './support/join.ts';
import { claimsOf, makeSigner, proof, type Signer } from './support/oauth-bed.ts';
import { mandate, openTokenBed, type TokenBed } from './support/token-bed.ts';

const skip = missing('haproxy');

let bed: TokenBed;
let caller: RunSvid;
let upstream: Upstream;
let haproxy: Running;

before(async () => {
  if (skip !== false) return;
  const [port = 0] = await freePorts(1);
  bed = await openTokenBed(
    (yaml) =>
      `${yaml}dataPlanes:\n  haproxy: { protocol: spoe, url: "https://127.0.0.1:${port}", socket: run/haproxy.sock, access: owner, routes: { mcp/bench: { txnToken: true } } }\n`,
  );
  caller = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
  const svid = await joinRun(bed, await startRun(bed, 'resource', 'bench'));
  upstream = await openUpstream();
  haproxy = await startHaproxy({ bed, svid, port, upstream: upstream.port });
});
after(async () => {
  await (haproxy as Running | undefined)?.close();
  (upstream as Upstream | undefined)?.close();
  await (bed as TokenBed | undefined)?.[Symbol.asyncDispose]();
});

function tool(svid: Svid, name: string, args: object, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { path, headers: said, body } = toolCall(name, args);
  return send({ port: haproxy.port, path, body: String(body), svid, headers: { ...said, ...headers } });
}

const echo = (authorization: string, svid: Svid = caller, more: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  tool(svid, 'echo', { text: 'x' }, { authorization, ...more });

async function refused(answer: Promise<Answer>, status: number, code: string): Promise<Answer> {
  const given = await answer;
  assert.deepEqual([given.status, given.json['code']], [status, code], given.text);
  assert.deepEqual(upstream.take(), []);
  return given;
}

const last = async (): Promise<Record<string, unknown>> => {
  const { items } = (await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

void describe('a task token through HAProxy', { skip }, () => {
  void test('[I4] says for whom; it does not go on, a transaction token does', async () => {
    const task = await bed.task(caller);
    assert.equal((await echo(`Bearer ${task}`)).status, 200);
    const [reached] = upstream.take();
    assert.equal(reached?.headers['authorization'], undefined);
    assert.equal(claimsOf(reached?.headers['txn-token'])['txn'], claimsOf(task)['txn']);
    const record = await last();
    assert.deepEqual([record['on_behalf_of'], record['enforced_by']], ['corp/alice', 'haproxy']);
  });

  void test('[I4] the mandate decides on tool and arguments, and counts', async () => {
    const task = await bed.task(caller, {
      authorization_details: mandate(['write'], { arguments: { amount: { max: 10 } }, budget: { calls: 1 } }),
    });
    const write = (amount: number): Promise<Answer> => tool(caller, 'write', { line: 'x', amount }, { authorization: `Bearer ${task}` });
    await refused(echo(`Bearer ${task}`), 403, 'CORDON-3019');
    await refused(write(11), 403, 'CORDON-3019');
    assert.equal((await write(10)).status, 200);
    upstream.take();
    await refused(write(10), 403, 'CORDON-3019');
  });

  void test('[I5] is worth nothing in other hands, and the challenge says where to get one', async () => {
    const task = await bed.task(caller);
    const answer = await refused(echo(`Bearer ${task}`, bed.agent.svid), 401, 'CORDON-1013');
    assert.match(String(answer.headers['www-authenticate']), /^Bearer resource_metadata=".*\/mcp\/bench", error="invalid_token"/);
  });

  void test('[RFC8705] bound to a certificate it passes with that one alone', async () => {
    const bound = await bed.task(caller, { certificate_bound: 'true' });
    assert.equal((await echo(`Bearer ${bound}`)).status, 200);
    upstream.take();
    await refused(echo(`Bearer ${bound}`, await renew(bed, caller)), 401, 'CORDON-1013');
  });

  void test('[RFC9449] bound to a key it passes with a proof for the address that was called, once', async () => {
    const key = await makeSigner('key');
    const bound = await bed.task(caller, {}, { headers: { dpop: await firstProof(key) } });
    const ath = createHash('sha256').update(bound).digest('base64url');
    const good = await proof(key, { htu: `https://127.0.0.1:${haproxy.port}/mcp/bench`, ath });
    assert.equal((await echo(`DPoP ${bound}`, caller, { dpop: good })).status, 200);
    assert.deepEqual(
      upstream.take().map(({ headers }) => headers['dpop']),
      [undefined],
    );
    await refused(echo(`DPoP ${bound}`, caller, { dpop: good }), 401, 'CORDON-1016');
    const elsewhere = await proof(key, { htu: `${bed.gateway}/mcp/bench`, ath });
    await refused(echo(`DPoP ${bound}`, caller, { dpop: elsewhere }), 401, 'CORDON-1013');
    await refused(echo(`Bearer ${bound}`), 401, 'CORDON-1013');
  });

  /** The token service gives its nonce out with the first refusal. */
  async function firstProof(key: Signer): Promise<string> {
    const htu = `${bed.mtls}/oauth2/token`;
    const { headers } = await bed.post({ grant_type: 'client_credentials' }, { as: caller, headers: { dpop: await proof(key, { htu }) } });
    return proof(key, { htu, nonce: headers['dpop-nonce'] });
  }
});
