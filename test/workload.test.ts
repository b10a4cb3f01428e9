// The SPIFFE Workload API: what its streams say and when, how it says no, and what it takes from a caller that means harm.
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Client, credentials, status } from '@grpc/grpc-js';
import type { JwtBundlesReply, JwtSvidReply, X509BundlesReply, X509SvidReply } from '../src/control/workload/messages.ts';
import { generateJwsKey } from '../src/crypto/jws.ts';
import { randomSerial } from '../src/crypto/random.ts';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { createRoot } from '../src/identity/authority.ts';
import { openWorkloadBed, type WorkloadBed } from './support/workload-bed.ts';
import { WorkloadClient, HEADER, type Stream } from './support/workload-client.ts';

const MINUTE = 60_000;
const PARTNER = parseTrustDomain('partner.example');

void describe('workload API', () => {
  let bed: WorkloadBed;
  let clients: WorkloadClient[];
  const connect = (socket: string): WorkloadClient => {
    const client = new WorkloadClient(socket);
    clients.push(client);
    return client;
  };
  const fetch = (client: WorkloadClient): Stream<X509SvidReply> => client.stream<X509SvidReply>('FetchX509SVID');

  beforeEach(async () => {
    clients = [];
    bed = await openWorkloadBed();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await bed.close();
  });

  void test('[SPIFFE-Workload-API] the first message is a key, its certificates and the bundle, in DER', async () => {
    const { run, socket } = await bed.start('clerk');
    const { svids, crl, federated_bundles: federated } = await fetch(connect(socket)).next();
    const [svid] = svids;
    assert.ok(svid);
    assert.equal(svid.spiffe_id, `spiffe://test.example/agent/clerk/run/${run}`);
    assert.equal(svid.hint, 'agent/clerk');
    assert.deepEqual([svids.length, crl, federated], [1, [], {}]);
    const leaf = new X509Certificate(svid.x509_svid);
    const root = new X509Certificate(svid.bundle);
    const intermediate = new X509Certificate(Buffer.from(svid.x509_svid).subarray(leaf.raw.length));
    assert.ok(leaf.verify(intermediate.publicKey) && intermediate.verify(root.publicKey));
    assert.equal(leaf.raw.length + intermediate.raw.length, svid.x509_svid.length);
    assert.ok(leaf.checkPrivateKey(createPrivateKey({ key: Buffer.from(svid.x509_svid_key), format: 'der', type: 'pkcs8' })));
  });

  void test('[SPIFFE-Workload-API] streams of a run share its SVID, and get another one and another key from half of its life on', async () => {
    const { socket } = await bed.start('clerk');
    const [one, other] = [fetch(connect(socket)), fetch(connect(socket))];
    const first = (await one.next()).svids[0];
    assert.deepEqual((await other.next()).svids[0], first);
    await bed.pass(7 * MINUTE);
    await bed.pass(MINUTE);
    const second = (await one.next()).svids[0];
    assert.deepEqual((await other.next()).svids[0], second, 'one message for both, and none at seven minutes');
    assert.notDeepEqual(second?.x509_svid_key, first?.x509_svid_key);
    assert.equal(second?.spiffe_id, first?.spiffe_id);
  });

  void test('[SPIFFE-Workload-API] a stream renews by itself, without being told to look', async () => {
    const { socket } = await bed.start('clerk');
    await fetch(connect(socket)).next();
    bed.move(7.5 * MINUTE - 1000); // what there is has less than a second of its half left
    const late = fetch(connect(socket));
    const { svids: before } = await late.next();
    const { svids: after } = await late.next();
    assert.notDeepEqual(after[0]?.x509_svid, before[0]?.x509_svid);
  });

  void test('[SPIFFE-Workload-API] bundles of a federated domain come and go, whole each time', async () => {
    const { socket } = await bed.start('clerk');
    const client = connect(socket);
    const [svids, x509, jwt] = [
      fetch(client),
      client.stream<X509BundlesReply>('FetchX509Bundles'),
      client.stream<JwtBundlesReply>('FetchJWTBundles'),
    ];
    const ids = async (): Promise<readonly string[][]> => [
      Object.keys((await svids.next()).federated_bundles),
      Object.keys((await x509.next()).bundles).toSorted(),
      Object.keys((await jwt.next()).bundles).toSorted(),
    ];
    assert.deepEqual(await ids(), [[], ['spiffe://test.example'], ['spiffe://test.example']]);
    const root = await createRoot({ trustDomain: PARTNER, now: Date.now(), serial: randomSerial });
    bed.federated.set(PARTNER, { x509: root.certificate, jwks: { keys: [] } });
    await bed.refresh();
    const both = ['spiffe://partner.example', 'spiffe://test.example'];
    assert.deepEqual(await ids(), [['spiffe://partner.example'], both, both]);
    bed.federated.clear();
    await bed.refresh();
    assert.deepEqual(await ids(), [[], ['spiffe://test.example'], ['spiffe://test.example']]);
  });

  void test('[SPIFFE-Workload-API] a new root is heard of before it signs', async () => {
    const { socket } = await bed.start('clerk');
    const stream = connect(socket).stream<X509BundlesReply>('FetchX509Bundles');
    const before = (await stream.next()).bundles['spiffe://test.example']?.length ?? 0;
    await bed.state.authority.rotate('prepare', 'root', 'test');
    const after = (await stream.next()).bundles['spiffe://test.example']?.length ?? 0;
    assert.ok(after > before + 200, `${before} → ${after} bytes`);
  });

  void test('[I6] `off` closes every stream of the agent, is counted, and nothing is given until it is released', async () => {
    const { socket } = await bed.start('clerk');
    const other = fetch(connect((await bed.start('scribe')).socket));
    const client = connect(socket);
    const [svids, bundles] = [fetch(client), client.stream('FetchJWTBundles')];
    await Promise.all([svids.next(), bundles.next(), other.next()]);
    bed.publisher.setLevel('clerk', 'off');
    const [seen] = await bed.publisher.contain({ kind: 'agent', id: 'clerk' }, performance.now());
    assert.deepEqual([seen?.pep, seen?.connections, seen?.remaining], ['workload-1', 2, 0]);
    for (const stream of [svids, bundles]) assert.equal((await stream.ended).code, status.PERMISSION_DENIED);
    assert.match((await svids.ended).details, /^CORDON-4002 /);
    assert.match((await fetch(client).ended).details, /^CORDON-4002 /);
    await assert.rejects(client.unary('FetchJWTSVID', { audience: ['x'] }), { code: status.PERMISSION_DENIED });
    bed.publisher.setLevel('clerk', 'normal');
    bed.publisher.publish();
    await fetch(client).next();
    await bed.pass(8 * MINUTE);
    await other.next(); // it never heard of any of this
  });

  void test('[I6] the end of a run closes its streams and takes its socket away', async () => {
    const { run, socket } = await bed.start('clerk');
    const client = connect(socket);
    const stream = fetch(client);
    await stream.next();
    await bed.endRun(run);
    const { code, details } = await stream.ended;
    assert.deepEqual([code, details], [status.PERMISSION_DENIED, 'CORDON-4005 the run has ended']);
    assert.match((await fetch(client).ended).details, /^CORDON-4005 /, 'over the connection that is still open');
    assert.equal(existsSync(socket), false);
  });

  void test('[SPIFFE-Workload-API] the reader that is slow gets what is true now, not all that was', async () => {
    const { socket } = await bed.start('clerk');
    const stream = connect(socket).stream<X509BundlesReply>('FetchX509Bundles');
    await stream.next();
    stream.call.pause();
    const ROUNDS = 40;
    for (let round = 1; round <= ROUNDS; round++) {
      const certificate = `-----BEGIN CERTIFICATE-----\n${Buffer.alloc(200_000, round).toString('base64')}\n-----END CERTIFICATE-----\n`;
      bed.federated.set(PARTNER, { x509: certificate, jwks: {} });
      await bed.refresh();
      await turn();
    }
    stream.call.resume();
    let messages = 0;
    for (let newest = 0; newest < ROUNDS; messages++) newest = (await stream.next()).bundles['spiffe://partner.example']?.[0] ?? 0;
    assert.ok(messages < ROUNDS / 2, `${messages} messages for ${ROUNDS} states`);
  });

  void test('[SPIFFE-Workload-API] JWT-SVIDs: for whom it is asked, once for each identity, and for minutes', async () => {
    const { run, socket } = await bed.start('clerk');
    const client = connect(socket);
    const id = `spiffe://test.example/agent/clerk/run/${run}`;
    const { svids } = await client.unary<JwtSvidReply>('FetchJWTSVID', { audience: ['a', 'b'], spiffe_id: id });
    assert.deepEqual([svids.length, svids[0]?.spiffe_id, svids[0]?.hint], [1, id, 'agent/clerk']);
    const svid = svids[0]?.svid ?? '';
    const valid = await client.unary<{ spiffe_id: string; claims: { fields: Record<string, { list_value?: unknown }> } }>(
      'ValidateJWTSVID',
      { audience: 'b', svid },
    );
    assert.equal(valid.spiffe_id, id);
    assert.deepEqual(Object.keys(valid.claims.fields).toSorted(), ['aud', 'exp', 'iat', 'sub']);
    bed.move(6 * MINUTE);
    await assert.rejects(client.unary('ValidateJWTSVID', { audience: 'b', svid }), {
      code: status.INVALID_ARGUMENT,
      details: /CORDON-1010/,
    });
  });

  const WRONG: readonly (readonly [name: string, method: string, request: object, code: status])[] = [
    ['no audience', 'FetchJWTSVID', {}, status.INVALID_ARGUMENT],
    ['an empty audience', 'FetchJWTSVID', { audience: ['a', ''] }, status.INVALID_ARGUMENT],
    ['too many audiences', 'FetchJWTSVID', { audience: Array(17).fill('a') }, status.INVALID_ARGUMENT],
    ['an audience that is too long', 'FetchJWTSVID', { audience: ['a'.repeat(3000)] }, status.INVALID_ARGUMENT],
    ['no SPIFFE ID', 'FetchJWTSVID', { audience: ['a'], spiffe_id: 'https://test.example' }, status.INVALID_ARGUMENT],
    ['the ID of another', 'FetchJWTSVID', { audience: ['a'], spiffe_id: 'spiffe://test.example/agent/scribe' }, status.PERMISSION_DENIED],
    ['a request over 64 KiB', 'FetchJWTSVID', { audience: ['a'.repeat(70_000)] }, status.RESOURCE_EXHAUSTED],
    ['no audience to validate for', 'ValidateJWTSVID', { svid: 'a.b.c' }, status.INVALID_ARGUMENT],
    ['nothing to validate', 'ValidateJWTSVID', { audience: 'a' }, status.INVALID_ARGUMENT],
    ['no token', 'ValidateJWTSVID', { audience: 'a', svid: 'a.b.c' }, status.INVALID_ARGUMENT],
    ['a token that is too long', 'ValidateJWTSVID', { audience: 'a', svid: 'a'.repeat(17_000) }, status.INVALID_ARGUMENT],
  ];
  for (const [name, method, request, code] of WRONG) {
    void test(`[SPIFFE-Workload-API] ${method} refuses ${name}`, async () => {
      const { socket } = await bed.start('clerk');
      await assert.rejects(connect(socket).unary(method, request), { code });
    });
  }

  void test('[SPIFFE-Workload-API] a token is proven by the keys of its own trust domain alone', async () => {
    const { socket } = await bed.start('clerk');
    const client = connect(socket);
    const { signer } = generateJwsKey('partner-1');
    bed.federated.set(PARTNER, { x509: '', jwks: { keys: [signer.jwk, { kty: 'AKP', kid: 'of-tomorrow' }] } });
    const exp = Math.floor(Date.now() / 1000) + 60;
    const validate = (claims: object, typ?: string): Promise<{ spiffe_id: string }> =>
      client.unary('ValidateJWTSVID', { audience: 'a', svid: signer.sign({ aud: 'a', exp, ...claims }, typ) });
    assert.equal((await validate({ sub: 'spiffe://partner.example/x' })).spiffe_id, 'spiffe://partner.example/x');
    assert.equal((await validate({ sub: 'spiffe://partner.example/x' }, 'JOSE')).spiffe_id, 'spiffe://partner.example/x');
    const refused = { code: status.INVALID_ARGUMENT };
    await assert.rejects(validate({ sub: 'spiffe://test.example/agent/clerk' }), refused, 'signed by another domain');
    await assert.rejects(validate({ sub: 'spiffe://unknown.example/x' }), refused);
    await assert.rejects(validate({ sub: 'alice' }), refused);
    await assert.rejects(validate({}), refused);
    await assert.rejects(validate({ sub: 'spiffe://partner.example/x', exp: undefined }), refused);
    await assert.rejects(validate({ sub: 'spiffe://partner.example/x', exp: 1 }), refused);
    await assert.rejects(validate({ sub: 'spiffe://partner.example/x', nbf: exp }), refused);
    await assert.rejects(validate({ sub: 'spiffe://partner.example/x', aud: [] }), refused);
    await assert.rejects(validate({ sub: 'spiffe://partner.example/x' }, 'at+jwt'), refused);
  });

  void test('[SPIFFE-Workload-API] refusals are on record, without what was asked with', async () => {
    const { socket } = await bed.start('clerk');
    bed.publisher.setLevel('clerk', 'off');
    await assert.rejects(connect(socket).unary('FetchJWTSVID', { audience: ['secret-audience'] }));
    assert.deepEqual(
      bed.refused.map(({ refusal, action }) => [refusal.code, action]),
      [['CORDON-4002', 'workload/FetchJWTSVID']],
    );
  });

  void test('[I5] private keys are nowhere in the data directory', async () => {
    const { socket } = await bed.start('clerk');
    const { svids } = await fetch(connect(socket)).next();
    const key = Buffer.from(svids[0]?.x509_svid_key ?? '');
    const files = readdirSync(bed.dir, { recursive: true, encoding: 'utf8' }).map((name) => join(bed.dir, name));
    const contents = files.filter((path) => statSync(path).isFile()).map((path) => readFileSync(path));
    assert.ok(contents.length > 3 && key.length > 100);
    for (const bytes of contents) assert.ok(!bytes.includes(key) && !bytes.includes(key.toString('base64')));
    assert.deepEqual([statSync(dirname(socket)).mode & 0o777, statSync(socket).mode & 0o777], [0o700, 0o600]);
  });

  void test('[SPIFFE-Workload-API] a socket is there again after a restart, for runs that live', async () => {
    const [lives, ends] = [await bed.start('clerk'), await bed.start('clerk')];
    await fetch(connect(lives.socket)).next(); // a run without an SVID ends with its join token
    await bed.endRunQuietly(ends.run);
    await bed.restart();
    assert.equal((await fetch(connect(lives.socket)).next()).svids.length, 1);
    assert.equal(existsSync(ends.socket), false);
    assert.deepEqual(readdirSync(dirname(lives.socket)).toSorted(), [`${lives.run}.json`, `${lives.run}.sock`]);
  });

  void test('[SPIFFE-Workload-API] a connection has so many streams at once', async () => {
    const { run, socket } = await bed.start('clerk');
    const client = connect(socket);
    const streams = Array.from({ length: 32 }, () => client.stream('FetchJWTBundles'));
    await Promise.all(streams.map((stream) => stream.next()));
    for (let more = 0; more < 8; more++)
      client
        .stream('FetchJWTBundles')
        .next()
        .catch(() => undefined);
    await fetch(connect(socket)).next();
    const [seen] = await bed.publisher.contain({ kind: 'run', id: run }, performance.now());
    assert.equal(seen?.remaining, 33);
  });

  void test('[I10] a run has so many connections at once', async () => {
    const { socket } = await bed.start('clerk');
    const open = (): Socket => createConnection(socket).on('error', () => undefined);
    const sockets = Array.from({ length: 256 }, open);
    await Promise.all(sockets.map((each) => once(each, 'connect')));
    const more = open();
    more.resume();
    await once(more, 'close'); // an HTTP/2 server never closes a connection before it was spoken to
    const other = fetch(connect((await bed.start('scribe')).socket));
    await other.next();
    for (const each of sockets) each.destroy();
  });

  void test('[SPIFFE-Workload-API] reflection names the service', async () => {
    const { socket } = await bed.start('clerk');
    const client = new Client(`unix://${socket}`, credentials.createInsecure());
    const raw = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', raw, raw);
    call.write(Buffer.from([0x3a, 1, 0x2a])); // list_services: `*`
    const [reply] = (await once(call, 'data')) as [Buffer];
    call.end();
    client.close();
    assert.ok(reply.includes('SpiffeWorkloadAPI'));
  });

  void test('[SPIFFE-Workload-API] the header is asked for before anything else', async () => {
    const { socket } = await bed.start('clerk');
    const client = connect(socket);
    const without = HEADER.clone();
    without.remove('workload.spiffe.io');
    for (const method of ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles', 'FetchWITSVID', 'FetchWITBundles']) {
      assert.equal((await client.stream(method, {}, without).ended).code, status.INVALID_ARGUMENT, method);
    }
    for (const method of ['FetchJWTSVID', 'ValidateJWTSVID']) {
      await assert.rejects(client.unary(method, { audience: [] }, without), { code: status.INVALID_ARGUMENT, details: /security header/ });
    }
    for (const method of ['FetchWITSVID', 'FetchWITBundles']) {
      assert.equal((await client.stream(method).ended).code, status.UNIMPLEMENTED);
    }
  });
});
