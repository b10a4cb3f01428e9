// A PEP of ours at a remote PDP: what it takes for a permit, and that everything else denies. The PDPs are a running Cordon, a real
// Cerbos, and one that errs in every way.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test, type TestContext } from 'node:test';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { type AuthzenClient, authzenClient, type AuthzenClientOptions } from '../src/gateway/authzen-client.ts';
import { createChannel, type Channel, type Credentials } from '../src/gateway/channel.ts';
import type { Obligation } from '../src/pdp/authzen/obligations.ts';
import { openAuthzenBed } from './support/authzen-bed.ts';
import { missingCerbos, startCerbos } from './support/cerbos.ts';
import { call, PAYMENT, request } from './support/policy-desk.ts';

const DOMAIN = parseTrustDomain('test.example');
const NO_CREDENTIALS: Credentials = { generation: 1, chain: '', privateKey: '', bundle: '' };

const channels: Channel[] = [];
after(() => Promise.all(channels.map((channel) => channel.destroy())));

function channelTo(origin: URL, credentials = NO_CREDENTIALS): Channel {
  const expect = credentials === NO_CREDENTIALS ? undefined : ({ kind: 'control', name: 'control-1' } as const);
  const timing = { now: Date.now, connectMs: 2_000, answerMs: 10_000, idleMs: 10_000 };
  const channel = createChannel({ origin, expect, trustDomain: DOMAIN, credentials: () => credentials, isRevoked: () => false, ...timing });
  channels.push(channel);
  return channel;
}

const clientOf = (url: URL, more: Partial<AuthzenClientOptions> = {}): AuthzenClient =>
  authzenClient({ url, channel: channelTo(new URL(url.origin)), timeoutMs: 5_000, ...more });

const CALL = call('clerk', 'ledger/pay_invoice', PAYMENT);

