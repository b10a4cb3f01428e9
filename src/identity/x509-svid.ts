// What an X509-SVID says: certificates and key out of PEM or DER, and the rules for a leaf and for a signing certificate. Standard: SPIFFE
// X509-SVID §2–5. Nothing here looks at a signature or at the clock; chain.ts does.
import { isKeyOf, readCertificate, readPrivateKey } from '../crypto/certificate.ts';
import { DerReader } from '../crypto/der-read.ts';
import { blocksOf } from '../crypto/der.ts';
import { readDer, type ReadCertificate } from '../crypto/x509-read.ts';
import { asRefusal } from '../domain/refusal.ts';
import { parseSpiffeId, trustDomainOf, type SpiffeId } from '../domain/spiffe-id.ts';
import { flaw } from './flaws.ts';
import { readNames, subjectName, urisAmong, type Name } from './name-constraints.ts';

/** Extensions that are understood, or say nothing that matters (RFC 5280 §4.2.1). Hex of the OID. */
const OID = {
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  policies: '551d20',
  extendedKeyUsage: '551d25',
};
const KNOWN: ReadonlySet<string> = new Set(Object.values(OID));

/** Bits of the first byte of KeyUsage (§4.2.1.3). */
const USAGE = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 };
/** id-kp-serverAuth, id-kp-clientAuth, anyExtendedKeyUsage (§4.2.1.12). */
const PURPOSE = { server: '2b06010505070301', client: '2b06010505070302', any: '551d2500' };

/** A leaf that keeps the rules. */
export interface SvidLeaf {
  readonly id: SpiffeId;
  readonly read: ReadCertificate;
}

/** A chain that keeps the rules: nothing of it was verified. */
export interface SvidChain extends SvidLeaf {
  /** Leaf first, DER. */
  readonly certificates: readonly Uint8Array[];
}

/** The certificates of a PEM text, DER each. attacker-controlled @throws Refusal CORDON-1006 when there is none, or one does not parse */
export function certificatesOfPem(text: string): readonly Uint8Array[] {
  const blocks = blocksOf(text);
  if (blocks.length === 0) throw flaw('not-pem');
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ der }) => der);
  if (certificates.length === 0) throw flaw('no-certificate');
  for (const der of certificates) readCertificate(der);
  return certificates;
}

/** The certificates of concatenated DER, as the Workload API sends them. attacker-controlled @throws Refusal CORDON-1006 */
export function certificatesOfDer(bytes: Uint8Array): readonly Uint8Array[] {
  const certificates: Uint8Array[] = [];
  const all = new DerReader(bytes);
  try {
    while (all.tag !== undefined) certificates.push(all.whole(0x30));
  } catch (cause) {
    throw flaw('bad-certificate', { cause });
  }
  if (certificates.length === 0) throw flaw('no-certificate');
  for (const der of certificates) readCertificate(der);
  return certificates;
}

/** The private key of a PEM text, PKCS#8 DER. @throws Refusal CORDON-1006 */
export function privateKeyOfPem(text: string): Uint8Array {
  const blocks = blocksOf(text);
  if (blocks.length === 0) throw flaw('not-pem');
  const key = blocks.find(({ label }) => label === 'PRIVATE KEY');
  if (key === undefined) throw flaw('no-key');
  return key.der;
}

/**
 * Reads a chain by the rules of SPIFFE. `privateKey`: PKCS#8 DER, which must be that of the leaf. attacker-controlled
 * @throws Refusal CORDON-1006
 */
export function readSvidChain(certificates: readonly Uint8Array[], privateKey?: Uint8Array): SvidChain {
  const [leaf, ...issuers] = certificates;
  if (leaf === undefined) throw flaw('no-certificate');
  const key = privateKey === undefined ? undefined : readPrivateKey(privateKey);
  const svid = readSvidLeaf(leaf);
  for (const issuer of issuers) readSigningCertificate(issuer);
  if (key !== undefined && !isKeyOf(key, leaf)) throw flaw('key-mismatch');
  return { ...svid, certificates };
}

/** X509-SVID §4 and §5.2, of the leaf. attacker-controlled @throws Refusal CORDON-1006 */
export function readSvidLeaf(der: Uint8Array): SvidLeaf {
  const read = readKnown(der);
  const usage = usageOf(read) ?? 0;
  const id = idOf(read);
  if (isAuthority(read)) throw flaw('leaf-is-ca');
  if ((usage & USAGE.digitalSignature) === 0) throw flaw('leaf-usage');
  if ((usage & USAGE.keyCertSign) !== 0) throw flaw('leaf-signs-certificates');
  if ((usage & USAGE.cRLSign) !== 0) throw flaw('leaf-signs-crls');
  if (valueOf(read, OID.nameConstraints) !== undefined) throw flaw('extension', { observed: OID.nameConstraints });
  const purposes = purposesOf(read);
  if (!purposes.has(PURPOSE.any) && !(purposes.has(PURPOSE.server) && purposes.has(PURPOSE.client))) throw flaw('leaf-purpose');
  return { id, read };
}

