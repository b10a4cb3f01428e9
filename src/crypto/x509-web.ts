// Certificates for host names: the authority under which the gateway stands in for hosts whose TLS it intercepts, and the leaves it shows.
// The authority can vouch for nothing but the names it was made for: name constraints, critical, and no address at all. Standards:
// RFC 5280 §4.2.1.9, §4.2.1.10, RFC 9525 §6.3. Built by @peculiar/x509, read back by node:crypto.
import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { Refusal } from '../domain/refusal.ts';
import { context, TAG, tlv } from './der.ts';
import { signCertificate, type CertificateTemplate } from './x509.ts';

const NAME_CONSTRAINTS = '2.5.29.30';

type WebTemplate = Omit<CertificateTemplate, 'subject' | 'issuer'>;

/** Signs an authority for these names and the names below them. @returns PEM @throws Refusal CORDON-9006 */
export async function signWebRoot(
  template: WebTemplate & { readonly subject: string; readonly names: readonly string[] },
): Promise<string> {
  const pem = await signCertificate({ ...template, issuer: template.subject }, [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.Extension(NAME_CONSTRAINTS, true, constraintsTo(template.names)),
  ]);
  const read = new X509Certificate(pem);
  if (!read.ca || !read.verify(read.publicKey)) throw new Refusal('CORDON-9006', 'the authority signed something else than was asked for');
  return pem;
}

const ANY_ADDRESS = [new Uint8Array(8), new Uint8Array(32)];

/** NameConstraints: `permittedSubtrees` of DNS names, `excludedSubtrees` of every IPv4 and IPv6 address. */
function constraintsTo(names: readonly string[]): Uint8Array {
  const subtree = (tag: number, value: Uint8Array): Uint8Array => tlv(TAG.sequence, tlv(context(tag, 'primitive'), value));
  const permitted = names.map((name) => subtree(2, Buffer.from(name, 'latin1')));
  const excluded = ANY_ADDRESS.map((range) => subtree(7, range));
  return tlv(TAG.sequence, tlv(context(0, 'constructed'), ...permitted), tlv(context(1, 'constructed'), ...excluded));
}

/** Signs a leaf for one host. `issuer`: PEM. @returns PEM @throws Refusal CORDON-9006 when what was signed is not what was asked for */
export async function signWebLeaf(template: WebTemplate & { readonly host: string; readonly issuer: string }): Promise<string> {
  const pem = await signCertificate({ ...template, issuer: new x509.X509Certificate(template.issuer) }, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: template.host }], true),
  ]);
  const [read, signer] = [new X509Certificate(pem), new X509Certificate(template.issuer)];
  const says = read.subjectAltName === `DNS:${template.host}` && !read.ca;
  if (!says || !read.checkIssued(signer) || !read.verify(signer.publicKey)) {
    throw new Refusal('CORDON-9006', 'the authority signed something else than was asked for');
  }
  return pem;
}
