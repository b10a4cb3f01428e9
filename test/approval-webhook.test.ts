// Whoever is told that a person is asked: what is told and how it is signed, what happens when nobody listens, and what a receiver cannot do.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { approvalMessage } from '../src/control/approval-message.ts';
import type { GrantEvent } from '../src/control/grants.ts';
import { postWebhook, type WebhookReceiver } from '../src/control/webhook-post.ts';
import { createWebhookQueue, type WebhookMessage, type WebhookQueue } from '../src/control/webhook-queue.ts';
import { webhookSigner } from '../src/crypto/webhook.ts';
import type { JsonObject } from '../src/domain/json.ts';
import type { Refusal } from '../src/domain/refusal.ts';
import { parseConfig } from '../src/server/config.ts';
import { freePorts, openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { cordon } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { call, PAYMENT } from './support/policy-desk.ts';
import { until } from './support/until.ts';
import { openWebAuthority } from './support/web-certificate.ts';

const KEY = `whsec_${Buffer.from('a key of thirty-two bytes, no less').toString('base64')}`;
const NOW = 1_800_000_000_000;

describe('[Standard-Webhooks] a signature', () => {
  void test('is the published one', () => {
    const sign = webhookSigner('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    const signature = sign('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}');
    assert.equal(signature, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  void test('[I8] what is no key is refused, and never repeated', () => {
    const key = Buffer.from('a key of thirty-two bytes, no less');
    const bad = [
      '',
      'whsec_',
      KEY.slice(6),
      `whsec_${key.subarray(0, 23).toString('base64')}`,
      `whsec_${Buffer.concat([key, key]).toString('base64')}`,
      `whsec_${'A'.repeat(32)}`,
      `${KEY}!`,
      `whsec_ ${KEY.slice(6)}`,
      KEY.replace('whsec', 'whsk'),
    ];
    for (const text of bad) {
      assert.throws(
        () => webhookSigner(text),
        (error: Refusal) => {
          assert.equal(error.code, 'CORDON-9006');
          const said = inspect(error, { depth: 5 });
          return text.length < 12 || !said.includes(text.slice(6, 20));
        },
        text,
      );
    }
  });
});

/** Time that the test moves. */
class Clock {
  now = NOW;
  #due: { at: number; act: () => void }[] = [];
  readonly later = (ms: number, act: () => void): (() => void) => {
    const one = { at: this.now + ms, act };
    this.#due.push(one);
    return () => (this.#due = this.#due.filter((other) => other !== one));
  };
  /** How long until something happens. */
  get next(): number | undefined {
    return this.#due.length === 0 ? undefined : Math.min(...this.#due.map(({ at }) => at)) - this.now;
  }
  async move(ms: number): Promise<void> {
    this.now += ms;
    const due = this.#due.filter(({ at }) => at <= this.now);
    this.#due = this.#due.filter(({ at }) => at > this.now);
    for (const { act } of due) act();
    await settled();
  }
}

const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

interface Line {
  readonly clock: Clock;
  readonly queue: WebhookQueue;
  /** Bodies, in the order of their attempts. */
  readonly attempts: string[];
  readonly ids: string[];
  readonly turns: (string | undefined)[];
  fail: string | undefined;
  tell(about: string, body: string, lives?: number): void;
}

function line(random = 1): Line {
  const clock = new Clock();
  const made: Omit<Line, 'queue' | 'tell'> = { clock, attempts: [], ids: [], turns: [], fail: undefined };
  const queue = createWebhookQueue({
    now: () => clock.now,
    later: clock.later,
    random: () => random,
    onTurn: (why) => made.turns.push(why),
    post: async ({ body, id }: WebhookMessage) => {
      made.attempts.push(body);
      made.ids.push(id);
      await Promise.resolve();
      if (made.fail !== undefined) throw new Error(made.fail);
    },
  });
  let messages = 0;
  const tell = (about: string, body: string, lives = 3_600_000): void =>
    queue.send({ id: `msg_${++messages}`, about, body, until: clock.now + lives });
  return Object.assign(made, { queue, tell });
}

describe('[I10] messages that wait', () => {
  void test('are sent again later and later, with the same id, until they are of no use; trouble is told once', async () => {
    const on = line();
    on.fail = 'status 500';
    on.tell('gr_1', 'asked', 60_000);
    await settled();
    const waits: number[] = [];
    while (on.clock.next !== undefined) {
      waits.push(on.clock.next);
      await on.clock.move(on.clock.next);
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000]);
    assert.deepEqual([...new Set(on.ids)], ['msg_1']);
    assert.equal(on.attempts.length, 6, 'the seventh would come after its end');
    assert.deepEqual(on.queue.counts(), { waiting: 0, delivered: 0, lost: 1, failing: 'status 500' });
    on.fail = undefined;
    on.tell('gr_2', 'asked');
    await on.clock.move(300_000);
    assert.deepEqual(on.queue.counts(), { waiting: 0, delivered: 1, lost: 1 });
    assert.deepEqual(on.turns, ['status 500', undefined]);
  });

  void test('half of each wait is by chance', async () => {
    const on = line(0);
    on.fail = 'status 503';
    on.tell('gr_1', 'asked');
    await settled();
    assert.equal(on.clock.next, 500);
  });

  void test('the newest about a request replaces what waits about it', async () => {
    const on = line();
    on.fail = 'ECONNREFUSED';
    on.tell('gr_1', 'asked 1');
    await settled();
    on.tell('gr_1', 'answered 1');
    on.tell('gr_2', 'asked 2');
    on.tell('gr_2', 'answered 2');
    on.tell('gr_2', 'used 2');
    assert.equal(on.queue.counts().waiting, 2);
    on.fail = undefined;
    await on.clock.move(on.clock.next ?? 0);
    await settled();
    assert.deepEqual(on.attempts, ['asked 1', 'answered 1', 'used 2']);
  });

  void test('one that is never taken does not hold up the others', async () => {
    const on = line();
    on.fail = 'status 400';
    on.tell('gr_1', 'poison');
    await settled();
    on.fail = undefined;
    on.tell('gr_2', 'asked 2');
    await on.clock.move(1_000);
    await settled();
    assert.deepEqual(on.attempts.slice(0, 2), ['poison', 'asked 2']);
  });

  void test('a flood is bounded, counted, and costs one connection at a time', async () => {
    const on = line();
    on.fail = 'no answer in time';
    for (let at = 0; at < 5_000; at++) on.tell(`gr_${at}`, 'asked');
    await settled();
    const { waiting, lost } = on.queue.counts();
    assert.equal(on.attempts.length, 1);
    assert.ok(waiting <= 1_025, String(waiting));
    assert.equal(waiting + lost, 5_000);
  });

  void test('nothing is sent after the end', async () => {
    const on = line();
    on.fail = 'status 500';
    on.tell('gr_1', 'asked');
    await settled();
    await on.queue.close();
    on.tell('gr_2', 'asked');
    await on.clock.move(600_000);
    assert.deepEqual(on.attempts, ['asked']);
  });
});

interface Taken {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver; `answer` is given when the body is whole. */
async function receive(
  taken: Taken[],
  answer: RequestListener,
  made: (listener: RequestListener) => Server = createServer,
  port = 0,
): Promise<{ readonly port: number; close(): void }> {
  const server = made((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      taken.push({ url: req.url ?? '', headers: req.headers, body: Buffer.concat(chunks).toString() });
      answer(req, res);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** As a receiver is to verify it; another hand than the product's. */
function verified({ headers, body }: Taken, key = KEY): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const expected = createHmac('sha256', Buffer.from(key.slice(6), 'base64'))
    .update(signed)
    .digest('base64');
  return headers['webhook-signature'] === `v1,${expected}`;
}

describe('[Standard-Webhooks] one message', () => {
  const MESSAGE: WebhookMessage = { id: 'msg_1', about: 'gr_1', body: '{"type":"approval.asked"}', until: NOW };
  const ok: RequestListener = (_req, res) => void res.writeHead(204).end();
  const post = (url: string, over: Partial<WebhookReceiver> = {}): Promise<void> =>
    postWebhook(
      { url: new URL(url), ca: undefined, sign: webhookSigner(KEY), timeoutMs: 5_000, now: () => NOW, ...over },
      MESSAGE,
      new AbortController().signal,
    );

  void test('is signed with its id and the time of the attempt', async () => {
    const taken: Taken[] = [];
    const server = await receive(taken, ok);
    await post(`http://127.0.0.1:${server.port}/hook?t=1`);
    server.close();
    const [one] = taken;
    assert.ok(one);
    assert.equal(one.url, '/hook?t=1');
    assert.equal(one.headers['webhook-timestamp'], String(NOW / 1000));
    assert.equal(one.headers['content-type'], 'application/json');
    assert.ok(verified(one));
    assert.ok(!verified({ ...one, body: one.body.replace('asked', 'used') }), 'a changed body');
    assert.ok(!verified({ ...one, headers: { ...one.headers, 'webhook-timestamp': '1800000300' } }), 'a later time');
  });

  void test('[I8] no redirect is followed, wherever it leads; what fails names neither path nor answer', async () => {
    const inside: Taken[] = [];
    const hidden = await receive(inside, ok);
    for (const status of [301, 302, 303, 307, 308]) {
      const server = await receive([], (_req, res) =>
        res.writeHead(status, { location: `http://127.0.0.1:${hidden.port}/latest/meta-data` }).end('the body'),
      );
      await assert.rejects(post(`http://127.0.0.1:${server.port}/secret-path`), (error: Error) => {
        assert.equal(error.message, `status ${status}: a redirect is not followed`);
        return true;
      });
      server.close();
    }
    hidden.close();
    assert.deepEqual(inside, []);
    const [gone = 0] = await freePorts(1);
    await assert.rejects(post(`http://127.0.0.1:${gone}/secret-path`), { message: 'ECONNREFUSED' });
  });

  void test('[I10] a receiver that does not answer, or does not end its answer, holds nothing', async () => {
    const silent = await receive([], () => undefined);
    await assert.rejects(post(`http://127.0.0.1:${silent.port}/`, { timeoutMs: 50 }), { message: 'no answer in time' });
    silent.close();
    const endless = await receive([], (_req, res) => {
      res.writeHead(200);
      res.write('x'.repeat(65_536));
    });
    await post(`http://127.0.0.1:${endless.port}/`);
    endless.close();
  });

  void test('over TLS it goes to whoever has a certificate for the host, and to nobody else', async () => {
    const authority = await openWebAuthority();
    const taken: Taken[] = [];
    const of = async (...names: readonly string[]): ReturnType<typeof receive> => {
      const own = await authority.issue(...names);
      return receive(taken, ok, (listener) => createHttpsServer(own, listener));
    };
    const right = await of('localhost');
    const wrong = await of('elsewhere.example');
    await assert.rejects(post(`https://localhost:${right.port}/`), /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED/);
    await assert.rejects(post(`https://localhost:${wrong.port}/`, { ca: authority.ca }), { message: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    assert.deepEqual(taken, []);
    await post(`https://localhost:${right.port}/`, { ca: authority.ca });
    assert.equal(taken.length, 1);
    right.close();
    wrong.close();
  });
});

describe('[I8] what is told', () => {
  const event = (input: JsonObject): GrantEvent => ({
    kind: 'asked',
    request: call('clerk', 'ledger/pay_invoice', input),
    grant: {
      id: 'gr_0123456789',
      digest: 'ab'.repeat(32),
      agent: 'clerk',
      action: 'tools/call',
      resource: 'ledger/pay_invoice',
      decision: 'dec_1',
      approver: 'operator',
      policies: ['ask'],
      reason: 'large',
      askedAt: NOW,
      times: 1,
      state: 'asked',
      until: NOW + 900_000,
      uses: 0,
      used: 0,
    },
  });
  const PARTS = { trustDomain: 'desk.example', controlUrl: 'https://127.0.0.1:8444', values: false, pageOf: undefined };
  const dataOf = (input: JsonObject, values = false): JsonObject =>
    approvalMessage(event(input), NOW, { ...PARTS, values })['data'] as JsonObject;

  void test('names of arguments, and values only where an operator said so', () => {
    const told = dataOf(PAYMENT);
    assert.deepEqual(told['arguments'], Object.keys(PAYMENT));
    for (const value of Object.values(PAYMENT)) assert.ok(!JSON.stringify(told).includes(JSON.stringify(value)), String(value));
    assert.deepEqual(dataOf(PAYMENT, true)['values'], PAYMENT);
  });

  void test('[I10] is bounded, whatever an agent calls its arguments', () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`${at}${'n'.repeat(2_000)}`, 'v'.repeat(100)]));
    for (const values of [false, true]) {
      const told = dataOf(many, values);
      assert.ok(JSON.stringify(told).length < 40_000);
      assert.equal(told['more_arguments'], 4_936);
    }
    assert.equal(dataOf(many, true)['values_omitted'], true);
  });
});

void test('the section of cordon.yaml says what does not fit', () => {
  const read = (webhook: string): unknown =>
    parseConfig(`trustDomain: a.example\nsegments: { a: }\napprovals: { webhook: { ${webhook} } }\n`, '/x/cordon.yaml').approvals;
  const key = 'key: { env: K }';
  assert.throws(() => read(`url: "http://hooks.example/", ${key}`), /allowPlaintextLoopback/);
  assert.throws(() => read(`url: "http://10.0.0.1/", ${key}, allowPlaintextLoopback: true`), /loopback address/);
  assert.throws(() => read(`url: "http://127.0.0.1:1/", ${key}`), /allowPlaintextLoopback/);
  assert.throws(() => read(`url: "https://u:p@hooks.example/", ${key}`), /no user, password/);
  assert.throws(() => read('url: "https://hooks.example/"'), /key/);
  assert.throws(() => read(`url: "ftp://hooks.example/", ${key}`));
  assert.doesNotThrow(() => read(`url: "https://10.0.0.1/hook", ${key}`), 'a host of an operator may be in a private network');
});

const POLICIES = `
@id("agents-write") permit (principal, action == Action::"bench/write", resource);
@id("large-needs-approval") @approval @reason("large amounts need a person")
forbid (principal, action == Action::"bench/write", resource) when { context.input.amount > 100 };
`;
const TOOLS = [
  {
    name: 'write',
    inputSchema: {
      type: 'object',
      properties: { line: { type: 'string' }, amount: { type: 'integer' } },
      required: ['line', 'amount'],
    },
  },
];

describe('a running Cordon', () => {
  let bed: Bed;
  let caller: Svid;
  let port = 0;
  const taken: Taken[] = [];
  let server: Awaited<ReturnType<typeof receive>> | undefined;
  const listen = async (): Promise<void> => {
    server = await receive(taken, (_req, res) => void res.writeHead(200).end(), createServer, port);
  };

  before(async () => {
    [port = 0] = await freePorts(1);
    await listen();
    bed = await openBed({
      tools: false,
      policies: POLICIES,
      beforeStart: (dir) => writeFile(join(dir, 'webhook.key'), `${KEY}\n`),
      configure: (yaml) => `${yaml}approvals:
  webhook:
    url: http://127.0.0.1:${port}/hooks/path-that-is-secret
    allowPlaintextLoopback: true
    key: { file: webhook.key }
    timeout: 1s
`,
    });
    await bed.spawnWorkload('resource', 'bench', 'test/support/raw-server.ts', [
      String(bed.ports.bench),
      bed.effects,
      JSON.stringify(TOOLS),
    ]);
    await bed.ready();
    caller = await bed.svid('caller');
  });
  after(async () => {
    server?.close();
    await (bed as Bed | undefined)?.close();
  });

  const write = (words: string, amount: number): Promise<Answer> =>
    send({ port: bed.ports.gateway, ...toolCall('write', { line: words, amount }), svid: caller });
  const told = (): readonly { readonly type: string; readonly data: Record<string, unknown> }[] =>
    taken.map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> });
  const toldOf = (type: string, id: unknown): Promise<Record<string, unknown>> =>
    until(`${type} is told`, () => told().find((one) => one.type === type && one.data['id'] === id)?.data);
  const first = async (): Promise<Record<string, unknown>> => {
    const { json } = await bed.control('GET', '/v1/grants');
    return (json['items'] as Record<string, unknown>[])[0] ?? assert.fail('no grant');
  };

  void test('[U17] tells of each request once, signed, and of what became of it', async () => {
    await Promise.all([write('rent 4711', 500), write('rent 4711', 500), write('rent 4711', 500)]);
    const { id, digest } = await first();
    const asked = await toldOf('approval.asked', id);
    assert.deepEqual(
      [asked['agent'], asked['action'], asked['digest'], asked['arguments'], asked['state'], asked['approver']],
      ['caller', 'tools/call', `sha256:${String(digest)}`, ['line', 'amount'], 'asked', 'operator'],
    );
    assert.deepEqual(asked['answer'], {
      command: `cordon grant get ${String(id)}`,
      api: `https://127.0.0.1:${bed.ports.control}/v1/grants/${String(id)}`,
    });
    await bed.control('POST', `/v1/grants/${String(id)}/approve`, {});
    assert.equal((await toldOf('approval.answered', id))['state'], 'approved');
    await write('rent 4711', 500);
    assert.equal((await toldOf('approval.used', id))['used'], 1);
    assert.equal(told().filter(({ type }) => type === 'approval.asked').length, 1);
    for (const one of taken) assert.ok(verified(one), one.body);
    assert.doesNotMatch(taken.map(({ body }) => body).join(), /4711/, 'no value of an argument');
  });

  void test('[I5] tells when an approval ends unused', async () => {
    await write('short', 600);
    const { id } = await first();
    await bed.control('POST', `/v1/grants/${String(id)}/approve`, { ttl: 1000 });
    assert.equal((await toldOf('approval.expired', id))['state'], 'expired');
  });

  void test('[I7] whoever has the key of the webhook cannot answer with it', async () => {
    await write('mine', 700);
    const { id } = await first();
    const path = `/v1/grants/${String(id)}/approve`;
    const body = '{}';
    const stamp = String(Math.floor(Date.now() / 1000));
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': stamp,
      'webhook-signature': webhookSigner(KEY)('msg_1', Number(stamp), body),
    };
    const { ca } = caller;
    for (const svid of [{ ca }, caller]) {
      const answer = await send({ port: bed.ports.control, path, headers, body, svid }).catch(() => undefined);
      assert.ok(answer === undefined || answer.status >= 400, answer?.text);
    }
    assert.equal((await first())['state'], 'asked');
  });

  void test('[I8] [U18] a receiver that is gone is seen, holds up no call, and nothing secret is said of it', async () => {
    server?.close();
    const asked = performance.now();
    assert.match((await write('gone', 800)).text, /CORDON-5001/);
    assert.ok(performance.now() - asked < 5_000);
    const status = await until('the failure is seen', async () => {
      const { json, text } = await bed.control('GET', '/v1/status');
      return (json['webhook'] as { failing?: string }).failing === undefined ? undefined : text;
    });
    assert.match(status, new RegExp(`"receiver":"http://127.0.0.1:${port}"`));
    const doctor = await bed.control('GET', '/v1/doctor');
    assert.match(doctor.text, /"category":"approvals","name":"webhook","ok":false/);
    const shown = await cordon(['status', '--data', bed.data], { cwd: bed.dir });
    assert.match(shown.stdout, /webhook +http:\/\/127\.0\.0\.1:\d+ .*waiting, 0 lost: ECONNREFUSED/);
    await listen();
    const { id } = await first();
    await toldOf('approval.asked', id);
    await until('it works again', async () => {
      const { json } = await bed.control('GET', '/v1/status');
      return (json['webhook'] as { failing?: string }).failing === undefined ? true : undefined;
    });
    await signedAll(bed);
    const acts = (await readLog(bed)).acts.filter(({ act }) => act.startsWith('webhook.'));
    assert.deepEqual(
      acts.map(({ act, reason }) => [act, reason]),
      [
        ['webhook.failing', 'ECONNREFUSED'],
        ['webhook.recovered', undefined],
      ],
    );
    const database = await readFile(join(bed.data, 'cordon.db'), 'latin1');
    for (const text of [status, doctor.text, shown.stdout, JSON.stringify(acts), database]) {
      assert.ok(!text.includes(KEY.slice(6)));
      assert.ok(!text.includes('path-that-is-secret'));
    }
  });
});
