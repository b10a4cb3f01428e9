// Identities that end: SVIDs that expired, that rotate every second or so under load, that nobody renews, or that somebody else wants.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { connect, type Cordon } from '../src/sdk/index.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { messagesOf, streamCall } from './support/call-stream.ts';
import { askRenewal, joinRun, renew, startRun, type RunSvid } from './support/join.ts';
import { openLine } from './support/line.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { startUp, type OwnUp } from './support/own-up.ts';
import { until } from './support/until.ts';

const HOUR = 3_600_000;

let bed: Bed;
before(async () => {
  bed = await openBed();
});
after(() => (bed as Bed | undefined)?.close());

const call = (at: Bed, svid: Partial<Svid>, text = 'x'): Promise<Answer> =>
  send({ port: at.ports.gateway, ...toolCall('echo', { text }), svid });
const codeOf = ({ json }: Answer): string | undefined =>
  (json['result'] as { structuredContent?: { code: string } } | undefined)?.structuredContent?.code ?? (json['code'] as string | undefined);

const last = async (at: Bed): Promise<Record<string, unknown>> => {
  const { items } = (await at.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] };
  return items[0] ?? {};
};

const operatorOf = async ({ data }: Bed): Promise<Svid> => {
  const { chain, privateKey, bundle } = JSON.parse(await readFile(join(data, 'operator', 'credentials.json'), 'utf8')) as Record<
    string,
    string
  >;
  return { cert: chain ?? '', key: privateKey ?? '', ca: bundle ?? '' };
};

