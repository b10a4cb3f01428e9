// The path validation of X509-SVIDs against chains that another library made: each attack is refused for its own reason, and what differs
// from it in one place is accepted. Then bundles and tokens, where the published cases have none.
import { deepEqual, equal, throws } from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { dersOf, fromHex, tlv } from '../src/crypto/der.ts';
import { generateJwsKey } from '../src/crypto/jws.ts';
import { generateKeyPem } from '../src/crypto/x509.ts';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import { Refusal } from '../src/domain/refusal.ts';
import type { SigningCertificate } from '../src/identity/authority.ts';
import { parseBundleMap } from '../src/identity/bundle.ts';
import { verifyChain } from '../src/identity/chain.ts';
import { validateJwtSvid } from '../src/identity/jwt-svid.ts';
import { certificatesOfDer, readSvidChain } from '../src/identity/x509-svid.ts';
import { forge, type Forged } from './support/forge.ts';

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const LIFE = { notBefore: NOW - HOUR, notAfter: NOW + HOUR };
const ID = 'spiffe://desk.example/agent/clerk';

type Change = Partial<Omit<Forged, 'key' | 'issuer'>>;

/** A certificate with a fresh key, by `issuer`. */
async function made(change: Change, issuer?: SigningCertificate): Promise<SigningCertificate> {
  const key = await generateKeyPem();
  const certificate = await forge({ uri: ID, ...LIFE, ...change, key, ...(issuer === undefined ? {} : { issuer }) });
  return { certificate, privateKey: key.privateKey };
}

const authority = (change: Change = {}, issuer?: SigningCertificate): Promise<SigningCertificate> =>
  made({ uri: 'spiffe://desk.example', authority: true, ...change }, issuer);

const derOf = ({ certificate }: SigningCertificate): Uint8Array => dersOf(certificate)[0] ?? new Uint8Array();

const verify = (chain: readonly SigningCertificate[], roots: readonly SigningCertificate[], now = NOW): string =>
  verifyChain(chain.map(derOf), (domain) => (domain === 'desk.example' ? roots.map(derOf) : undefined), now).id;

const because =
  (reason: string) =>
  (error: unknown): boolean => {
    if (!(error instanceof Refusal)) throw error;
    equal(error.reason, reason, error.message);
    return true;
  };

const extension = (oid: string, value: Uint8Array, critical = true): x509.Extension => new x509.Extension(oid, critical, value);

/** `permitted` and `excluded`: GeneralNames, hex of the tag and text. */
function nameConstraints(
  permitted: readonly [tag: number, text: string][],
  excluded: readonly [tag: number, text: string][] = [],
): x509.Extension {
  const list = (tag: number, names: readonly [number, string][]): Uint8Array[] =>
    names.length === 0 ? [] : [tlv(tag, ...names.map(([kind, text]) => tlv(0x30, tlv(kind, Buffer.from(text)))))];
  return extension('2.5.29.30', tlv(0x30, ...list(0xa0, permitted), ...list(0xa1, excluded)));
}

const URI = 0x86;
const DNS = 0x82;
let root: SigningCertificate;
let intermediate: SigningCertificate;
before(async () => {
  root = await authority();
  intermediate = await authority({}, root);
});

