// A root of the trust domain is replaced under a running Cordon: real listeners, real agents, connections held open the whole time. Its
// clock starts a day and two hours behind, so that every certificate is valid for TLS, which knows only the true time.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { joinDomain } from '../src/sdk/identity.ts';
import { connect, type Cordon } from '../src/sdk/index.ts';
import { readConfig } from '../src/server/config.ts';
import { up, type Running } from '../src/server/up.ts';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { freePorts, type Svid } from './support/bed.ts';
import { openLine } from './support/line.ts';
import { until } from './support/until.ts';

const HOUR = 3_600_000;
let behind = 26 * HOUR;
let dir: string;
let running: Running;

const yaml = ([gateway, control, identity]: readonly number[]): string => `
trustDomain: desk.example
listen: { gateway: '127.0.0.1:${gateway}', control: '127.0.0.1:${control}', identity: '127.0.0.1:${identity}' }
segments: { desk: {} }
agents: { clerk: { segment: desk, owner: ada, purpose: test } }
policies: policies
svid: { ttl: 1h }
`;

const start = async (changed: { readonly svidTtl?: number } = {}): Promise<Running> => {
  const config = { ...(await readConfig(join(dir, 'cordon.yaml'))), ...changed };
  return up({ config, dataDir: join(dir, '.cordon'), onNotice: () => undefined, now: () => Date.now() - behind });
};

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cordon-ca-'));
  await mkdir(join(dir, 'policies'));
  await writeFile(join(dir, 'policies', 'one.cedar'), '@id("none")\nforbid (principal, action, resource);\n');
  await writeFile(join(dir, 'cordon.yaml'), yaml(await freePorts(3)));
  running = await start();
});
after(async () => {
  await (running as Running | undefined)?.close();
  await rm(dir, { recursive: true, force: true });
});

async function joined(): Promise<Cordon> {
  const { issuer, identityUrl } = running.control;
  const { token } = await issuer.startRun('agent', 'clerk', 'test');
  return connect({ CORDON_JOIN_TOKEN: token, CORDON_IDENTITY_URL: identityUrl, CORDON_BUNDLE: issuer.bundle });
}

/** The gateway knows who asks, and refuses what nobody may: that much needs both certificates verified. */
async function asks(cordon: Cordon): Promise<void> {
  const answer = await cordon.fetch(cordon.mcpUrl('nothing'), {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json' },
  });
  assert.ok([400, 403, 404].includes(answer.status), String(answer.status));
  await answer.text();
}

interface OperatorFile {
  readonly chain: string;
  readonly privateKey: string;
  readonly bundle: string;
}
const operator = async (): Promise<OperatorFile> =>
  JSON.parse(await readFile(join(dir, '.cordon', 'operator', 'credentials.json'), 'utf8')) as OperatorFile;

const roots = (bundle: string): number => bundle.split('BEGIN CERTIFICATE').length - 1;

/** One connection to the control plane that an operator keeps. */
class Line {
  readonly #agent: Agent;
  readonly sockets = new Set<unknown>();

  constructor({ chain, privateKey, bundle }: OperatorFile) {
    const identity = { cert: chain, key: privateKey, ca: bundle, checkServerIdentity: () => undefined };
    this.#agent = new Agent({ ...identity, keepAlive: true, maxSockets: 1, servername: '' });
  }

  async ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const asked = request(new URL(path, running.control.controlUrl), {
      method,
      agent: this.#agent,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
    });
    asked.once('socket', (socket) => this.sockets.add(socket));
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer> & { statusCode: number }];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    assert.equal(response.statusCode, 200, Buffer.concat(chunks).toString());
    return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
  }

  close(): void {
    this.#agent.destroy();
  }
}

test('[SPIFFE-X509-SVID] connections stay, and SVIDs of both chains are accepted, from the first step to the last', async (t) => {
  const { authority } = running.control;
  assert.equal((await authority.rotate('prepare', 'root', 'test')).status, 'done');
  assert.equal((await authority.rotate('activate', 'root', 'test')).status, 'too_early');
  await until('the operator has both roots', async () => (roots((await operator()).bundle) === 2 ? true : undefined));
  behind = 10 * 60_000; // a day has passed, and Cordon was restarted on the way: what was prepared is still prepared
  await running.close();
  running = await start();
  const kept = new Line(await operator());
  const rotate = async (name: string): Promise<unknown> => (await kept.ask('POST', '/v1/ca/rotate', { step: name, use: 'root' }))['status'];
  t.after(() => kept.close());
  const early = await joined();
  t.after(() => early.close());
  await asks(early);
  const held = openLine(running.control.config.listen.gateway.port, await ownSvid());
  t.after(() => held.close());
  const post = async (): Promise<number> => (await held.post('/mcp/nothing', {}, '{}')).status;
  const status = await post();
  const address = running.control.connections().map((connection) => connection.address);

  const first = await operator();
  const ofNewChain = (now: OperatorFile): OperatorFile | undefined => (now.chain === first.chain ? undefined : now);
  assert.equal(await rotate('activate'), 'done');
  const late = await joined();
  t.after(() => late.close());
  await Promise.all([asks(early), asks(late)]);
  const renewed = new Line(await until('the operator has an SVID of the new chain', async () => ofNewChain(await operator())));
  t.after(() => renewed.close());
  const { keys } = (await renewed.ask('GET', '/v1/ca')) as { keys: readonly { use: string; stage: string }[] };
  assert.deepEqual(
    keys.filter(({ use }) => use === 'root').map(({ stage }) => stage),
    ['old', 'active'],
  );
  assert.equal(await rotate('retire'), 'too_early');
  await Promise.all([asks(early), asks(late)]);
  assert.equal(await post(), status);
  assert.ok(address.length > 0 && address.every((one) => running.control.connections().some((connection) => connection.address === one)));
  assert.equal(kept.sockets.size, 1, 'the operator went on over one connection');
});

/** An SVID whose key the test keeps. */
async function ownSvid(): Promise<Svid> {
  const { issuer } = running.control;
  const key = await generateKeyPem();
  const { token } = await issuer.startRun('agent', 'clerk', 'test');
  const { chain } = await issuer.join(token, await createRequest(key));
  return { cert: chain, key: key.privateKey, ca: issuer.bundle };
}

test('a workload hears of a new root with its next SVID, and goes on with it', async (t) => {
  await running.close();
  behind = 0;
  running = await start({ svidTtl: 2000 });
  const { issuer, identityUrl, authority } = running.control;
  const { token } = await issuer.startRun('agent', 'clerk', 'test');
  const known = authority.roots().length;
  const identity = await joinDomain({ token, identityUrl: new URL(identityUrl), bundle: issuer.bundle });
  t.after(() => identity.stop());
  assert.equal(roots(identity.current().bundle), known);
  assert.equal((await authority.rotate('prepare', 'root', 'test')).status, 'done');
  const renewals = (): Promise<string> => new Promise((resolve) => identity.onRotate(() => resolve(identity.current().bundle)));
  assert.equal(roots(await renewals()), known + 1);
  await renewals();
});
