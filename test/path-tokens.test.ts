// Task tokens on the path of a call, over real processes and sockets: user → agent → agent → tool. What the task was given passes; what
// it was not, and every token in other hands, does not.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { send, toolCall, type Answer, type Svid } from './support/bed.ts';
import { streamCall } from './support/call-stream.ts';
import { joinRun, renew, startRun, type RunSvid } from './support/join.ts';
import { claimsOf, jwt, makeSigner, now, proof, thumbprint, TYPE, x5t } from './support/oauth-bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { codeOf, mandate, openTokenBed, type TokenBed } from './support/token-bed.ts';
import { until } from './support/until.ts';

let bed: TokenBed;
let caller: RunSvid;
before(async () => {
  bed = await openTokenBed((yaml) => yaml.replace('purpose: is called,', 'purpose: is called, token: required,'));
  caller = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
});
after(() => (bed as TokenBed | undefined)?.[Symbol.asyncDispose]());

interface Delegated {
  readonly tokens: number;
  readonly tasks: number;
  readonly agents: readonly string[];
  readonly complete: boolean;
}

const ECHO = ['echo', { text: 'x' }] as const;
const said = (answer: Answer): unknown => [answer.status, codeOf(answer)];
const idOf = ({ run }: RunSvid, agent = 'caller'): string => `spiffe://test.example/agent/${agent}/run/${run}`;
const txnOf = (headers: Record<string, unknown> | undefined): Record<string, unknown> => claimsOf(headers?.['txn-token']);
const lastOf = async (agent: string): Promise<Record<string, unknown>> => {
  const { items } = (await bed.control('GET', `/v1/decisions?agent=${agent}&limit=1`)).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

describe('[I4] a task that goes from a user through two agents to a tool', () => {
  test('passes at every hop, is told to each callee, and is in the record; the tool sees nobody’s task token', async () => {
    const task = await bed.task(caller, {
      authorization_details: JSON.stringify([{ type: 'cordon_task', actions: ['*'], locations: ['agent:callee', 'tool:bench/echo'] }]),
    });
    assert.deepEqual(said(await bed.message(caller, 'look it up', task)), [200, undefined]);

    const headers = bed.agent.calls.at(-1);
    const txn = txnOf(headers);
    assert.deepEqual(
      [txn['iss'], txn['aud'], txn['sub'], txn['txn'], txn['req_wl']],
      [bed.issuer, 'test.example', 'corp/alice', claimsOf(task)['txn'], idOf(caller)],
    );
    const { action, resource, callee, parents } = txn['tctx'] as Record<string, unknown>;
    assert.deepEqual([action, resource, callee, parents], ['a2a/SendMessage', 'agent:callee', 'callee', [claimsOf(task)['jti']]]);
    assert.equal(headers?.authorization, undefined);

    const hop = await bed.exchange(bed.agent.svid, String(headers?.['txn-token']), TYPE.txn);
    assert.deepEqual(said(await bed.tool(bed.agent.svid, ...ECHO, hop)), [200, undefined]);
    assert.equal(bed.tools.calls.at(-1)?.authorization, 'Bearer test-key-only-the-gateway-has');
    assert.equal(txnOf(bed.tools.calls.at(-1))['txn'], claimsOf(task)['txn']);

    const record = await until('it is kept', async () => {
      const found = await lastOf('callee');
      return found['action'] === 'tools/call' ? found : undefined;
    });
    assert.deepEqual([record['on_behalf_of'], record['txn']], ['corp/alice', claimsOf(task)['txn']]);
    assert.deepEqual(record['chain'], [{ sub: idOf(caller) }, { sub: idOf(bed.agent.svid, 'callee') }]);
    assert.deepEqual(said(await bed.tool(bed.agent.svid, 'write', { line: 'wider', amount: 1 }, hop)), [403, 'CORDON-3019'].with(0, 200));
  });

  test('the mandate stops other tools and other arguments, and counts', async () => {
    const task = await bed.task(caller, {
      authorization_details: mandate(['write'], { arguments: { amount: { max: 10 } }, budget: { calls: 2 } }),
    });
    const write = (amount: number): Promise<Answer> => bed.tool(caller, 'write', { line: 'x', amount }, task);
    assert.deepEqual(said(await write(11)), [200, 'CORDON-3019']);
    assert.deepEqual(said(await bed.tool(caller, ...ECHO, task)), [200, 'CORDON-3019']);
    assert.deepEqual(
      [said(await write(10)), said(await write(9)), said(await write(8))],
      [
        [200, undefined],
        [200, undefined],
        [200, 'CORDON-3019'],
      ],
    );
    const again = await bed.exchange(caller, task, TYPE.access);
    assert.deepEqual(said(await bed.tool(caller, 'write', { line: 'x', amount: 1 }, again)), [200, 'CORDON-3019'], 'one task, one budget');
    assert.equal((await lastOf('caller'))['gate'], 'mandate');
  });

  test('the user’s own rights bound it too, and a denial is no 401', async () => {
    const task = await bed.task(caller, {}, {}, { groups: [] });
    const answer = await bed.tool(caller, ...ECHO, task);
    assert.deepEqual([...(said(answer) as unknown[]), answer.headers['www-authenticate']], [200, 'CORDON-3001', undefined]);
    assert.equal((await lastOf('caller'))['gate'], 'user');
  });

  test('an agent off in its chain stops it', async () => {
    const task = await bed.task(caller);
    await bed.message(caller, 'go on', task);
    const hop = await bed.exchange(bed.agent.svid, String(bed.agent.calls.at(-1)?.['txn-token']), TYPE.txn);
    assert.deepEqual(said(await bed.tool(bed.agent.svid, ...ECHO, hop)), [200, undefined]);
    const { delegated: held } = (await bed.control('GET', '/v1/agents/caller')).json as { delegated: Delegated };
    assert.ok(held.tokens >= 2 && held.tasks >= 1, JSON.stringify(held));
    assert.deepEqual([held.agents, held.complete], [['callee'], false], 'younger than the longest life of a token');
    const { delegated } = (await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' })).json;
    assert.deepEqual(delegated, { before: held, dead: held.tokens }, 'its own, and those of the agent below it');
    assert.deepEqual(said(await bed.tool(bed.agent.svid, ...ECHO, hop)), [200, 'CORDON-2007']);
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    caller = await renew(bed, caller);
  });

  test('a caller without a task is named to the callee as its own, without a user', async () => {
    assert.deepEqual(said(await bed.tool(caller, ...ECHO)), [200, undefined]);
    const { sub, txn, tctx } = txnOf(bed.tools.calls.at(-1));
    assert.deepEqual([sub, txn, (tctx as { user?: unknown }).user], ['spiffe://test.example/agent/caller', caller.run, undefined]);
    const first = bed.tools.calls.at(-1)?.['txn-token'];
    await bed.tool(caller, ...ECHO);
    assert.equal(bed.tools.calls.at(-1)?.['txn-token'], first);
  });
});

describe('[I5] a token that is not good here', () => {
  let task: string;
  before(async () => {
    task = await bed.task(caller);
  });

  /** Refused with 401, told where tokens come from, recorded; and nothing reaches the tool. */
  async function refused(answer: Promise<Answer>, code: string, error: string | undefined, scheme = 'Bearer'): Promise<void> {
    const calls = bed.tools.calls.length;
    const { status, headers, ...rest } = await answer;
    assert.deepEqual([status, codeOf({ status, headers, ...rest })], [401, code]);
    const challenge = String(headers['www-authenticate']);
    assert.ok(
      challenge.startsWith(`${scheme} resource_metadata="${bed.gateway}/.well-known/oauth-protected-resource/mcp/bench"`),
      challenge,
    );
    assert.equal(/error="(\w+)"/.exec(challenge)?.[1], error);
    assert.equal(bed.tools.calls.length, calls);
    const { items } = (await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
    assert.deepEqual([items[0]?.['code'], items[0]?.['verdict']], [code, 'deny']);
    assert.ok(!JSON.stringify(items[0]).includes(task.split('.')[2] ?? task), 'no token in the log');
  }
  const with_ = (authorization: string | readonly string[], svid: Svid = caller, more: Record<string, string> = {}): Promise<Answer> =>
    bed.tool(svid, ...ECHO, undefined, { headers: { authorization, ...more } });

  test('in the hands of another agent, or of another run of the same one', async () => {
    await refused(bed.tool(bed.agent.svid, ...ECHO, task), 'CORDON-1013', 'invalid_token');
    await refused(bed.tool(await bed.svid('caller'), ...ECHO, task), 'CORDON-1013', 'invalid_token');
  });

  test('that has expired', async () => {
    const short = await bed.task(caller, {}, {}, { groups: ['staff'], exp: now() + 2 });
    assert.deepEqual(said(await bed.tool(caller, ...ECHO, short)), [200, undefined]);
    await until('it has expired', () => (Date.now() >= Number(claimsOf(short)['exp']) * 1000 ? true : undefined));
    await refused(bed.tool(caller, ...ECHO, short), 'CORDON-1010', 'invalid_token');
  });

  test('where one is needed: the one that is missing', async () => {
    const { status, headers, json } = await bed.message(caller, 'hi');
    assert.deepEqual([status, json['code']], [401, 'CORDON-1008']);
    assert.equal(headers['www-authenticate'], `Bearer resource_metadata="${bed.gateway}/.well-known/oauth-protected-resource/a2a/callee"`);
    const other = await bed.svid('other');
    assert.match((await bed.message(other, 'hi')).text, /"TASK_NOT_FOUND"/, 'to who may not know the agent it does not exist');
  });

  test('for another resource, and good for the one route that it names', async () => {
    const other = await bed.task(caller, { resource: `${bed.gateway}/a2a/callee` });
    await refused(bed.tool(caller, ...ECHO, other), 'CORDON-1011', 'invalid_token');
    const bench = await bed.task(caller, { resource: `${bed.gateway}/mcp/bench` });
    assert.deepEqual(said(await bed.tool(caller, ...ECHO, bench)), [200, undefined]);
  });

  test('of another type, of another key, altered, or no token at all', async () => {
    await bed.tool(caller, ...ECHO, task);
    const parts = task.split('.');
    const bad = [
      String(bed.tools.calls.at(-1)?.['txn-token']),
      await bed.userToken(),
      await jwt(bed.users, { ...claimsOf(task) }, { typ: 'at+jwt' }),
      await jwt(await makeSigner(String(claimsOf(`.${parts[0] ?? ''}`)['kid'])), { ...claimsOf(task) }, { typ: 'at+jwt' }),
      [parts[0], Buffer.from(JSON.stringify({ ...claimsOf(task), sub: 'corp/root' })).toString('base64url'), parts[2]].join('.'),
      'x',
    ];
    for (const token of bad) await refused(bed.tool(caller, ...ECHO, token), 'CORDON-1009', 'invalid_token');
    for (const header of ['Basic eA==', `Bearer ${task} x`, 'Bearer', `Bearer ${task}, Bearer ${task}`]) {
      await refused(with_(header), 'CORDON-1009', 'invalid_token');
    }
  });

  test('beside another one, and a transaction token of the caller’s own goes nowhere', async () => {
    assert.deepEqual(said(await with_([`Bearer ${task}`, `Bearer ${task}`])), [400, 'CORDON-3011']);
    const txn = String(bed.tools.calls.at(-1)?.['txn-token']);
    const twice = await bed.tool(caller, ...ECHO, task, { headers: { 'txn-token': [txn, txn] } });
    assert.deepEqual(said(twice), [400, 'CORDON-3011']);
    await bed.tool(caller, ...ECHO, task, { headers: { 'txn-token': 'mine' } });
    assert.equal(txnOf(bed.tools.calls.at(-1))['txn'], claimsOf(task)['txn']);
  });

  test('[RFC9449] bound to a key that is not shown, or whose proof is for something else, or was used', async () => {
    const key = await makeSigner('dpop');
    const bound = await bed.task(caller, {}, { headers: { dpop: await firstProof(key) } });
    assert.deepEqual(claimsOf(bound)['cnf'], { jkt: await thumbprint(key) });
    const htu = `${bed.gateway}/mcp/bench`;
    const ath = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(bound))).toString('base64url');
    const good = await proof(key, { htu, ath });
    await refused(bed.tool(caller, ...ECHO, bound), 'CORDON-1013', 'invalid_token');
    await refused(with_(`Bearer ${bound}`, caller, { dpop: good }), 'CORDON-1013', 'invalid_token');
    await refused(with_(`DPoP ${bound}`), 'CORDON-1013', 'invalid_token', 'DPoP');
    assert.deepEqual(said(await with_(`DPoP ${bound}`, caller, { dpop: good })), [200, undefined]);
    await refused(with_(`DPoP ${bound}`, caller, { dpop: good }), 'CORDON-1016', 'invalid_dpop_proof', 'DPoP');
    const bad = [
      await proof(key, { htu }),
      await proof(key, { htu: `${bed.gateway}/mcp/other`, ath }),
      await proof(key, { htu, ath, htm: 'GET' }),
      await proof(key, { htu, ath, iat: now() - 120 }),
      await proof(await makeSigner('thief'), { htu, ath }),
    ];
    for (const dpop of bad) await refused(with_(`DPoP ${bound}`, caller, { dpop }), 'CORDON-1013', 'invalid_token', 'DPoP');
    await refused(with_(`DPoP ${task}`, caller, { dpop: await proof(key, { htu, ath }) }), 'CORDON-1009', 'invalid_token', 'DPoP');
    const stolen = await proof(key, { htu, ath });
    await refused(with_(`DPoP ${bound}`, bed.agent.svid, { dpop: stolen }), 'CORDON-1013', 'invalid_token', 'DPoP');
  });

  /** The token service gives its nonce out with the first refusal. */
  async function firstProof(key: Awaited<ReturnType<typeof makeSigner>>): Promise<string> {
    const htu = `${bed.mtls}/oauth2/token`;
    const { headers } = await bed.post({ grant_type: 'client_credentials' }, { as: caller, headers: { dpop: await proof(key, { htu }) } });
    return proof(key, { htu, nonce: headers['dpop-nonce'] });
  }

  test('[RFC8705] bound to a certificate, and shown over a renewed one', async () => {
    const bound = await bed.task(caller, { certificate_bound: 'true' });
    assert.deepEqual(claimsOf(bound)['cnf'], { 'x5t#S256': x5t(caller) });
    assert.deepEqual(said(await bed.tool(caller, ...ECHO, bound)), [200, undefined]);
    const renewed = await renew(bed, caller);
    await refused(bed.tool(renewed, ...ECHO, bound), 'CORDON-1013', 'invalid_token');
    assert.deepEqual(said(await bed.tool(renewed, ...ECHO, task)), [200, undefined], 'a token of the actor survives the rotation');
  });

  test('revoked, or exchanged from one that is', async () => {
    const parent = await bed.task(caller);
    const child = await bed.exchange(caller, parent, TYPE.access);
    const other = await bed.task(caller);
    const { json } = await bed.control('POST', '/v1/revocations', { kind: 'token', id: claimsOf(parent)['jti'], reason: 'leaked' });
    assert.equal(json['status'], 'contained');
    for (const dead of [parent, child]) assert.deepEqual(said(await bed.tool(caller, ...ECHO, dead)), [200, 'CORDON-2007']);
    assert.deepEqual(said(await bed.tool(caller, ...ECHO, other)), [200, undefined]);
    await bed.control('POST', '/v1/revocations', { kind: 'txn', id: claimsOf(other)['txn'], reason: 'wrong task' });
    assert.deepEqual(said(await bed.tool(caller, ...ECHO, other)), [200, 'CORDON-2007']);
  });
});

describe('[I6] a stream that was opened with a token', () => {
  const closed = async (stream: Awaited<ReturnType<typeof streamCall>>): Promise<void> => {
    stream.response.resume();
    await until('the stream is cut', () => (stream.response.destroyed || stream.response.closed ? true : undefined));
  };
  const stream = (token: string): ReturnType<typeof streamCall> =>
    streamCall(bed.ports.gateway, caller, 'tick', {}, 'bench', { authorization: `Bearer ${token}` });

  test('is cut when the token ends, not before, and the outcome says why', async () => {
    const ends = now() + 2;
    const task = await bed.task(caller, { authorization_details: mandate(['tick'], { exp: ends }) });
    const open = await stream(task);
    assert.equal(open.response.statusCode, 200);
    await closed(open);
    assert.ok(Date.now() >= ends * 1000 && Date.now() < ends * 1000 + 2500, `${Date.now() - ends * 1000} ms after`);
    await signedAll(bed);
    const { outcomes } = await readLog(bed);
    assert.deepEqual([outcomes.at(-1)?.status, outcomes.at(-1)?.code], ['cut', 'CORDON-4008']);
  });

  test('is cut when its parent is revoked; the one beside it goes on', async () => {
    const [parent, other] = [await bed.task(caller), await bed.task(caller)];
    const open = await stream(await bed.exchange(caller, parent, TYPE.access));
    const beside = await stream(other);
    const { json } = await bed.control('POST', '/v1/revocations', { kind: 'token', id: claimsOf(parent)['jti'], reason: 'leaked' });
    const [gateway] = (json as { peps: { calls: number; remaining: number }[] }).peps;
    assert.deepEqual([json['status'], gateway?.calls, gateway?.remaining], ['contained', 1, 0]);
    await closed(open);
    assert.equal(beside.response.destroyed, false);
    beside.abort();
  });
});

describe('[RFC9728] the gateway as a protected resource', () => {
  const metadata = (svid: Svid, path = ''): Promise<Answer> =>
    send({ port: bed.ports.gateway, method: 'GET', path: `/.well-known/oauth-protected-resource${path}`, svid });

  test('names itself, the route, and where its tokens come from', async () => {
    for (const path of ['', '/mcp/bench', '/a2a/callee']) {
      const { status, json } = await metadata(caller, path);
      assert.deepEqual([status, json['resource'], json['authorization_servers']], [200, `${bed.gateway}${path}`, [bed.issuer]]);
    }
  });

  test('[I9] says nothing of what the caller may not know', async () => {
    const other = await bed.svid('other');
    const answers = await Promise.all(['/mcp/bench', '/mcp/nothere', '/x'].map((path) => metadata(other, path)));
    for (const { status, text } of answers) assert.deepEqual([status, text], [404, answers[0]?.text]);
    const [hidden, absent] = await Promise.all(
      ['bench', 'nothere'].map((server) => send({ port: bed.ports.gateway, ...toolCall('echo', { text: 'x' }, server), svid: other })),
    );
    assert.deepEqual([hidden?.status, hidden?.text], [absent?.status, absent?.text]);
  });
});