describe('[SPIFFE-X509-SVID] a chain', () => {
  void test('leads to a root by signature, with and without an intermediate, among roots of one name', async () => {
    const others = [await authority(), await authority()];
    equal(verify([await made({}, root)], [...others, root]), ID);
    const leaf = await made({}, intermediate);
    equal(verify([leaf, intermediate], [...others, root]), ID);
    equal(verify([leaf, intermediate, root], [...others, root]), ID);
    equal(verify([leaf], [intermediate]), ID); // an intermediate may be what a bundle holds
    for (const [chain, roots] of [
      [[leaf], [root]],
      [[leaf, root], [root]],
      [[leaf, intermediate], others],
      [[leaf, intermediate], []],
    ] as const) {
      throws(() => verify(chain, roots), because('unknown-authority'));
    }
    throws(() => verify([], [root]), because('no-certificate'));
  });

  void test('[I5] is held against the bundle of the domain that it names, and no other', async () => {
    const foreign = await made({ uri: 'spiffe://other.example/agent/clerk' }, root);
    throws(() => verify([foreign], [root]), because('unknown-domain'));
    const other = await authority({ uri: 'spiffe://other.example' });
    const rootsOf = (domain: string): readonly Uint8Array[] => [derOf(domain === 'other.example' ? other : root)];
    throws(() => verifyChain([derOf(foreign)], rootsOf, NOW), because('unknown-authority'));
    equal(verifyChain([derOf(await made({}, root))], rootsOf, NOW).id, ID);
  });

  void test('is valid at the time that is asked about, each of its links', async () => {
    const leaf = await made({}, intermediate);
    equal(verify([leaf, intermediate], [root], NOW + HOUR - 1000), ID);
    throws(() => verify([leaf, intermediate], [root], NOW + HOUR), because('expired'));
    throws(() => verify([leaf, intermediate], [root], NOW - HOUR - 1000), because('not-yet'));
    const short = await authority({ notAfter: NOW - 1000 }, root);
    const outlived = await made({}, short);
    throws(() => verify([outlived, short], [root]), because('expired'));
    const late = await authority({ notBefore: NOW + 1000 });
    const early = await made({}, late);
    throws(() => verify([early], [late]), because('not-yet'));
  });

  void test('ends after eight certificates', async () => {
    const line = [root];
    for (let depth = 0; depth < 9; depth++) line.unshift(await authority({}, line[0]));
    const chainOf = async (issuers: readonly SigningCertificate[]): Promise<SigningCertificate[]> => [
      await made({}, issuers[0] ?? root),
      ...issuers,
    ];
    const [seven, nine] = [await chainOf(line.slice(2, -1)), await chainOf(line.slice(0, -1))];
    equal(verify(seven, [root]), ID);
    throws(() => verify(nine, [root]), because('unknown-authority'));
  });
});

/** What a leaf, or what signed it, must not say; and what it may. Hex: DER of the extension. */
const LEAVES: Readonly<Record<string, readonly [reason: string | undefined, leaf: Change, issuer?: Change]>> = {
  'one URI': [undefined, {}],
  'two URIs': ['many-uris', { names: [{ type: 'url', value: 'spiffe://desk.example/agent/boss' }] }],
  'one URI twice': ['many-uris', { names: [{ type: 'url', value: ID }] }],
  'no SPIFFE ID': ['scheme', { uri: 'https://desk.example/agent/clerk' }],
  'the ID of a domain': ['no-path', { uri: 'spiffe://desk.example' }],
  'the right to sign': ['leaf-is-ca', { authority: true }],
  'both purposes': [undefined, { extensions: [extension('2.5.29.37', fromHex('3014 06082b06010505070301 06082b06010505070302'), false)] }],
  'one purpose': ['leaf-purpose', { extensions: [extension('2.5.29.37', fromHex('300a 06082b06010505070301'), false)] }],
  'another purpose': ['leaf-purpose', { extensions: [extension('2.5.29.37', fromHex('300a 06082b06010505070303'), false)] }],
  'something unknown': [undefined, { extensions: [extension('1.2.3.4', fromHex('0500'), false)] }],
  'something unknown and critical': ['extension', { extensions: [extension('1.2.3.4', fromHex('0500'))] }],
  'names that it may give': ['extension', { extensions: [nameConstraints([[URI, 'desk.example']])] }],
  'an issuer with no right to sign': ['issuer-not-ca', {}, { authority: false }],
  'an issuer with a path': ['issuer-path', {}, { uri: 'spiffe://desk.example/ca' }],
  'an issuer with something unknown': ['extension', {}, { extensions: [extension('1.2.3.4', fromHex('0500'))] }],
  'an issuer above leaves only': [undefined, {}, { pathLength: 0 }],
  'an issuer of this host': [undefined, {}, { extensions: [nameConstraints([[URI, 'desk.example']])] }],
  'an issuer of this host, in capitals': [undefined, {}, { extensions: [nameConstraints([[URI, 'DESK.example']])] }],
  'an issuer of hosts below one': [undefined, {}, { extensions: [nameConstraints([[URI, '.example']])] }],
  'an issuer of two hosts': [
    undefined,
    {},
    {
      extensions: [
        nameConstraints([
          [URI, 'other.example'],
          [URI, 'desk.example'],
        ]),
      ],
    },
  ],
  'an issuer of another host': ['name-constraint', {}, { extensions: [nameConstraints([[URI, 'other.example']])] }],
  'an issuer of a host above': ['name-constraint', {}, { extensions: [nameConstraints([[URI, 'example']])] }],
  'an issuer of hosts below this one': ['name-constraint', {}, { extensions: [nameConstraints([[URI, '.desk.example']])] }],
  'an issuer of every host but this': ['name-constraint', {}, { extensions: [nameConstraints([], [[URI, 'desk.example']])] }],
  'an issuer of this host and not this host': [
    'name-constraint',
    {},
    { extensions: [nameConstraints([[URI, 'desk.example']], [[URI, '.example']])] },
  ],
  'an issuer of every host but another': [undefined, {}, { extensions: [nameConstraints([], [[URI, 'other.example']])] }],
  'an issuer of DNS names': [undefined, {}, { extensions: [nameConstraints([[DNS, 'desk.example']])] }],
};

