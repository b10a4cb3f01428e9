// Who is at the other end: certificates that say too much, too little or somebody else's name, and what is no TLS or no HTTP/1.1 at all.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Code } from '../../src/domain/codes.ts';
import { fromHex, tlv } from '../../src/crypto/der.ts';
import { generateKeyPem } from '../../src/crypto/x509.ts';
import type { SigningCertificate } from '../../src/identity/authority.ts';
import { forge, type Forged } from '../../test/support/forge.ts';
import { GOOD, post, type Attack, type Hears } from './attack.ts';
import { speak } from './speak.ts';
import { CLERK, type World } from './world.ts';

const HOUR = 3_600_000;
const SVID = 'SPIFFE X509-SVID §';

type Change = Partial<Omit<Forged, 'key' | 'issuer'>>;

async function made(change: Change, issuer?: SigningCertificate): Promise<SigningCertificate> {
  const key = await generateKeyPem();
  const life = { notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR };
  const signed = issuer === undefined ? {} : { issuer };
  return { certificate: await forge({ uri: CLERK, ...life, ...change, key, ...signed }), privateKey: key.privateKey };
}

/** A leaf by an intermediate of a domain that is believed: only what it says can be why it is refused. */
async function ofVendor({ vendor }: World, leaf: Change, intermediate: Change = {}): Promise<ConnectionOptions> {
  const by = await made({ uri: 'spiffe://vendor.example', subject: 'CN=intermediate', authority: true, ...intermediate }, vendor.root());
  const { certificate, privateKey } = await made(leaf, by);
  return { cert: certificate + by.certificate, key: privateKey };
}

const shown = (
  id: string,
  source: string,
  code: Code | undefined,
  of: (world: World) => Promise<ConnectionOptions>,
  hears: Hears = 'closed',
): Attack => ({
  id,
  source,
  hears,
  code,
  send: async (world) => world.say(post(GOOD), { tls: { ca: world.caller.ca, ...(await of(world)) } }),
});

const leaf = (id: string, source: string, code: Code, change: Change, intermediate?: Change): Attack =>
  shown(id, source, code, (world) => ofVendor(world, change, intermediate));

const SERVER_ONLY = new x509.Extension('2.5.29.37', false, fromHex('300a 06082b06010505070301'));
const UNKNOWN_CRITICAL = new x509.Extension('1.3.6.1.4.1.99999.1', true, fromHex('0500'));
const elsewhere = new x509.Extension('2.5.29.30', true, tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x86, Buffer.from('elsewhere.example'))))));

