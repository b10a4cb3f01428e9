// A channel to callees in every kind of trouble, over real sockets: gone, silent, stopping halfway, closing the connection as it is used.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { randomSerial } from '../src/crypto/random.ts';
import { generateKeyPem } from '../src/crypto/x509.ts';
import { subjectKey } from '../src/crypto/x509-leaf.ts';
import { parseTrustDomain, workloadId } from '../src/domain/spiffe-id.ts';
import { authorityOf, createIntermediate, createRoot } from '../src/identity/authority.ts';
import { issueSvid } from '../src/identity/issue.ts';
import { createChannel, type Channel, type ChannelRequest } from '../src/gateway/channel.ts';

interface Callee {
  readonly channel: Channel;
  /** What the channel said of its health, in order. */
  readonly health: readonly string[];
  readonly connections: () => number;
}

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A callee that does with the n-th request over all its connections what `on` says. */
async function callee(t: TestContext, on: (socket: Socket, request: number) => void): Promise<Callee> {
  let requests = 0;
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => on(socket, ++requests));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const health: string[] = [];
  const channel = createChannel({
    origin: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    expect: undefined,
    trustDomain: parseTrustDomain('test.example'),
    credentials: () => ({ generation: 1, chain: '', privateKey: '', bundle: '' }),
    isRevoked: () => false,
    now: Date.now,
    connectMs: 1_000,
    answerMs: 300,
    idleMs: 100,
    health: { answered: () => health.push('answered'), failed: () => health.push('failed') },
  });
  t.after(async () => {
    await channel.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { channel, health, connections: () => connections };
}

const ask = (channel: Channel, more: Partial<ChannelRequest> = {}): Promise<string> =>
  channel
    .request({ method: 'POST', path: '/', headers: {}, body: '{}', signal: AbortSignal.timeout(20_000), ...more })
    .then(({ body }) => body.text());

const UNREACHABLE = { code: 'CORDON-9010' };

void test('a callee that nobody runs, and one that accepts and never answers, fail and are told as failing', async (t) => {
  const silent = await callee(t, () => undefined);
  await assert.rejects(ask(silent.channel), UNREACHABLE);
  assert.deepEqual(silent.health, ['failed']);
});

void test('a caller that goes away is no failure of the callee', async (t) => {
  const { channel, health } = await callee(t, () => undefined);
  const gone = new AbortController();
  const asked = ask(channel, { signal: gone.signal });
  gone.abort();
  await assert.rejects(asked);
  assert.deepEqual(health, []);
});

void test('an answer that stops halfway is given up; an event stream may rest', async (t) => {
  const { channel } = await callee(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf'));
  await assert.rejects(ask(channel), UNREACHABLE);
  const resting = await callee(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 11\r\n\r\ndata: ');
    setTimeout(() => socket.write('late\n'), 300).unref();
  });
  assert.equal(await ask(resting.channel), 'data: late\n');
});

void test('an answer that nobody reads for a while is not given up', async (t) => {
  const { channel } = await callee(t, (socket) => socket.write(ANSWER));
  const { body } = await channel.request({ method: 'GET', path: '/', headers: {}, signal: AbortSignal.timeout(20_000) });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(await body.text(), 'ok');
});

/** Answers the first request of all, and closes the connection instead of answering the second. */
const closingOnReuse = (socket: Socket, request: number): void => {
  if (request === 2) socket.destroy();
  else socket.write(ANSWER);
};

void test('what may be repeated is sent again over another connection when the one in use is closed before an answer', async (t) => {
  const { channel, health, connections } = await callee(t, closingOnReuse);
  await ask(channel);
  assert.equal(await ask(channel, { retry: true }), 'ok');
  assert.deepEqual([connections(), health], [2, ['answered', 'answered']]);
});

void test('what may not be repeated is not: it may have had its effect', async (t) => {
  let requests = 0;
  const { channel } = await callee(t, (socket, request) => closingOnReuse(socket, (requests = request)));
  await ask(channel);
  await assert.rejects(ask(channel), UNREACHABLE);
  assert.equal(requests, 2);
});

void test('nothing is repeated once the answer has begun, nor a second time', async (t) => {
  let requests = 0;
  const { channel } = await callee(t, (socket, request) => {
    requests = request;
    socket.end(request === 1 ? 'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf' : '');
  });
  await assert.rejects(ask(channel, { retry: true }));
  assert.equal(requests, 1);
  await assert.rejects(ask(channel, { retry: true }), UNREACHABLE);
  assert.equal(requests, 3);
});

void test('a callee that loses every connection is asked a fifth more at most', async (t) => {
  let requests = 0;
  const { channel } = await callee(t, (socket, request) => {
    requests = request;
    socket.destroy();
  });
  const CALLS = 50;
  for (let call = 0; call < CALLS; call++) await assert.rejects(ask(channel, { retry: true }), UNREACHABLE);
  assert.ok(requests <= CALLS * 1.2 + 1, `${requests} requests for ${CALLS} calls`);
});

void test('whatever a callee answers is an answer: no caller closes the way for the others by asking for errors', async (t) => {
  const { channel, health } = await callee(t, (socket) => socket.write('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno'));
  assert.equal(await ask(channel), 'no');
  assert.deepEqual(health, ['answered']);
});

void test('[I5] an upstream whose SVID has expired is not spoken to, also over a clock of TLS that still believes it', async (t) => {
  const trustDomain = parseTrustDomain('test.example');
  const options = { trustDomain, now: Date.now(), serial: randomSerial };
  const root = await createRoot(options);
  const authority = authorityOf(trustDomain, [root.certificate], await createIntermediate(root, options));
  const svidOf = async (kind: 'gateway' | 'resource', name: string): Promise<{ cert: string; key: string }> => {
    const key = await generateKeyPem();
    const facts = { id: workloadId(trustDomain, kind, name), publicKey: subjectKey(key.publicKey), now: Date.now() };
    return { cert: issueSvid(authority, { ...facts, ttl: 60_000, serial: randomSerial() }).chain, key: key.privateKey };
  };
  let requests = 0;
  const own = await svidOf('gateway', 'gateway-1');
  const callees = createTlsServer({ ...(await svidOf('resource', 'bench')), ca: authority.bundle, requestCert: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => {
      requests++;
      socket.write(ANSWER);
    });
  });
  callees.listen(0, '127.0.0.1');
  await once(callees, 'listening');
  let ahead = 0;
  const channelTo = (): Channel =>
    createChannel({
      origin: new URL(`https://127.0.0.1:${(callees.address() as AddressInfo).port}`),
      expect: { kind: 'resource', name: 'bench' },
      trustDomain,
      credentials: () => ({ generation: 1, chain: own.cert, privateKey: own.key, bundle: authority.bundle }),
      isRevoked: () => false,
      now: () => Date.now() + ahead,
      connectMs: 1_000,
      answerMs: 1_000,
      idleMs: 1_000,
    });
  const [fresh, late] = [channelTo(), channelTo()];
  t.after(async () => {
    await Promise.all([fresh.destroy(), late.destroy()]);
    callees.close();
  });
  assert.equal(await ask(fresh), 'ok');
  ahead = 120_000;
  await assert.rejects(ask(late), UNREACHABLE);
  assert.equal(requests, 1);
});