/** X509-SVID §4, of what signs SVIDs. attacker-controlled @throws Refusal CORDON-1006 */
export function readSigningCertificate(der: Uint8Array): ReadCertificate {
  const read = readKnown(der);
  if (!isAuthority(read)) throw flaw('issuer-not-ca');
  if (((usageOf(read) ?? 0) & USAGE.keyCertSign) === 0) throw flaw('issuer-usage');
  const [uri, ...more] = urisAmong(alternativeNames(read));
  if (more.length > 0) throw flaw('many-uris');
  if (uri !== undefined && /^spiffe:\/\/[^/]*\//.test(uri)) throw flaw('issuer-path', { observed: uri.slice(0, 120) });
  return read;
}

/** Every name that a certificate gives its subject. */
export const namesOf = (read: ReadCertificate): readonly Name[] => [...subjectName(read.subject), ...alternativeNames(read)];

/** Of an authority: how many certificates may stand between it and the leaf. */
export function pathLengthOf(read: ReadCertificate): number | undefined {
  const constraints = constraintsOf(read);
  if (constraints?.tag === 0x01) constraints.content(0x01);
  if (constraints?.tag !== 0x02) return undefined;
  const [length = 0, ...more] = constraints.content(0x02);
  return more.length > 0 ? undefined : length; // one that is longer than a byte allows any chain that is looked at
}

/** The value of the extension in which an issuer says for whom it may vouch. */
export const nameConstraintsOf = (read: ReadCertificate): Uint8Array | undefined => valueOf(read, OID.nameConstraints);

/** @throws Refusal CORDON-1006 for what is no certificate, or says something critical that is not understood */
function readKnown(der: Uint8Array): ReadCertificate {
  readCertificate(der); // OpenSSL, too, can read it, and nothing follows
  const read = wellFormed(() => readDer(der));
  for (const { oid, critical } of read.extensions) {
    if (critical && !KNOWN.has(hexOf(oid))) throw flaw('extension', { observed: hexOf(oid) });
  }
  return read;
}

/** The one URI among its names; others do not matter (X509-SVID §2). */
function idOf(read: ReadCertificate): SpiffeId {
  const [uri, ...more] = urisAmong(alternativeNames(read));
  if (uri === undefined) throw flaw('no-uri');
  if (more.length > 0) throw flaw('many-uris', { observed: `${more.length + 1} URI names` });
  const id = parseSpiffeId(uri);
  if (id === `spiffe://${trustDomainOf(id)}`) throw flaw('no-path');
  return id;
}

function alternativeNames(read: ReadCertificate): readonly Name[] {
  const value = valueOf(read, OID.subjectAltName);
  return value === undefined ? [] : wellFormed(() => readNames(value));
}

function constraintsOf(read: ReadCertificate): DerReader | undefined {
  const value = valueOf(read, OID.basicConstraints);
  return value === undefined ? undefined : wellFormed(() => new DerReader(value).inside(0x30));
}

/** DER leaves out what is false by default, so the boolean says by its presence that it is true. */
const isAuthority = (read: ReadCertificate): boolean => constraintsOf(read)?.tag === 0x01;

function usageOf(read: ReadCertificate): number | undefined {
  const value = valueOf(read, OID.keyUsage);
  return value === undefined ? undefined : wellFormed(() => new DerReader(value).content(0x03))[1];
}

/** Without the extension every purpose is allowed. */
function purposesOf(read: ReadCertificate): ReadonlySet<string> {
  const value = valueOf(read, OID.extendedKeyUsage);
  if (value === undefined) return new Set([PURPOSE.any]);
  const list = wellFormed(() => new DerReader(value).inside(0x30));
  const purposes = new Set<string>();
  while (list.tag !== undefined) purposes.add(hexOf(wellFormed(() => list.content(0x06))));
  return purposes;
}

const valueOf = ({ extensions }: ReadCertificate, hex: string): Uint8Array | undefined =>
  extensions.find(({ oid }) => hexOf(oid) === hex)?.value;

function wellFormed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw flaw('bad-certificate', { cause, observed: asRefusal(cause, 'CORDON-1006', 'malformed').message });
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