const certificates: readonly Attack[] = [
  shown('no-certificate', 'RFC 8446 §4.4.2', 'CORDON-1001', async () => Promise.resolve({})),
  shown('self-signed', 'RFC 5280 §6.1', 'CORDON-1004', async () => {
    const { certificate, privateKey } = await made({ uri: 'spiffe://test.example/agent/caller/run/1' });
    return { cert: certificate, key: privateKey };
  }),
  shown('stranger', 'SPIFFE Federation §5', 'CORDON-1004', async ({ stranger }) => stranger.svid('spiffe://stranger.example/agent/caller')),
  shown('stranger-says-ours', 'SPIFFE Federation §5', 'CORDON-1004', async ({ stranger }) =>
    stranger.svid('spiffe://test.example/agent/caller/run/1'),
  ),
  shown('vendor-says-ours', 'SPIFFE Federation §5: a bundle speaks for its own domain', 'CORDON-1004', async ({ vendor }) =>
    vendor.svid('spiffe://test.example/agent/caller/run/1'),
  ),
  shown('vendor-unregistered', 'INVARIANT I1', 'CORDON-1012', async ({ vendor }) => vendor.svid('spiffe://vendor.example/nobody')),
  shown('own-without-intermediate', 'RFC 8446 §4.4.2.4', 'CORDON-1004', async ({ vendor }) => {
    const { cert, key } = await vendor.svid(CLERK);
    return { cert: cert.slice(0, cert.indexOf('-----END CERTIFICATE-----') + 26), key };
  }),
  leaf('expired', 'RFC 5280 §4.1.2.5', 'CORDON-1002', { notAfter: Date.now() - 1000 }),
  leaf('not-yet', 'RFC 5280 §4.1.2.5', 'CORDON-1002', { notBefore: Date.now() + HOUR / 2 }),
  leaf('two-uris', `${SVID}2`, 'CORDON-1006', { names: [{ type: 'url', value: 'spiffe://vendor.example/other' }] }),
  leaf('same-uri-twice', `${SVID}2`, 'CORDON-1006', { names: [{ type: 'url', value: CLERK }] }),
  leaf('uri-of-ours-beside', `${SVID}2`, 'CORDON-1004', { names: [{ type: 'url', value: 'spiffe://test.example/agent/caller/run/1' }] }),
  leaf('uri-https', `${SVID}2`, 'CORDON-1006', { uri: 'https://vendor.example/clerk' }),
  leaf('uri-upper-case', 'SPIFFE ID §2.1', 'CORDON-1006', { uri: 'spiffe://vendor.example/Clerk%2f' }),
  leaf('uri-dot-dot', 'SPIFFE ID §2.2', 'CORDON-1006', { uri: 'spiffe://vendor.example/x/../clerk' }),
  leaf('uri-query', 'SPIFFE ID §2', 'CORDON-1006', { uri: 'spiffe://vendor.example/clerk?x=y' }),
  leaf('uri-port', 'SPIFFE ID §2.1', 'CORDON-1006', { uri: 'spiffe://vendor.example:443/clerk' }),
  leaf('uri-userinfo', 'SPIFFE ID §2.1', 'CORDON-1006', { uri: 'spiffe://test.example@vendor.example/clerk' }),
  leaf('uri-trailing-slash', 'SPIFFE ID §2.2', 'CORDON-1006', { uri: 'spiffe://vendor.example/clerk/' }),
  leaf('uri-endless', 'SPIFFE ID §2.3', 'CORDON-1006', { uri: `spiffe://vendor.example/${'a'.repeat(3000)}` }),
  leaf('uri-no-path', `${SVID}5.2`, 'CORDON-1006', { uri: 'spiffe://vendor.example' }),
  leaf('uri-nul', 'CVE-2009-2408 (NUL in a name)', 'CORDON-1006', { uri: 'spiffe://vendor.example/clerk\0.x' }),
  leaf('leaf-signs', `${SVID}4.1`, 'CORDON-1004', { authority: true }),
  leaf('server-only', `${SVID}4.4`, 'CORDON-1004', { extensions: [SERVER_ONLY] }),
  leaf('critical-unknown', 'RFC 5280 §4.2', 'CORDON-1004', { extensions: [UNKNOWN_CRITICAL] }),
  leaf('issuer-constrained', 'RFC 5280 §4.2.1.10', 'CORDON-1004', {}, { extensions: [elsewhere] }),
  leaf('issuer-no-authority', 'RFC 5280 §4.2.1.9; CVE-2002-0862', 'CORDON-1004', {}, { authority: false }),
  leaf('issuer-expired', 'RFC 5280 §6.1.3', 'CORDON-1002', {}, { notAfter: Date.now() - 1000 }),
  shown('chain-bomb', 'CVE-2018-16875 class; INVARIANT I10', 'CORDON-1001', async (world) => {
    const { cert, ...rest } = await ofVendor(world, {});
    const [own = '', by = ''] = String(cert).split(/(?<=-----END CERTIFICATE-----\n)/);
    return { ...rest, cert: own + by.repeat(400) };
  }),
];

const protocols: readonly Attack[] = [
  shown('tls-1.2', 'RFC 8996; RFC 8446 §D', 'CORDON-1001', async (world) =>
    Promise.resolve({ ...world.as(world.caller), maxVersion: 'TLSv1.2' as const }),
  ),
  shown(
    'alpn-h2',
    'RFC 9113 §3.2; CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION), CVE-2025-8671 (MadeYouReset): HTTP/2 is not agreed on',
    'CORDON-1001',
    async (world) => Promise.resolve({ ...world.as(world.caller), ALPNProtocols: ['h2'] }),
  ),
  shown('alpn-garbage', 'RFC 7301 §3.2; ALPACA (2021)', 'CORDON-1001', async (world) =>
    Promise.resolve({ ...world.as(world.caller), ALPNProtocols: ['smtp', 'x'.repeat(200)] }),
  ),
];

/** Bytes where a handshake belongs. Recorded where TLS says that it failed. */
const untls = (id: string, source: string, sent: string, code: Code | undefined = 'CORDON-1001'): Attack => ({
  id,
  source,
  hears: 'closed',
  code,
  send: ({ port }) => speak({ port, say: sent }),
});

const record = (type: number, body: string, version = '\x03\x01'): string =>
  `${String.fromCharCode(type)}${version}${String.fromCharCode(body.length >> 8, body.length & 255)}${body}`;

