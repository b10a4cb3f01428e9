// Envoy's secret discovery on the same socket, spoken to with Envoy's own protos.
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Client, credentials, status, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { randomSerial } from '../src/crypto/random.ts';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { createRoot } from '../src/identity/authority.ts';
import { openWorkloadBed, type WorkloadBed } from './support/workload-bed.ts';

const DEPS = join(import.meta.dirname, '../node_modules/@grpc/grpc-js-xds/deps');
const TLS = 'envoy/extensions/transport_sockets/tls/v3';
const definition = loadSync(['envoy/service/secret/v3/sds.proto', `${TLS}/secret.proto`, `${TLS}/tls_spiffe_validator_config.proto`], {
  keepCase: true,
  defaults: true,
  oneofs: true,
  json: true,
  enums: String,
  longs: String,
  includeDirs: ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(DEPS, name)),
});
interface Method {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}
const service = definition['envoy.service.secret.v3.SecretDiscoveryService'] as unknown as Record<string, Method>;
const SECRET = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
const PARTNER = parseTrustDomain('partner.example');
const MINUTE = 60_000;

interface Bytes {
  readonly inline_bytes: Buffer;
}
interface Secret {
  readonly name: string;
  readonly tls_certificate?: { readonly certificate_chain: Bytes; readonly private_key: Bytes };
  readonly validation_context?: {
    readonly trusted_ca: Bytes | null;
    readonly custom_validator_config: {
      readonly name: string;
      readonly typed_config: { readonly trust_domains: readonly { readonly name: string; readonly trust_bundle: Bytes }[] };
    } | null;
  };
}
interface Response {
  readonly version_info: string;
  readonly resources: readonly Secret[];
  readonly type_url: string;
  readonly nonce: string;
}
interface Delta {
  readonly resources: readonly { readonly name: string; readonly version: string; readonly resource: Secret }[];
  readonly removed_resources: readonly string[];
  readonly nonce: string;
}

/** A stream of secrets; `next` is the next message or the status that it ends with. */
class Proxy<T> {
  readonly call: ClientDuplexStream<object, T>;
  readonly #got: (T | number)[] = [];
  #wake = (): void => undefined;

