// A call that needs a person, asked of the one in front of the agent by the URL of Cordon's own page: real clients of both revisions, a real
// browser with a passkey, and an agent that would rather answer for itself.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Client, UrlElicitationRequiredError } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { createRequestVisits, type RequestVisits } from '../src/control/operators/request-visits.ts';
import type { Answerer, GrantView } from '../src/control/grants.ts';
import type { JsonObject } from '../src/domain/json.ts';
import type { OperatorRole } from '../src/domain/operators.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { createPageOpeners } from '../src/gateway/mcp-page-openers.ts';
import { freePorts, openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { noBrowser, visit, type Visitor } from './support/browser.ts';
import { cordon, MAIN } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { call, PAYMENT } from './support/policy-desk.ts';

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal, action == Action::"bench/write", resource);
@id("large") @approval("analyst") @reason("large amounts need a person")
forbid (principal, action == Action::"bench/write", resource) when { context.input.amount > 100 };
`;
const skip = noBrowser();
const DIGEST = /#request=([0-9a-f]{64})$/;

describe('a call that needs a person', () => {
  let bed: Bed;
  let caller: Svid & { readonly run: string };
  let origin = '';
  let visitor: Visitor | undefined;

  before(async () => {
    const [port = 0] = await freePorts(1);
    origin = `http://localhost:${port}`;
    bed = await openBed({
      policies: POLICIES,
      configure: (yaml) => `${yaml}operators:\n  listen: 127.0.0.1:${port}\n`,
    });
    await bed.ready();
    caller = await bed.svid('caller');
  });
  after(async () => {
    await visitor?.close();
    await (bed as Bed | undefined)?.close();
  });

  const run = async (...args: readonly string[]): Promise<JsonObject> => {
    const { code, stdout, stderr } = await cordon([...args, '--json', '--data', bed.data], { cwd: bed.dir });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as JsonObject;
  };
  const written = async (line: string): Promise<number> =>
    (await readFile(bed.effects, 'utf8')).split('\n').filter((one) => one.startsWith(`${line} `)).length;

  interface Connected {
    readonly client: Client;
    /** URLs that the client was to open. */
    readonly opened: string[];
    pay(line: string, amount?: number): ReturnType<Client['callTool']>;
  }

  async function connect(
    era: '2025-11-25' | '2026-07-28',
    elicitation: Partial<Record<'form' | 'url', Record<string, never>>> | undefined,
  ): Promise<Connected & AsyncDisposable> {
    const opened: string[] = [];
    const client = new Client(
      { name: 'test', version: '1' },
      {
        ...(elicitation === undefined ? {} : { capabilities: { elicitation: { ...elicitation } } }),
        ...(era === '2025-11-25' ? {} : { versionNegotiation: { mode: { pin: era } } }),
      },
    );
    if (elicitation !== undefined) {
      client.setRequestHandler('elicitation/create', ({ params }) => {
        opened.push((params as { url?: string }).url ?? '');
        return { action: 'accept' };
      });
    }
    const args = [MAIN, 'mcp', 'connect', 'bench', '--as', 'caller', '--data', bed.data];
    await client.connect(new StdioClientTransport({ command: process.execPath, args, cwd: bed.dir, stderr: 'ignore' }));
    return {
      client,
      opened,
      pay: (line, amount = 500) => client.callTool({ name: 'write', arguments: { line, amount } }),
      [Symbol.asyncDispose]: () => client.close(),
    };
  }

  void test('[MCP-2025-11-25] [U17] a client that opens pages hears where a person answers', async () => {
    await using on = await connect('2025-11-25', { url: {} });
    const heard = await on.pay('groceries').then(
      () => assert.fail('not refused'),
      (error: unknown) => error,
    );
    assert.ok(heard instanceof UrlElicitationRequiredError, String(heard));
    const [asked] = heard.elicitations;
    assert.ok(asked !== undefined && asked.url.startsWith(`${origin}/#request=`), asked?.url);
    assert.match(asked.elicitationId, /^dec_/);
    assert.match(asked.message, /large amounts need a person/);
    assert.doesNotMatch(asked.message + asked.url, /groceries/, 'no argument in what is shown');
    const again = await on.pay('groceries').catch((error: unknown) => error as UrlElicitationRequiredError);
    assert.equal((again as UrlElicitationRequiredError).elicitations[0]?.url, asked.url, 'the same request is one page');
  });

  void test('[MCP-2026-07-28] [U17] a client that opens pages opens it once, and what it says then approves nothing', async () => {
    await using on = await connect('2026-07-28', { url: {} });
    const answer = await on.pay('modern');
    assert.equal(on.opened.length, 1);
    assert.match(on.opened[0] ?? '', DIGEST);
    assert.equal(answer.isError, true);
    assert.match(JSON.stringify(answer.content), /CORDON-5001/);
    assert.equal(await written('modern'), 0);
  });

  for (const era of ['2025-11-25', '2026-07-28'] as const) {
    void test(`[MCP-${era}] a client that opens none hears what it did before`, async () => {
      for (const elicitation of [undefined, {}, { form: {} }]) {
        await using on = await connect(era, elicitation);
        const answer = await on.pay('plain');
        assert.match(JSON.stringify(answer.content), /CORDON-5001/);
        assert.deepEqual(on.opened, []);
      }
    });
  }

  const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
  const raw = (line: string, params: object = {}): Promise<Answer> =>
    send({
      port: bed.ports.gateway,
      path: '/mcp/bench',
      headers: {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'write',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: {
          name: 'write',
          arguments: { line, amount: 700 },
          _meta: { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: { url: {} } } },
          ...params,
        },
      }),
      svid: caller,
    });

  void test('[I7] an agent that answers for its person approves nothing, whatever it says, and wherever', async () => {
    const asked = (await raw('mine')).json as {
      result: { resultType: string; inputRequests: Record<string, { params: { url: string } }> };
    };
    assert.equal(asked.result.resultType, 'input_required');
    const url = asked.result.inputRequests['cordon.approval']?.params.url ?? '';
    const [, digest = ''] = DIGEST.exec(url) ?? [];
    for (const said of [{ action: 'accept' }, { action: 'accept', content: { approved: true, role: 'admin' } }, true]) {
      const answer = await raw('mine', { inputResponses: { 'cordon.approval': said } });
      assert.match(answer.text, /CORDON-5001/);
    }
    // at the page: it reaches it, and has no passkey
    const ask = async (path: string, body: object, from = origin): Promise<{ status: number; json: JsonObject }> => {
      const headers = { 'content-type': 'application/json', origin: from };
      const reply = await fetch(new URL(path, origin), { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: reply.status, json: (await reply.json()) as JsonObject };
    };
    const forged = {
      id: 'AAAA',
      rawId: 'AAAA',
      type: 'public-key',
      clientExtensionResults: {},
      response: { clientDataJSON: 'e30', authenticatorData: 'AA', signature: 'AA' },
    };
    const [grant] = (await bed.control('GET', '/v1/grants')).json['items'] as { id: string; digest: string; state: string }[];
    assert.equal(grant?.digest, digest);
    const begun = await ask('/request/begin', { request: digest });
    assert.deepEqual(Object.keys(begun.json).toSorted(), ['options', 'visit'], 'nothing of the request without a passkey');
    const unknown = await ask('/request/begin', { request: 'f'.repeat(64) });
    assert.deepEqual(Object.keys(unknown.json).toSorted(), ['options', 'visit'], 'nor whether there is one');
    assert.equal((await ask('/request/show', { visit: begun.json['visit'] as string, response: forged })).status, 401);
    const answer = await ask('/request/begin-answer', { id: grant.id, answer: 'approve' });
    assert.equal((await ask('/request/answer', { visit: answer.json['visit'] as string, response: forged })).status, 401);
    assert.equal((await ask('/request/answer', { visit: answer.json['visit'] as string, response: forged })).status, 403, 'once');
    assert.equal((await ask('/request/begin-answer', { id: grant.id, answer: 'approve' }, 'http://evil.example')).status, 403);
    // over the control API, as itself
    const path = `/v1/grants/${grant.id}/approve`;
    assert.equal((await send({ port: bed.ports.control, path, body: '{}', svid: caller })).status, 403);
    const [left] = (await bed.control('GET', '/v1/grants')).json['items'] as { state: string }[];
    assert.equal(left?.state, 'asked');
    assert.equal(await written('mine'), 0);
  });

  void test('[I2] once approved, the call is made again and nothing that was said of the page goes on', async () => {
    await raw('approved');
    const [grant] = (await bed.control('GET', '/v1/grants')).json['items'] as { id: string }[];
    await bed.control('POST', `/v1/grants/${grant?.id ?? ''}/approve`, {});
    const done = await raw('approved', { inputResponses: { 'cordon.approval': { action: 'accept' } } });
    assert.match(done.text, /written/);
    assert.equal(await written('approved'), 1);
  });

  void test('[I7] [U17] an approver sees on the page what is asked, and answers with a passkey', { skip }, async () => {
    const { link } = await run('operator', 'invite', 'ana', '--role', 'analyst');
    assert.ok(typeof link === 'string');
    visitor = await visit();
    const { page } = visitor;
    await page.goto(link);
    await page.getByRole('button', { name: 'Make a passkey' }).click();
    await page.getByRole('heading', { name: 'Your passkey is made' }).waitFor();

    await using on = await connect('2026-07-28', { url: {} });
    await on.pay('car \u202edeppilf', 900);
    const [url = ''] = on.opened;
    await page.goto('about:blank');
    await page.goto(url);
    assert.doesNotMatch((await page.textContent('main')) ?? '', /900/, 'nothing is shown to a stranger');
    await page.getByRole('button', { name: 'Show me, with a passkey' }).click();
    await page.getByRole('heading', { name: 'caller asks for approval' }).waitFor();
    const shown = (await page.textContent('#asked')) ?? '';
    assert.match(shown, /large amounts need a person/);
    assert.match(shown, /"amount": 900/);
    assert.match(shown, /car \\u\{202e\}deppilf/, 'what turns the direction of a text is written out');
    assert.equal(page.url(), `${origin}/`);
    await page.getByRole('button', { name: 'Approve this call' }).click();
    await page.getByRole('heading', { name: 'Approved' }).waitFor();
    assert.equal((await on.pay('car \u202edeppilf', 900)).isError, undefined);
    assert.equal(await written('car \u202edeppilf'), 1);

    await on.pay('yacht', 9_000);
    await page.goto('about:blank');
    await page.goto(on.opened.at(-1) ?? '');
    await page.getByRole('button', { name: 'Show me, with a passkey' }).click();
    await page.getByLabel('Why not?').fill('no yachts');
    await page.getByRole('button', { name: 'Refuse' }).click();
    await page.getByRole('heading', { name: 'Refused' }).waitFor();
    assert.match(JSON.stringify((await on.pay('yacht', 9_000)).content), /CORDON-5005/);

    // a right that is taken away counts at once
    await on.pay('boat', 800);
    await run('operator', 'role', 'ana', 'viewer');
    await page.goto('about:blank');
    await page.goto(on.opened.at(-1) ?? '');
    await page.getByRole('button', { name: 'Show me, with a passkey' }).click();
    await page.getByRole('heading', { name: 'caller asks for approval' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Approve this call' }).isVisible(), false);
    assert.doesNotMatch((await page.textContent('#asked')) ?? '', /boat/, 'a viewer sees no arguments');

    await signedAll(bed);
    const acts = (await readLog(bed)).acts.filter(({ act, detail }) => act.startsWith('grant.') && detail?.['means'] === 'passkey');
    assert.deepEqual(
      acts.map(({ act, actor, reason }) => [act, actor, reason]),
      [
        ['grant.approve', 'spiffe://test.example/operator/ana', undefined],
        ['grant.refuse', 'spiffe://test.example/operator/ana', 'no yachts'],
      ],
    );
    assert.deepEqual(visitor.complaints, []);
  });
});

interface Desk {
  readonly visits: RequestVisits;
  readonly answers: (readonly [string, Answerer])[];
  now: number;
  role: OperatorRole | undefined;
  input: JsonObject;
}

/** Passkeys that say who signed, or that nobody did. */
function desk(): Desk {
  const of: Omit<Desk, 'visits'> = { answers: [], now: 0, role: 'analyst', input: PAYMENT };
  const grant = { id: 'gr_0000000001', state: 'asked', agent: 'clerk', action: 'tools/call', approver: 'analyst', until: 900_000 };
  const view = { ...grant, resource: 'ledger/pay', reason: '', policies: [] } as unknown as GrantView;
  const answered = (id: string, by: Answerer): Promise<GrantView> => {
    of.answers.push([id, by]);
    return Promise.resolve({ ...view, state: 'approved' });
  };
  const visits = createRequestVisits({
    passkeys: {
      challenge: (ceremony) => Promise.resolve({ challenge: ceremony }),
      verify: (ceremony, response) =>
        response === ceremony ? Promise.resolve('ana') : Promise.reject(new Refusal('CORDON-1013', 'not what was asked')),
    },
    grants: {
      idOf: (digest) => (digest === 'known' ? grant.id : undefined),
      get: () => Promise.resolve({ grant: view, request: call('clerk', 'ledger/pay_invoice', of.input) }),
      approve: answered,
      refuse: answered,
    },
    roleOf: () => of.role,
    actorOf: (name) => `spiffe://a.example/operator/${name}`,
    now: () => of.now,
  });
  return Object.assign(of, { visits });
}
const challengeOf = ({ options }: { readonly options: object }): unknown => (options as { challenge: unknown }).challenge;

describe('[I7] what is signed on the page', () => {
  void test('is for one thing, once, in its time', async () => {
    const on = desk();
    const shown = await on.visits.begin('known');
    await assert.rejects(on.visits.answer(shown.visit, challengeOf(shown)), { code: 'CORDON-1005' }, 'seeing is not answering');
    const first = await on.visits.beginAnswer('gr_0000000001', { answer: 'approve' });
    const other = await on.visits.beginAnswer('gr_0000000002', { answer: 'approve' });
    await assert.rejects(on.visits.answer(other.visit, challengeOf(first)), { code: 'CORDON-1013' }, 'another request');
    await on.visits.answer(first.visit, challengeOf(first));
    await assert.rejects(on.visits.answer(first.visit, challengeOf(first)), { code: 'CORDON-1005' }, 'a second time');
    const late = await on.visits.beginAnswer('gr_0000000001', { answer: 'approve' });
    on.now += 300_000;
    await assert.rejects(on.visits.answer(late.visit, challengeOf(late)), { code: 'CORDON-1005' }, 'too late');
    assert.deepEqual(on.answers, [['gr_0000000001', { actor: 'spiffe://a.example/operator/ana', role: 'analyst', means: 'passkey' }]]);
  });

  void test('is never the name of a sign-in', async () => {
    assert.match(String(challengeOf(await desk().visits.begin('known'))), /^request\//);
  });

  void test('counts only of somebody who is an operator now; arguments are for those who may answer', async () => {
    const on = desk();
    const show = async (): Promise<JsonObject> => {
      const begun = await on.visits.begin('known');
      return on.visits.show(begun.visit, challengeOf(begun));
    };
    assert.match(JSON.stringify((await show())['input']), /amount_cents/);
    on.input = { huge: 2n ** 60n, text: '2' };
    assert.equal((await show())['input'], '"huge": 1152921504606846976\n"text": "2"', 'no number is rounded');
    for (const role of ['viewer', 'auditor'] as const) {
      on.role = role;
      const { input, may_answer: may } = await show();
      assert.deepEqual([input, may], [undefined, false], role);
    }
    on.role = undefined;
    await assert.rejects(show(), { code: 'CORDON-1017' });
    const begun = await on.visits.beginAnswer('gr_0000000001', { answer: 'approve' });
    await assert.rejects(on.visits.answer(begun.visit, challengeOf(begun)), { code: 'CORDON-1017' });
    assert.deepEqual(on.answers, []);
  });

  void test('[I10] is bounded, and makes room in time', async () => {
    const on = desk();
    for (let at = 0; at < 200; at++) await on.visits.begin('known');
    await assert.rejects(on.visits.begin('known'), { code: 'CORDON-4003' });
    on.now += 300_000;
    await on.visits.begin('known');
  });
});

void test('[I10] what callers said of themselves is bounded, and is that of a run with a server', () => {
  const openers = createPageOpeners();
  const able = { elicitation: { url: {} } };
  openers.note('run-1', 'bench', able);
  assert.deepEqual([openers.has('run-1', 'bench'), openers.has('run-1', 'other'), openers.has('run-2', 'bench')], [true, false, false]);
  openers.note('run-1', 'bench', { elicitation: {} });
  assert.equal(openers.has('run-1', 'bench'), false);
  for (let at = 0; at < 5_000; at++) openers.note(`run-${at}`, 'bench', able);
  assert.deepEqual([openers.has('run-0', 'bench'), openers.has('run-4999', 'bench')], [false, true]);
});
