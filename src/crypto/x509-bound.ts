// Trust anchors that vouch for the names of one host alone (RFC 5280 §4.2.1.10). On the side of a server, Node does not show the certificates
// with which a peer proved its leaf; so what a root may vouch for is written into the root, and the handshake itself refuses anything else.
// What a trust anchor says is believed because it is in the list, not because of its signature, which is that of the original here.
import { DerReader } from './der-read.ts';
import { derOf, fromHex, pem, tlv } from './der.ts';
import { readDer } from './x509-read.ts';
import { Refusal } from '../domain/refusal.ts';

const SEQUENCE = 0x30;
const EXTENSIONS = 0xa3;
const SUBJECT_KEY = '551d0e';
const NAME_CONSTRAINTS = '551d1e';

/** A root, PEM, and the hosts of the URIs that it may vouch for. */
export interface BoundRoot {
  readonly root: string;
  readonly hosts: readonly string[];
}

/** @returns PEM; undefined for one that has constraints of its own, which is of no use. @throws Refusal CORDON-1006 when it is malformed */
export function boundRoot({ root, hosts }: BoundRoot): string | undefined {
  const der = derOf(root);
  if (readDer(der).extensions.some(({ oid }) => hexOf(oid) === NAME_CONSTRAINTS)) return undefined;
  const certificate = new DerReader(der).inside(SEQUENCE);
  const body = certificate.inside(SEQUENCE);
  const rest: Uint8Array[] = [];
  while (certificate.tag !== undefined) rest.push(certificate.whole(certificate.tag));
  const fields: Uint8Array[] = [];
  while (body.tag !== undefined && body.tag !== EXTENSIONS) fields.push(body.whole(body.tag));
  if (body.tag === undefined) throw new Refusal('CORDON-1006', 'a root has no extensions');
  const extensions = body.inside(EXTENSIONS).content(SEQUENCE);
  const bound = tlv(EXTENSIONS, tlv(SEQUENCE, extensions, constraintsTo(hosts)));
  return pem('CERTIFICATE', tlv(SEQUENCE, tlv(SEQUENCE, ...fields, bound), ...rest));
}

/** The extension, critical: URIs of these hosts and no others. */
const constraintsTo = (hosts: readonly string[]): Uint8Array =>
  tlv(
    SEQUENCE,
    fromHex(`0603${NAME_CONSTRAINTS} 0101ff`),
    tlv(0x04, tlv(SEQUENCE, tlv(0xa0, ...hosts.map((host) => tlv(SEQUENCE, tlv(0x86, Buffer.from(host, 'latin1'))))))),
  );

/** Could a chain to `root` be taken for one to `other`, which has another key? Then it would keep the holders of `other` out. */
export function imitates(root: string, other: string): boolean {
  const [mine, its] = [readDer(derOf(root)), readDer(derOf(other))];
  const keyName = mine.extensions.find(({ oid }) => hexOf(oid) === SUBJECT_KEY)?.value;
  const itsName = its.extensions.find(({ oid }) => hexOf(oid) === SUBJECT_KEY)?.value;
  const sameName = keyName === undefined || itsName === undefined || Buffer.compare(keyName, itsName) === 0;
  return sameName && Buffer.compare(mine.subject, its.subject) === 0 && Buffer.compare(mine.publicKey, its.publicKey) !== 0;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