describe('[SPIFFE-X509-SVID] a leaf with', () => {
  for (const [what, [reason, leaf, issuer = {}]] of Object.entries(LEAVES)) {
    void test(`${what}: ${reason ?? 'accepted'}`, async () => {
      const by = await authority(issuer, root);
      const signed = await made(leaf, by);
      const id = (): string => verify([signed, by], [root]);
      if (reason === undefined) equal(id(), ID);
      else throws(id, because(reason));
      // what a root says of itself binds it too
      if (reason === 'name-constraint') throws(() => verify([signed], [by]), because(reason));
    });
  }

  void test('a name of a kind that its issuer constrains and nobody here understands is refused', async () => {
    const names: Change['names'] = [{ type: 'dns', value: 'clerk.desk.example' }];
    const by = await authority({ extensions: [nameConstraints([[DNS, 'desk.example']])] }, root);
    const signed = await made({ names }, by);
    throws(() => verify([signed, by], [root]), because('name-constraint'));
    equal(verify([await made({ names }, intermediate), intermediate], [root]), ID);
  });

  void test('more intermediates below an issuer than it allows is refused', async () => {
    const one = await authority({ pathLength: 0 }, root);
    const two = await authority({}, one);
    const leaf = await made({}, two);
    throws(() => verify([leaf, two, one], [root]), because('path-length'));
    equal(verify([await made({}, one), one], [root]), ID);
  });
});

describe('what is read', () => {
  void test('[SPIFFE-X509-SVID] concatenated DER, to its last byte', async () => {
    const chain = [derOf(await made({}, intermediate)), derOf(intermediate)];
    deepEqual(
      certificatesOfDer(Buffer.concat(chain)).map((der) => Uint8Array.from(der)),
      chain,
    );
    equal(readSvidChain(certificatesOfDer(Buffer.concat(chain))).id, ID);
    for (const more of ['00', '3003020101', '30']) {
      throws(() => certificatesOfDer(Buffer.concat([...chain, Buffer.from(more, 'hex')])), because('bad-certificate'), more);
    }
    throws(() => certificatesOfDer(new Uint8Array()), because('no-certificate'));
  });

  void test('[SPIFFE-bundle] a map of bundles, without a domain twice', () => {
    const map = parseBundleMap(
      Buffer.from('{"trust_domains":{"a.example":{"keys":[]},"b.example":{"keys":[],"spiffe_sequence":18446744073709551615}}}'),
    );
    deepEqual([...map.keys()], ['a.example', 'b.example']);
    equal(map.get(parseTrustDomain('b.example'))?.sequence, 2n ** 64n - 1n);
    for (const bad of [
      '{"trust_domains":{"a.example":{"keys":[]},"a.example":{"keys":[]}}}',
      '{"trust_domains":{"spiffe://a.example":{"keys":[]}}}',
      '{"trust_domains":{"a.example":{}}}',
      '{"trust_domains":[]}',
      '[]',
    ]) {
      throws(() => parseBundleMap(Buffer.from(bad)), Refusal, bad);
    }
  });

  void test('[SPIFFE-JWT-SVID] [I5] a token is verified with the keys of the domain of its subject', () => {
    const [own, other] = [generateJwsKey('k').signer, generateJwsKey('k').signer];
    const keysOf = (domain: string): { keys: [typeof own.jwk] } => ({ keys: [domain === 'desk.example' ? own.jwk : other.jwk] });
    const check = { keysOf, audiences: ['ledger'], now: NOW };
    const claims = { sub: ID, aud: ['ledger'], exp: NOW / 1000 + 60 };
    equal(validateJwtSvid(own.sign(claims), check).id, ID);
    throws(() => validateJwtSvid(other.sign(claims), check), because('signature'));
    throws(
      () => validateJwtSvid(other.sign({ ...claims, sub: 'spiffe://other.example/x' }), { ...check, audiences: [] }),
      because('audience'),
    );
  });
});
