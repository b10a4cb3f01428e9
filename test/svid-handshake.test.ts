// SVIDs that TLS by itself would let in, at the gateway of a running Cordon: a believed domain's own authority signs them, so that only what
// they say can be what is refused. And no connection stands on the handshake of another.
import assert from 'node:assert/strict';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { fromHex, tlv } from '../src/crypto/der.ts';
import { generateKeyPem } from '../src/crypto/x509.ts';
import { writeJson } from '../src/domain/json.ts';
import type { SigningCertificate } from '../src/identity/authority.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { forge, type Forged } from './support/forge.ts';
import { openOtherDomain, type OtherDomain } from './support/other-domain.ts';

const POLICIES = `
@id("sessions")
permit (principal, action in Action::"mcp/session", resource);
@id("clerk-echoes")
permit (principal == Agent::"clerk", action == Action::"bench/echo", resource);
`;
const ID = 'spiffe://vendor.example/clerk';
const HOUR = 3_600_000;

let vendor: OtherDomain;
let bed: Bed;

before(async () => {
  vendor = await openOtherDomain('vendor.example');
  vendor.publish(vendor.document(1));
  bed = await openBed({
    policies: POLICIES,
    configure: (
      yaml,
    ) => `${yaml.replace('agents:\n', `agents:\n  clerk: { segment: desk, owner: test, purpose: foreign, spiffeId: "${ID}" }\n`)}
federation:
  vendor.example: { url: "${vendor.url}", profile: https_spiffe, endpointId: "${vendor.endpointId}", bundle: vendor.json }
`,
    beforeStart: (dir) => writeFile(join(dir, 'vendor.json'), writeJson(vendor.document(1))),
  });
  await bed.ready();
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  await (vendor as OtherDomain | undefined)?.close();
});

type Change = Partial<Omit<Forged, 'key' | 'issuer'>>;

async function made(change: Change, issuer: SigningCertificate): Promise<SigningCertificate> {
  const key = await generateKeyPem();
  const life = { notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR };
  return { certificate: await forge({ uri: ID, ...life, ...change, key, issuer }), privateKey: key.privateKey };
}

/** A leaf by an intermediate of the vendor's root. */
async function svidOf(leaf: Change, intermediate: Change): Promise<Svid> {
  const by = await made(
    { uri: 'spiffe://vendor.example', subject: 'CN=intermediate of a vendor', authority: true, ...intermediate },
    vendor.root(),
  );
  const { certificate, privateKey } = await made(leaf, by);
  return { cert: certificate + by.certificate, key: privateKey, ca: '' };
}

const call = async (svid: Svid): Promise<Answer> =>
  send({ port: bed.ports.gateway, ...toolCall('echo', { text: 'hello' }), svid: { ...svid, ca: await ownRoots() } });

const ownRoots = async (): Promise<string> =>
  (await send({ port: bed.ports.identity, path: '/v1/bundle', method: 'GET', svid: { rejectUnauthorized: false } as Partial<Svid> })).text;

const constrainedTo = (host: string): x509.Extension =>
  new x509.Extension('2.5.29.30', true, tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x86, Buffer.from(host))))));
const SERVER_ONLY = new x509.Extension('2.5.29.37', false, fromHex('300a 06082b06010505070301'));

const ATTACKS: Readonly<Record<string, readonly [code: string, leaf: Change, intermediate?: Change]>> = {
  'two URI names': ['CORDON-1006', { names: [{ type: 'url', value: 'spiffe://vendor.example/other' }] }],
  'the same URI name twice': ['CORDON-1006', { names: [{ type: 'url', value: ID }] }],
  'a name of its own domain and one of ours': [
    'CORDON-1004',
    { names: [{ type: 'url', value: 'spiffe://test.example/agent/caller/run/1' }] },
  ],
  'no path in its SPIFFE ID': ['CORDON-1006', { uri: 'spiffe://vendor.example' }],
  'the right to sign': ['CORDON-1004', { authority: true }],
  'a purpose that is not that of a client': ['CORDON-1004', { extensions: [SERVER_ONLY] }],
  'an issuer that may vouch for another host alone': ['CORDON-1004', {}, { extensions: [constrainedTo('elsewhere.example')] }],
  'an issuer that is no authority': ['CORDON-1004', {}, { authority: false }],
  'an issuer that is not valid any more': ['CORDON-1002', {}, { notAfter: Date.now() - 1000 }],
};

void test('[SPIFFE-X509-SVID] a sound SVID is let in, and so is one below an issuer of its own host', async () => {
  for (const intermediate of [{}, { extensions: [constrainedTo('vendor.example')] }]) {
    const answer = await call(await svidOf({}, intermediate));
    assert.match(answer.text, /hello/);
  }
});

for (const [what, [expected, leaf, intermediate = {}]] of Object.entries(ATTACKS)) {
  void test(`[SPIFFE-X509-SVID] [I5] ${what}: refused before a request is read, and on record`, async () => {
    const newest = async (): Promise<Record<string, unknown>> =>
      ((await bed.control('GET', '/v1/decisions?limit=1')).json as { items: Record<string, unknown>[] }).items[0] ?? {};
    const last = (await newest())['id'];
    await assert.rejects(call(await svidOf(leaf, intermediate)));
    const { id, verdict, code } = await newest();
    assert.notEqual(id, last);
    assert.deepEqual([verdict, code], ['deny', expected]);
  });
}

void test('[SPIFFE-X509-SVID] [I5] no connection resumes the handshake of another', async () => {
  const own = await bed.svid('caller');
  const options = { host: '127.0.0.1', port: bed.ports.gateway, servername: '', checkServerIdentity: () => undefined, ...own };
  const opened = async (session?: Buffer): Promise<TLSSocket> => {
    const socket = connect({ ...options, ...(session === undefined ? {} : { session }) });
    await once(socket, 'secureConnect');
    return socket;
  };
  const first = await opened();
  const offered = once(first, 'session'); // what TLS 1.3 offers comes after the handshake, even of a server that keeps nothing
  first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [session] = (await offered) as [Buffer];
  const second = await opened(session);
  assert.equal(second.isSessionReused(), false);
  first.destroy();
  second.destroy();
});
