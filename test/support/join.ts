// A run that keeps its own keys: joins and renews as the SDK does, but only when the test says so.
import { X509Certificate } from 'node:crypto';
import { createRequest, generateKeyPem } from '../../src/crypto/x509.ts';
import { send, type Answer, type Bed, type Svid } from './bed.ts';

export interface Run {
  readonly id: string;
  readonly token: string;
  readonly bundle: string;
}

export interface RunSvid extends Svid {
  readonly run: string;
  /** Unix milliseconds. */
  readonly notAfter: number;
}

const request = async (): Promise<{ readonly key: string; readonly csr: string }> => {
  const key = await generateKeyPem();
  return { key: key.privateKey, csr: Buffer.from(await createRequest(key)).toString('base64') };
};

/** `unverified` goes on although the certificate of Cordon is out of its lifetime: for a Cordon with another clock. */
export type Unverified = { readonly rejectUnauthorized?: false };

export async function startRun(bed: Bed, kind: 'agent' | 'resource', name: string, task?: string): Promise<Run> {
  const { json } = await bed.control('POST', '/v1/runs', { kind, name, ...(task === undefined ? {} : { task }) });
  return { id: String(json['run']), token: String(json['token']), bundle: String(json['bundle']) };
}

export async function joinRun(bed: Bed, run: Run, unverified: Unverified = {}): Promise<RunSvid> {
  const { key, csr } = await request();
  const svid = { ca: run.bundle, ...unverified };
  const { json, status, text } = await send({
    port: bed.ports.identity,
    path: '/v1/join',
    body: JSON.stringify({ token: run.token, csr }),
    svid,
  });
  if (status !== 200) throw new Error(text);
  const cert = String(json['svid']);
  return { cert, key, ca: run.bundle, run: run.id, notAfter: notAfterOf(cert) };
}

/** Asks for a fresh SVID with the one it has. */
export async function askRenewal(bed: Bed, svid: Svid, more: object = {}): Promise<Answer & { readonly key: string }> {
  const { key, csr } = await request();
  const answer = await send({ port: bed.ports.control, path: '/v1/identity/renew', body: JSON.stringify({ csr, ...more }), svid });
  return { ...answer, key };
}

export async function renew(bed: Bed, svid: RunSvid): Promise<RunSvid> {
  const { json, status, text, key } = await askRenewal(bed, svid);
  if (status !== 200) throw new Error(text);
  const cert = String(json['svid']);
  return { ...svid, cert, key, notAfter: notAfterOf(cert) };
}

const notAfterOf = (cert: string): number => new X509Certificate(cert).validToDate.getTime();