/** The newest decision of which this is true. */
const recorded = async (at: Bed, fits: (record: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> => {
  const { items } = (await at.control('GET', '/v1/decisions?limit=20')).json as { items: Record<string, unknown>[] };
  return items.find(fits) ?? {};
};

describe('an SVID that expired', () => {
  let expired: Svid;
  let own: Bed;
  after(() => own.close());
  before(async () => {
    own = await openBed({ tools: false });
    await own.stop();
    // issued by a Cordon whose clock is an hour behind, and whose authority was made by that clock: for everybody else it ran out long ago
    await rm(own.data, { recursive: true });
    const behind = await startUp(own, { behindMs: HOUR });
    const operator = { ...(await operatorOf(own)), rejectUnauthorized: false };
    const { json } = await send({
      port: own.ports.control,
      path: '/v1/runs',
      body: JSON.stringify({ kind: 'agent', name: 'caller' }),
      svid: operator,
    });
    expired = await joinRun(
      own,
      { id: String(json['run']), token: String(json['token']), bundle: operator.ca },
      { rejectUnauthorized: false },
    );
    await behind.stop();
    await own.start();
  });

  void test('[I5] [RFC8446] is refused in the handshake, and the log says that it expired', async () => {
    const { validToDate, validFromDate } = new X509Certificate(expired.cert);
    assert.ok(validToDate.getTime() < Date.now() && validFromDate.getTime() < validToDate.getTime());
    await assert.rejects(call(own, expired));
    const record = await recorded(own, ({ action }) => action === 'tls/handshake');
    assert.deepEqual([record['code'], record['verdict'], record['principal']], ['CORDON-1002', 'deny', undefined]);
  });

  void test('[I5] cannot be renewed: an identity that ran out is gone', async () => {
    await assert.rejects(askRenewal(own, expired));
  });
});

// three seconds: what issuing, rotating and expiring do within minutes, seen within seconds
describe('SVIDs that live for three seconds', { concurrency: true }, () => {
  const TTL = 3000;
  let short: Bed;
  let up: OwnUp;
  let cordon: Cordon;

  before(async () => {
    short = await openBed({ tools: false, policies: '@id("all") permit (principal == Agent::"caller", action, resource);' });
    await short.stop();
    up = await startUp(short, { svidTtlMs: TTL });
    const line = { type: 'string' };
    const tools = [
      { name: 'write', inputSchema: { type: 'object', properties: { line, amount: { type: 'integer' } }, required: ['line', 'amount'] } },
      { name: 'tick', inputSchema: { type: 'object', properties: {} } },
    ];
    await short.spawnWorkload('resource', 'bench', 'test/support/raw-server.ts', [
      String(short.ports.bench),
      short.effects,
      JSON.stringify(tools),
    ]);
    await short.ready();
    const { id, token, bundle } = await startRun(short, 'agent', 'caller');
    cordon = await connect({
      CORDON_JOIN_TOKEN: token,
      CORDON_IDENTITY_URL: `https://127.0.0.1:${short.ports.identity}`,
      CORDON_BUNDLE: bundle,
    });
    assert.ok(cordon.spiffeId.endsWith(id));
  });
  after(async () => {
    await (cordon as Cordon | undefined)?.close();
    await (up as OwnUp | undefined)?.stop('SIGKILL');
    await (short as Bed | undefined)?.close();
  });

  /** The serial of the certificate that a listener shows now. */
  async function serialAt(port: number, svid: Svid): Promise<string> {
    const socket = connectTls({ host: '127.0.0.1', port, ...svid, checkServerIdentity: () => undefined });
    await once(socket, 'secureConnect');
    const serial = socket.getPeerX509Certificate()?.serialNumber;
    socket.destroy();
    return serial ?? '';
  }

  const serialsOf = async (id: string): Promise<number> => {
    const { acts } = await readLog(short);
    return new Set(acts.filter(({ act, target }) => act === 'identity.issue' && target === id).map(({ detail }) => detail?.['serial']))
      .size;
  };

  /** Calls through the SDK until it is told to stop. @returns the lines that were written */
  async function calls(worker: number, isGoing: () => boolean): Promise<readonly string[]> {
    const lines: string[] = [];
    while (isGoing()) {
      const line = `sdk-${worker}-${lines.length}`;
      const { path, headers, body } = toolCall('write', { line, amount: 1 });
      const init = {
        method: 'POST',
        headers: { ...(headers as Record<string, string>), 'content-type': 'application/json' },
        body: String(body),
      };
      const response = await cordon.fetch(new URL(path, cordon.gateway), init);
      const text = await response.text();
      assert.ok(response.status === 200 && text.includes('written'), text);
      lines.push(line);
    }
    return lines;
  }

  void test('[I5] an SDK client, a tool server and the gateway rotate three times while calls go on, and not one call fails', async () => {
    const served = { gateway: new Set<string>(), bench: new Set<string>() };
    let going = true;
    const calling = Promise.all([0, 1].map((worker) => calls(worker, () => going)));
    const rotated = async (): Promise<true | undefined> => {
      const looker = await short.svid('other');
      for (const which of ['gateway', 'bench'] as const) served[which].add(await serialAt(short.ports[which], looker));
      return [served.gateway.size, served.bench.size, await serialsOf(cordon.spiffeId)].every((count) => count > 3) ? true : undefined;
    };
    try {
      await Promise.race([until('each has rotated three times', rotated), calling]);
    } finally {
      going = false;
    }
    const lines = (await calling).flat();
    assert.ok(lines.length > 50, `${lines.length} calls`);
    const effects = (await readFile(short.effects, 'utf8')).split('\n').filter((effect) => effect.startsWith('sdk-'));
    assert.deepEqual(effects.toSorted(), lines.map((line) => `${line} 1`).toSorted());
    await signedAll(short);
    const { decisions, outcomes } = await readLog(short);
    const made = new Set(
      decisions.filter(({ action, principal }) => action === 'tools/call' && principal === cordon.spiffeId).map(({ id }) => id),
    );
    assert.equal(made.size, lines.length);
    assert.equal(outcomes.filter(({ decision, status }) => made.has(decision) && status === 'completed').length, lines.length);
  });

  void test('[I5] a stream lives across rotations while its run renews, and is cut when the run stops', async () => {
    let svid = await joinRun(short, await startRun(short, 'agent', 'caller'));
    const first = svid.notAfter;
    const messages = messagesOf(await streamCall(short.ports.gateway, svid, 'tick', {}));
    for (let renewals = 0; renewals < 3 || Date.now() < first + 500;) {
      assert.equal((await messages.next()).done, false);
      if (svid.notAfter - Date.now() > TTL / 2) continue;
      svid = await renew(short, svid);
      renewals++;
    }
    assert.ok(Date.now() > first, 'the certificate of the connection has expired, and the stream goes on');
    await assert.rejects(async () => {
      for await (const message of messages) assert.equal(message['method'], 'notifications/progress');
    });
    assert.ok(Date.now() >= svid.notAfter, 'not before the newest SVID of the run ran out');
    await until('the tool is told', async () => ((await readFile(short.effects, 'utf8')).includes('aborted') ? true : undefined));
  });

  void test('[I5] a connection takes no new call once its certificate has expired, though its run holds a newer one', async () => {
    const old = await joinRun(short, await startRun(short, 'agent', 'caller'));
    const line = openLine(short.ports.gateway, old);
    let newest: RunSvid = old;
    const refused = await until('the certificate of the connection expires', async () => {
      const answer = await line.call('write', { line: 'old', amount: 1 });
      if (newest.notAfter - Date.now() < TTL / 2) newest = await renew(short, newest);
      return answer.status === 200 ? undefined : answer;
    });
    assert.deepEqual([refused.status, codeOf(refused)], [401, 'CORDON-1002']);
    assert.ok(Date.now() >= old.notAfter);
    const { items } = (await short.control('GET', '/v1/decisions?verdict=deny&limit=100')).json as { items: Record<string, unknown>[] };
    const record = items.find(({ code }) => code === 'CORDON-1002');
    assert.deepEqual([record?.['run'], record?.['principal']], [old.run, `spiffe://test.example/agent/caller/run/${old.run}`]);
    await line.close();
  });
});

describe('who gets an SVID, and what for', () => {
  let caller: RunSvid;
  before(async () => {
    caller = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
  });

  void test('[I5] [I6] no renewal at level `off`', async () => {
    await bed.control('POST', '/v1/agents/caller/level', { level: 'off', reason: 'test' });
    const refused = await askRenewal(bed, caller);
    assert.deepEqual([refused.status, codeOf(refused)], [403, 'CORDON-4002']);
    await bed.control('POST', '/v1/agents/caller/level', { level: 'normal', reason: 'test' });
    caller = await renew(bed, caller);
    assert.equal((await call(bed, caller)).status, 200);
  });

  void test('[I5] a renewal is of the run that holds the connection, whatever the request says', async () => {
    const other = await startRun(bed, 'agent', 'other');
    for (const more of [
      { run: other.id },
      { token: other.token },
      { name: 'other' },
      { kind: 'operator' },
      { spiffe_id: 'spiffe://test.example/operator/local' },
    ]) {
      const answer = await askRenewal(bed, caller, more);
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'CORDON-9011'], JSON.stringify(more));
    }
    const { json } = await askRenewal(bed, caller);
    assert.match(new X509Certificate(String(json['svid'])).subjectAltName ?? '', new RegExp(`/agent/caller/run/${caller.run}"?$`));
  });

  void test('[I5] no renewal with a stolen certificate, with a request that its key did not sign, or after the run ended', async () => {
    const thief = await generateKeyPem();
    await assert.rejects(askRenewal(bed, { ...caller, key: thief.privateKey }));
    const csr = Buffer.from(await createRequest(thief));
    const at = csr.length - 4;
    csr[at] = (csr[at] ?? 0) ^ 1;
    const forged = await send({
      port: bed.ports.control,
      path: '/v1/identity/renew',
      body: JSON.stringify({ csr: csr.toString('base64') }),
      svid: caller,
    });
    assert.deepEqual([forged.status, codeOf(forged)], [401, 'CORDON-1013']);
    const gone = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
    await bed.control('DELETE', `/v1/runs/${gone.run}`);
    assert.equal(codeOf(await askRenewal(bed, gone)), 'CORDON-4005');
  });

  void test('[I5] a join token is of one run: it gives that name to nobody else and nothing to who has an SVID already', async () => {
    const run = await startRun(bed, 'agent', 'other');
    const joined = await joinRun(bed, run);
    assert.match(new X509Certificate(joined.cert).subjectAltName ?? '', new RegExp(`/agent/other/run/${run.id}`));
    await assert.rejects(joinRun(bed, run), /CORDON-1005/);
    const never = await startRun(bed, 'agent', 'other');
    await bed.control('DELETE', `/v1/runs/${never.id}`);
    await assert.rejects(joinRun(bed, never), /CORDON-1005/);
  });

  void test('[I5] the SVID of a tool server does not call the gateway, and that of an operator does not either', async () => {
    const resource = await joinRun(bed, await startRun(bed, 'resource', 'bench'));
    for (const [svid, claims] of [
      [resource, /^spiffe:\/\/test\.example\/resource\/bench\//],
      [await operatorOf(bed), /^spiffe:\/\/test\.example\/operator\/local\//],
    ] as const) {
      await assert.rejects(call(bed, svid, 'not an agent'));
      const record = await last(bed);
      assert.deepEqual([record['code'], record['action'], record['verdict']], ['CORDON-1014', 'tls/handshake', 'deny']);
      assert.match(String(record['claimed']), claims);
    }
  });
});