  constructor(client: Client, method: string) {
    const { path, requestSerialize, responseDeserialize } = service[method] ?? assert.fail(method);
    this.call = client.makeBidiStreamRequest(path, requestSerialize, (bytes) => responseDeserialize(bytes) as T);
    this.call.on('data', (message: T) => this.#push(message));
    this.call.on('error', ({ code }: ServiceError) => this.#push(code));
  }

  #push(what: T | number): void {
    this.#got.push(what);
    this.#wake();
  }

  async next(): Promise<T> {
    const what = await this.end();
    if (typeof what === 'number') throw new Error(`ended with ${what}`);
    return what;
  }

  async end(): Promise<T | number> {
    while (this.#got.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#got.shift() as T | number;
  }
}

void describe('secret discovery', () => {
  let bed: WorkloadBed;
  let client: Client;
  let id: string;
  let run: string;
  beforeEach(async () => {
    bed = await openWorkloadBed();
    const started = await bed.start('clerk');
    run = started.run;
    id = `spiffe://test.example/agent/clerk/run/${run}`;
    client = new Client(`unix://${started.socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  });
  afterEach(async () => {
    client.close();
    await bed.close();
  });
  const federate = async (): Promise<void> => {
    const root = await createRoot({ trustDomain: PARTNER, now: Date.now(), serial: randomSerial });
    bed.federated.set(PARTNER, { x509: root.certificate, jwks: { keys: [] } });
  };
  const fetch = (request: object): Promise<Response> => {
    const { path, requestSerialize, responseDeserialize } = service['FetchSecrets'] ?? assert.fail();
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        (bytes) => responseDeserialize(bytes) as Response,
        request,
        (error, value) => {
          if (error !== null || value === undefined) reject(error ?? new Error('nothing'));
          else resolve(value);
        },
      );
    });
  };
  const namesOf = ({ resources }: Response): readonly string[] => resources.map(({ name }) => name);

  void test('[Envoy-SDS] secrets by name: an SVID with its key, and what validates each domain by itself', async () => {
    await federate();
    const { resources, type_url: type } = await fetch({ resource_names: [] });
    assert.equal(type, SECRET);
    const byName = new Map(resources.map((secret) => [secret.name, secret]));
    assert.deepEqual([...byName.keys()], ['default', id, 'ROOTCA', 'ALL', 'spiffe://test.example', 'spiffe://partner.example']);
    const { certificate_chain: chain, private_key: key } = byName.get(id)?.tls_certificate ?? assert.fail();
    const leaf = new X509Certificate(chain.inline_bytes);
    assert.equal(leaf.subjectAltName, `URI:${id}`);
    assert.ok(leaf.checkPrivateKey(createPrivateKey(key.inline_bytes)));
    assert.deepEqual(byName.get('default')?.tls_certificate, byName.get(id)?.tls_certificate);
    assert.equal(String(byName.get('ROOTCA')?.validation_context?.trusted_ca?.inline_bytes), bed.state.authority.roots().join(''));
    const domains = (name: string): readonly string[] => {
      const { custom_validator_config: custom } = byName.get(name)?.validation_context ?? assert.fail(name);
      assert.equal(custom?.name, 'envoy.tls.cert_validator.spiffe');
      return custom.typed_config.trust_domains.map((each) => each.name);
    };
    assert.deepEqual(domains('ALL'), ['test.example', 'partner.example']);
    assert.deepEqual(domains('spiffe://partner.example'), ['partner.example']);
    assert.deepEqual(namesOf(await fetch({ resource_names: ['ROOTCA', 'nothing', 'default'] })), ['ROOTCA', 'default']);
  });

  void test('[Envoy-SDS] a stream: version and nonce, silence after ACK and NACK, another message when there is something new', async () => {
    const proxy = new Proxy<Response>(client, 'StreamSecrets');
    proxy.call.write({ resource_names: ['default', 'ROOTCA'], type_url: SECRET });
    const first = await proxy.next();
    assert.deepEqual(namesOf(first), ['default', 'ROOTCA']);
    const said = { type_url: SECRET, resource_names: ['default', 'ROOTCA'] };
    proxy.call.write({ ...said, version_info: first.version_info, response_nonce: first.nonce });
    await bed.pass(8 * MINUTE);
    const second = await proxy.next();
    assert.notEqual(second.version_info, first.version_info);
    assert.notEqual(second.nonce, first.nonce);
    assert.notDeepEqual(second.resources[0], first.resources[0]);
    assert.deepEqual(second.resources[1], first.resources[1]);

    proxy.call.write({ ...said, version_info: first.version_info, response_nonce: second.nonce, error_detail: { message: 'no\u001b[2J' } });
    proxy.call.write({ ...said, resource_names: ['ALL'], response_nonce: first.nonce }); // stale: it had not seen the second
    proxy.call.write({ ...said, resource_names: ['ROOTCA'], response_nonce: second.nonce });
    const third = await proxy.next();
    assert.deepEqual(namesOf(third), ['ROOTCA'], 'neither the NACK nor the stale request was answered');
    assert.deepEqual(bed.notices, ['! a proxy does not take its secrets: "no\\u001b[2J"']);

    await bed.endRun(run);
    assert.equal(await proxy.end(), status.PERMISSION_DENIED);
  });

  void test('[Envoy-SDS] an incremental stream: what changed, what is gone, what is asked for again', async () => {
    const proxy = new Proxy<Delta>(client, 'DeltaSecrets');
    proxy.call.write({ type_url: SECRET, resource_names_subscribe: ['default', 'ROOTCA', 'spiffe://partner.example'] });
    const first = await proxy.next();
    assert.deepEqual(
      [first.resources.map(({ name }) => name), first.removed_resources],
      [['default', 'ROOTCA'], ['spiffe://partner.example']],
    );
    proxy.call.write({ type_url: SECRET, response_nonce: first.nonce });
    await federate();
    await bed.refresh();
    const second = await proxy.next();
    assert.deepEqual([second.resources.map(({ name }) => name), second.removed_resources], [['spiffe://partner.example'], []]);
    bed.federated.clear();
    await bed.pass(8 * MINUTE);
    const third = await proxy.next();
    assert.deepEqual([third.resources.map(({ name }) => name), third.removed_resources], [['default'], ['spiffe://partner.example']]);
    proxy.call.write({ type_url: SECRET, resource_names_unsubscribe: ['default'], resource_names_subscribe: ['ROOTCA'] });
    const fourth = await proxy.next();
    assert.deepEqual(
      fourth.resources.map(({ name }) => name),
      ['ROOTCA'],
      'who asks again has lost it',
    );
    await bed.pass(8 * MINUTE);
    proxy.call.write({ type_url: SECRET, resource_names_subscribe: ['ALL'] });
    assert.deepEqual(
      (await proxy.next()).resources.map(({ name }) => name),
      ['ALL'],
      'nothing of what it no longer asks for',
    );

    const again = new Proxy<Delta>(client, 'DeltaSecrets');
    const versions = Object.fromEntries(fourth.resources.map(({ name, version }) => [name, version]));
    again.call.write({ type_url: SECRET, resource_names_subscribe: ['ROOTCA', 'default'], initial_resource_versions: versions });
    assert.deepEqual(
      (await again.next()).resources.map(({ name }) => name),
      ['default'],
      'what it has from before is not sent',
    );
  });

  void test('[Envoy-SDS] other types, too many names, and a caller without an identity are refused', async () => {
    await assert.rejects(fetch({ type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' }), { code: status.INVALID_ARGUMENT });
    const many = Array.from({ length: 129 }, (_, at) => `n${at}`);
    await assert.rejects(fetch({ resource_names: many }), { code: status.INVALID_ARGUMENT });
    for (const [method, request] of [
      ['StreamSecrets', { resource_names: many }],
      ['DeltaSecrets', { resource_names_subscribe: many }],
      ['StreamSecrets', { type_url: 'x' }],
      ['DeltaSecrets', { type_url: 'x' }],
    ] as const) {
      const proxy = new Proxy(client, method);
      proxy.call.write(request);
      assert.equal(await proxy.end(), status.INVALID_ARGUMENT, method);
    }
    bed.publisher.setLevel('clerk', 'off');
    await assert.rejects(fetch({}), { code: status.PERMISSION_DENIED });
  });
});
