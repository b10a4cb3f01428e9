// Real clients on the Workload API: go-spiffe, Python's spiffe and spiffe-tls, and Debian's gRPC core.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { generateJwsKey } from '../src/crypto/jws.ts';
import { randomSerial } from '../src/crypto/random.ts';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { createRoot } from '../src/identity/authority.ts';
import { CLIENTS, HEADERS, missing, startClient, type ClientName, type RunningClient } from './support/spiffe-clients.ts';
import { openWorkloadBed, type WorkloadBed } from './support/workload-bed.ts';

const NAMES = Object.keys(CLIENTS) as ClientName[];
const PARTNER = parseTrustDomain('partner.example');
const idOf = (agent: string, run: string): string => `spiffe://test.example/agent/${agent}/run/${run}`;
/** Of an SVID, seconds; past its half it is another one, and the other one is valid from before now. */
const TTL = 40;
const HALF = (TTL / 2 + 1) * 1000;

void describe('clients of the Workload API', () => {
  let bed: WorkloadBed;
  let clients: RunningClient[] = [];
  const start = (name: ClientName, socket: string, ...args: string[]): RunningClient => {
    const client = startClient(name, socket, ...args);
    clients.push(client);
    return client;
  };
  beforeEach(async () => {
    clients = [];
    bed = await openWorkloadBed({ yaml: `svid: { ttl: ${TTL}s }\n` });
  });
  afterEach(async () => {
    for (const { child } of clients) child.kill('SIGKILL');
    await bed.close();
  });

  for (const name of NAMES) {
    void test(
      `[SPIFFE-Workload-API] ${name}: fetches both kinds of SVID, and verifies them by its own code and by ours`,
      { skip: missing(name) },
      async () => {
        const { run, socket } = await bed.start('clerk');
        const client = start(name, socket, 'fetch', 'https://ledger.example');
        const { id, jwt, validated, domains, otherAudience, otherSubject } = await client.line('fetched');
        assert.deepEqual([id, jwt, validated], Array(3).fill(idOf('clerk', run)));
        assert.deepEqual(domains, ['test.example']);
        assert.deepEqual([plain(otherAudience), plain(otherSubject)], ['invalidargument', 'permissiondenied']);
        await client.stop();
      },
    );

    void test(
      `[SPIFFE-Workload-API] ${name}: hears of a new SVID, a new bundle, one that is gone, and the end`,
      { skip: missing(name) },
      async () => {
        const { run, socket } = await bed.start('clerk');
        const client = start(name, socket, 'watch');
        const first = await client.line('x509');
        await client.line('jwt-bundles', alone);
        assert.equal(first['id'], idOf('clerk', run));

        await bed.pass(HALF);
        const second = await client.line('x509');
        assert.equal(second['id'], first['id']);
        assert.notEqual(second['serial'], first['serial']);

        const root = await createRoot({ trustDomain: PARTNER, now: Date.now(), serial: randomSerial });
        bed.federated.set(PARTNER, { x509: root.certificate, jwks: { keys: [generateJwsKey('k1').signer.jwk] } });
        await bed.refresh();
        assert.deepEqual((await client.line('x509'))['domains'], ['partner.example', 'test.example']);
        assert.deepEqual((await client.line('jwt-bundles'))['domains'], ['partner.example', 'test.example']);

        bed.federated.delete(PARTNER);
        await bed.refresh();
        assert.deepEqual((await client.line('x509'))['domains'], ['test.example']);
        assert.deepEqual((await client.line('jwt-bundles'))['domains'], ['test.example']);

        await bed.endRun(run);
        assert.equal(plain((await client.line('x509-error'))['code']), 'permissiondenied');
        await client.stop();
      },
    );
  }

  for (const [server, caller] of NAMES.flatMap((one) => NAMES.map((other) => [one, other] as const))) {
    const skip = missing(server) ?? missing(caller);
    void test(
      `[SPIFFE-X509-SVID] mutual TLS: ${caller} calls ${server}, before and after a rotation; a stranger is refused`,
      { skip },
      async () => {
        const served = await bed.start('scribe');
        const calling = await bed.start('clerk');
        const stranger = await bed.start('clerk');
        const listener = start(server, served.socket, 'serve', idOf('clerk', calling.run));
        const address = String((await listener.line('listening'))['address']);
        const call = async (): Promise<unknown> => {
          const dialler = start(caller, calling.socket, 'dial', address, idOf('scribe', served.run));
          const { peer, serial, heard } = await dialler.line('dialled');
          assert.deepEqual([peer, heard], [idOf('scribe', served.run), `heard ${caller}\n`]);
          assert.equal((await listener.line('served'))['peer'], idOf('clerk', calling.run));
          return serial;
        };
        const before = await call();
        await bed.pass(HALF);
        await listener.line('updated');
        assert.notEqual(await call(), before);
        const other = start(caller, stranger.socket, 'dial', address, idOf('scribe', served.run));
        await Promise.all([other.line('error'), listener.line('refused')]);
        const misled = start(caller, calling.socket, 'dial', address, idOf('scribe', stranger.run));
        await misled.line('error');
        await listener.stop();
      },
    );
  }

  void test("[SPIFFE-Workload-API] the security header, asked for by Debian's gRPC", { skip: missing('debian') }, async () => {
    const { socket } = await bed.start('clerk');
    const [file, script] = HEADERS;
    const { stdout } = await promisify(execFile)(file, [script, `unix://${socket}`], { timeout: 30_000 });
    const { found } = JSON.parse(stdout) as { found: Record<string, string> };
    assert.deepEqual(found, {
      none: 'INVALID_ARGUMENT',
      True: 'INVALID_ARGUMENT',
      TRUE: 'INVALID_ARGUMENT',
      empty: 'INVALID_ARGUMENT',
      'true ': 'INVALID_ARGUMENT',
      twice: 'INVALID_ARGUMENT',
      true: 'OK',
      FetchX509Bundles: 'OK',
      'FetchX509Bundles without': 'INVALID_ARGUMENT',
      FetchJWTBundles: 'OK',
      'FetchJWTBundles without': 'INVALID_ARGUMENT',
      FetchWITSVID: 'UNIMPLEMENTED',
      'FetchWITSVID without': 'INVALID_ARGUMENT',
      FetchWITBundles: 'UNIMPLEMENTED',
      'FetchWITBundles without': 'INVALID_ARGUMENT',
      FetchJWTSVID: 'OK',
      'FetchJWTSVID without': 'INVALID_ARGUMENT',
      'FetchJWTSVID empty': 'INVALID_ARGUMENT',
      ValidateJWTSVID: 'INVALID_ARGUMENT',
      'ValidateJWTSVID without': 'INVALID_ARGUMENT',
      'ValidateJWTSVID empty': 'INVALID_ARGUMENT',
      large: 'RESOURCE_EXHAUSTED',
    });
  });
});

/** `PermissionDenied` and `PERMISSION_DENIED` are the same. */
const plain = (code: unknown): string => String(code).replaceAll('_', '').toLowerCase();
const alone = (line: Readonly<Record<string, unknown>>): boolean => Array.isArray(line['domains']) && line['domains'].length === 1;