/** A PDP that answers as it is told. */
async function pdp(t: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

const saying =
  (text: string, headers: Record<string, string> = {}, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);

describe('a PDP that errs', () => {
  const NO_ANSWER: readonly (readonly [what: string, listener: RequestListener])[] = [
    ['500 and a permit', saying('{"decision":true}', {}, 500)],
    ['401 and a permit', saying('{"decision":true}', {}, 401)],
    ['201 and a permit', saying('{"decision":true}', {}, 201)],
    ['a redirect', saying('{"decision":true}', { location: '/elsewhere' }, 307)],
    ['another media type', saying('{"decision":true}', { 'content-type': 'text/html' })],
    ['the answer to another request', saying('{"decision":true}', { 'x-request-id': 'another' })],
    ['nothing', saying('')],
    ['a list', saying('[{"decision":true}]')],
    ['a text', saying('"true"')],
    ['no decision', saying('{}')],
    ['a decision in words', saying('{"decision":"true"}')],
    ['a decision as a number', saying('{"decision":1}')],
    ['a decision that is null', saying('{"decision":null}')],
    ['two decisions', saying('{"decision":false,"decision":true}')],
    ['a permit with more behind it', saying('{"decision":true}{"decision":false}')],
    ['half of it', saying('{"decision":true')],
    ['a context that is a text', saying('{"decision":true,"context":"x"}')],
    ['a permit whose verdict is none', saying('{"decision":true,"context":{"cordon":{"verdict":"approval_required"}}}')],
    ['obligations that are none', saying('{"decision":true,"context":{"obligations":{}}}')],
    ['obligations that are null', saying('{"decision":true,"context":{"obligations":null}}')],
    ['too much', saying(`{"decision":true,"x":"${'x'.repeat(300_000)}"}`)],
    ['deep nesting', saying(`{"decision":true,"x":${'['.repeat(200)}${']'.repeat(200)}}`)],
    ['a connection that breaks', ({ socket }) => void socket.destroy()],
  ];
  for (const [what, listener] of NO_ANSWER) {
    test(`[I1] ${what}: an error, which denies`, async (t) => {
      const { decision } = await clientOf(await pdp(t, listener)).evaluate(CALL);
      deepEqual([decision.verdict, decision.code], ['error', 'CORDON-9001']);
    });
  }

  test('[I1] silence, before the answer or in it, is an error when the time is over', async (t) => {
    const silent = await pdp(t, () => undefined);
    const halting = await pdp(
      t,
      (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{"decision":'),
    );
    for (const url of [silent, halting]) {
      const { decision } = await clientOf(url, { timeoutMs: 100 }).evaluate(CALL);
      deepEqual([decision.verdict, decision.code, decision.reason], ['error', 'CORDON-9001', 'the remote PDP took longer than 100 ms']);
    }
  });

  test('what it sends is the request, its key and an id; what comes back in error holds no key', async (t) => {
    let seen: unknown;
    const url = await pdp(t, (incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const { authorization, 'x-request-id': id, 'content-type': type } = incoming.headers;
        seen = { url: incoming.url, authorization, id: typeof id, type, body: JSON.parse(Buffer.concat(chunks).toString()) as unknown };
        response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': String(id) }).end('{"decision":true}');
      });
    });
    const { decision } = await clientOf(new URL('/tenant', url), { key: 'the-key' }).evaluate(CALL);
    equal(decision.verdict, 'allow');
    deepEqual(seen, {
      url: '/tenant/access/v1/evaluation',
      authorization: 'Bearer the-key',
      id: 'string',
      type: 'application/json',
      body: {
        subject: { type: 'agent', id: 'clerk', properties: { spiffe_id: CALL.subject.spiffeId, run: 'r1' } },
        action: { name: 'tools/call' },
        resource: { type: 'tool', id: 'ledger/pay_invoice' },
        context: { input: PAYMENT },
      },
    });
    const gone = await clientOf(new URL('http://127.0.0.1:9'), { key: 'the-key' }).evaluate(CALL);
    ok(!JSON.stringify(gone).includes('the-key'));
  });
});

describe('obligations', () => {
  const TELL = { id: 'o1', type: 'notification', properties: { to: 'owner@desk.example', body: 'paid' } };
  const deciding = (decision: boolean, ...obligations: object[]): RequestListener =>
    saying(JSON.stringify({ decision, context: { obligations } }));
  const done: Obligation[] = [];
  const perform = { notification: async (one: Obligation): Promise<boolean> => done.push(one) > 0 };

  test('a permit holds when all are met', async (t) => {
    const { decision, obligations } = await clientOf(await pdp(t, deciding(true, TELL)), { perform }).evaluate(CALL);
    equal(decision.verdict, 'allow');
    deepEqual(obligations, [{ id: 'o1', form: 'properties', met: true }]);
    deepEqual(done.pop(), TELL);
  });

  test('the earlier form is read too, and told', async (t) => {
    const { properties, ...head } = TELL;
    const { decision, obligations } = await clientOf(await pdp(t, deciding(true, { ...head, ...properties })), { perform }).evaluate(CALL);
    equal(decision.verdict, 'allow');
    deepEqual(obligations, [{ id: 'o1', form: 'inline', met: true }]);
  });

  const UNMET: readonly (readonly [what: string, ...obligations: object[]])[] = [
    ['a type that nobody knows', { ...TELL, type: 'sms' }],
    ['a type that this PEP cannot do', { id: 'o2', type: 'session_termination', properties: { subject: 'clerk' } }],
    ['a custom one', { id: 'o2', type: 'custom', properties: {} }],
    ['one without an id', { ...TELL, id: undefined }],
    ['a member missing', { ...TELL, properties: { to: 'x' } }],
    ['a member of another type', { ...TELL, properties: { to: 'x', body: 1 } }],
    ['one that is met and one that is not', TELL, { ...TELL, id: 'o2', type: 'sms' }],
    ['properties that are a text', { ...TELL, properties: 'x' }],
  ];
  for (const [what, ...obligations] of UNMET) {
    test(`[I1] ${what}: denied`, async (t) => {
      const { decision } = await clientOf(await pdp(t, deciding(true, ...obligations)), { perform }).evaluate(CALL);
      deepEqual([decision.verdict, decision.code], ['deny', 'CORDON-3009']);
    });
  }

  test('[I1] one that fails, throws or never ends: denied', async (t) => {
    const url = await pdp(t, deciding(true, TELL));
    const ways = [
      async (): Promise<boolean> => false,
      (): Promise<boolean> => Promise.reject(new Error('no mail')),
      (): Promise<boolean> => {
        throw new Error('no mail');
      },
      (): Promise<boolean> => new Promise(() => undefined),
    ];
    for (const notification of ways) {
      const { decision } = await clientOf(url, { perform: { notification }, timeoutMs: 200 }).evaluate(CALL);
      deepEqual([decision.verdict, decision.code], ['deny', 'CORDON-3009']);
    }
  });

  test('on a denial they are carried out, and it stays a denial; two of one id are no answer', async (t) => {
    done.length = 0;
    const denied = await clientOf(await pdp(t, deciding(false, TELL)), { perform }).evaluate(CALL);
    deepEqual([denied.decision.verdict, done.length], ['deny', 1]);
    const twice = await clientOf(await pdp(t, deciding(true, TELL, TELL)), { perform }).evaluate(CALL);
    deepEqual([twice.decision.verdict, done.length], ['error', 1]);
  });
});

test('[AuthZEN-1.0] at a running Cordon, over mTLS: allowed, denied, and not taken for another', async (t) => {
  const policies = '@id("talks") permit (principal, action in Action::"a2a/message", resource == Agent::"callee");';
  const bed = await openAuthzenBed({ policies, peps: '    proxy: { workload: agent/callee, agents: [caller, other] }' });
  t.after(() => bed.close());
  const { cert, key, ca } = await bed.svid('callee');
  const url = new URL(bed.controlUrl);
  const own = { generation: 1, chain: cert, privateKey: key, bundle: ca };
  const { run: _, ...caller } = request('caller', 'a2a/SendMessage', 'callee').subject;
  const talk = { ...request('caller', 'a2a/SendMessage', 'callee'), subject: caller };
  const client = clientOf(url, { channel: channelTo(url, own) });
  equal((await client.evaluate(talk)).decision.verdict, 'allow');
  const { decision } = await client.evaluate({ ...talk, subject: { ...caller, id: 'other' } });
  deepEqual([decision.verdict, decision.code], ['deny', 'CORDON-3001']);
  match(decision.reason ?? '', /segments/);
  // a PEP that is not let in, and a PDP that is another workload than it should be: the gateway of the same Cordon
  const other = await bed.svid('other');
  const stranger = channelTo(url, { generation: 1, chain: other.cert, privateKey: other.key, bundle: ca });
  for (const channel of [stranger, channelTo(new URL(`https://127.0.0.1:${bed.ports.gateway}`), own)]) {
    const none = await clientOf(url, { channel }).evaluate(talk);
    deepEqual([none.decision.verdict, none.decision.code], ['error', 'CORDON-9001']);
  }
});

test('[AuthZEN-1.0] at Cerbos: allowed, denied, and denied when it is gone', async (t) => {
  const missing = missingCerbos();
  if (missing !== undefined) {
    if (process.env['CI'] === 'true') throw new Error(missing);
    t.skip(missing);
    return;
  }
  const cerbos = await startCerbos('P.id == "clerk" && R.id == "ledger/pay_invoice"');
  t.after(() => cerbos.close());
  const client = clientOf(cerbos.url);
  const verdictOf = async (agent: string, tool: string): Promise<string> =>
    (await client.evaluate(call(agent, tool, PAYMENT))).decision.verdict;
  equal(await verdictOf('clerk', 'ledger/pay_invoice'), 'allow');
  equal(await verdictOf('reader', 'ledger/pay_invoice'), 'deny');
  equal(await verdictOf('clerk', 'ledger/list_invoices'), 'deny');
  equal((await client.evaluate(request('clerk', 'initialize', 'ledger'))).decision.verdict, 'deny');
  await cerbos.kill();
  const { decision } = await client.evaluate(CALL);
  deepEqual([decision.verdict, decision.code], ['error', 'CORDON-9001']);
});