const noTls: readonly Attack[] = [
  untls('plain-http', 'RFC 8446 §1', post(GOOD)),
  untls('garbage', 'RFC 8446 §5.1', '\xff'.repeat(600)),
  untls('zeros', 'RFC 8446 §5.1', '\0'.repeat(600)),
  untls('ssl-2', 'RFC 6176', '\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80'.padEnd(600, '\0')),
  untls('heartbeat', 'CVE-2014-0160 (Heartbleed)', record(0x18, '\x01\x40\x00')),
  untls('hello-huge', 'RFC 8446 §4; INVARIANT I10', record(0x16, `\x01\xff\xff\xff${'a'.repeat(16_000)}`)),
  untls('hello-truncated-fields', 'RFC 8446 §4.1.2', record(0x16, `\x01\x00\x00\x26\x03\x03${'a'.repeat(32)}\xff\x00\x00\x00`)),
  untls('record-too-long', 'RFC 8446 §5.1', `\x16\x03\x01\xff\xff${'a'.repeat(66_000)}`),
  untls('change-cipher-spec-first', 'CVE-2014-0224', record(0x14, '\x01')),
  untls('application-data-first', 'RFC 8446 §5.1', record(0x17, GOOD)),
  untls('alerts', 'CVE-2016-8610 (alert flood)', record(0x15, '\x01\x00').repeat(200)),
  untls('proxy-protocol', 'PROXY protocol spoofing', `PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${post(GOOD)}`),
  untls('proxy-protocol-2', 'PROXY protocol spoofing', '\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x01'),
];

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const frame = (type: number, flags: number, stream: number, body: string): string =>
  `${String.fromCharCode(body.length >> 16, (body.length >> 8) & 255, body.length & 255, type, flags, 0, 0, 0, stream)}${body}`;
const SETTINGS = frame(4, 0, 0, '');

/** HTTP/2 with prior knowledge, on an authenticated connection: it is not spoken, so none of its attacks begins. */
const http2 = (id: string, source: string, frames: string): Attack => ({
  id: `h2-${id}`,
  source,
  hears: 'closed',
  code: 'CORDON-9011',
  send: (world) => world.say(PREFACE + frames),
});

const frames: readonly Attack[] = [
  http2('preface', 'RFC 9113 §3.4', SETTINGS),
  http2(
    'rapid-reset',
    'CVE-2023-44487',
    SETTINGS +
      Array.from({ length: 100 }, (_, at) => frame(1, 5, 2 * at + 1, '\x82\x84\x87') + frame(3, 0, 2 * at + 1, '\0\0\0\x08')).join(''),
  ),
  http2(
    'continuation-flood',
    'CVE-2024-27316; CVE-2024-27983',
    SETTINGS + frame(1, 0, 1, '\x82') + frame(9, 0, 1, 'x'.repeat(200)).repeat(100),
  ),
  http2(
    'made-you-reset',
    'CVE-2025-8671',
    SETTINGS +
      Array.from({ length: 100 }, (_, at) => frame(1, 5, 2 * at + 1, '\x82\x84\x87') + frame(8, 0, 2 * at + 1, '\0\0\0\0')).join(''),
  ),
  http2('settings-flood', 'CVE-2019-9515', SETTINGS.repeat(1000)),
  http2('ping-flood', 'CVE-2019-9512', SETTINGS + frame(6, 0, 0, '12345678').repeat(1000)),
];

/** Opens a connection as `svid` and keeps what it could be resumed with. */
async function sessionOf(world: World, tls: ConnectionOptions): Promise<Buffer> {
  const socket = await opened(world, tls);
  const offered = once(socket, 'session');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [session] = (await offered) as [Buffer];
  socket.destroy();
  return session;
}

async function opened({ port }: World, tls: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: '', checkServerIdentity: () => undefined, ...tls });
  await once(socket, 'secureConnect');
  return socket;
}

const RESUMPTION = 'nodejs/node#35317; RFC 8446 §2.2';

const resumed: readonly Attack[] = [
  {
    id: 'resumption',
    source: RESUMPTION,
    hears: 'closed',
    code: undefined,
    async send(world) {
      const tls = world.as(world.caller);
      const again = await opened(world, { ...tls, session: await sessionOf(world, tls) });
      const reused = again.isSessionReused();
      again.destroy();
      return { statuses: reused ? [200] : [], text: '', end: 'closed' };
    },
  },
  {
    id: 'resumption-without-certificate',
    source: RESUMPTION,
    hears: 'closed',
    code: 'CORDON-1001',
    async send(world) {
      const session = await sessionOf(world, world.as(world.caller));
      return world.say(post(GOOD), { tls: { ca: world.caller.ca, session } });
    },
  },
  {
    id: 'resumption-of-a-revoked-run',
    source: RESUMPTION,
    hears: 200, // a denied `tools/call` is a result with `isError`
    code: 'CORDON-4005',
    async send(world) {
      const run = await world.bed.svid('caller');
      const session = await sessionOf(world, world.as(run));
      await world.bed.control('POST', '/v1/revocations', { kind: 'run', id: run.run, reason: 'test' });
      return world.say(post(GOOD), { tls: { ...world.as(run), session } });
    },
  },
];

export const TLS: readonly Attack[] = [...certificates, ...protocols, ...noTls, ...frames, ...resumed];
