// mTLS from a workload to a part of Cordon. The other end must hold an SVID of this trust domain and be the part that is expected.
import type { PeerCertificate } from 'node:tls';
import { Agent, request, type Dispatcher } from 'undici';
import { readCertificate } from '../crypto/certificate.ts';
import { isCode } from '../domain/codes.ts';
import { isJsonObject, parseJson, writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, type WorkloadKind } from '../domain/spiffe-id.ts';

export interface Trust {
  /** Roots, PEM. */
  readonly bundle: string;
  readonly expect: WorkloadKind;
  /** Our own SVID; absent only when joining. */
  readonly own?: { readonly chain: string; readonly privateKey: string };
}

/** A dispatcher that only ever talks to the expected part of Cordon. */
export function createAgent(trust: Trust): Agent {
  return new Agent({
    // calls may stream for as long as their task lives
    bodyTimeout: 0,
    headersTimeout: 0,
    // resumption would skip the check of the peer
    connect: { ...connectionTo(trust), maxCachedSessions: 0 },
  });
}

/** TLS to the expected part of Cordon and to nobody else. */
export const connectionTo = ({ bundle, expect, own }: Trust) =>
  ({
    ca: bundle,
    ...(own === undefined ? {} : { cert: own.chain, key: own.privateKey }),
    minVersion: 'TLSv1.3',
    servername: '',
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkPeer(certificate.raw, expect),
  }) as const;

/** @returns why the certificate is not of the expected kind of workload */
export function checkPeer(certificate: Uint8Array, expect: WorkloadKind): Error | undefined {
  try {
    const { uris } = readCertificate(certificate);
    const workload = parseWorkload(parseSpiffeId(uris.length === 1 ? (uris[0] ?? '') : ''));
    if (workload.kind === expect) return undefined;
    return new Refusal('CORDON-1004', `expected the ${expect} of Cordon`, { observed: workload.id });
  } catch (error) {
    return asRefusal(error, 'CORDON-1006', 'certificate not readable');
  }
}

const BOUNDS = { maxBytes: 262_144, maxDepth: 32 };
const TIMEOUT_MS = 15_000;

/** Posts JSON and reads JSON. @throws Refusal with the code of the answer, or CORDON-9010 */
export async function postJson(url: URL, body: JsonObject, trust: Trust): Promise<JsonObject> {
  const agent = createAgent(trust);
  try {
    const response = await request(url, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json' },
      body: writeJson(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const reply = await readJson(response);
    if (response.statusCode === 200) return reply;
    const { code, message } = reply;
    const known = typeof code === 'string' && isCode(code) ? code : 'CORDON-9010';
    throw new Refusal(known, typeof message === 'string' ? message : 'refused');
  } catch (error) {
    throw asRefusal(error, 'CORDON-9010', `cannot reach \`${url.host}\``);
  } finally {
    await agent.destroy();
  }
}

async function readJson(response: Dispatcher.ResponseData): Promise<JsonObject> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    size += chunk.byteLength;
    if (size > BOUNDS.maxBytes) throw new Refusal('CORDON-9010', 'the control plane answers more than is allowed');
    chunks.push(chunk);
  }
  const reply = parseJson(Buffer.concat(chunks), BOUNDS);
  if (!isJsonObject(reply)) throw new Refusal('CORDON-9010', 'the control plane does not answer with JSON');
  return reply;
}

const chunksOf = ({ body }: Dispatcher.ResponseData): AsyncIterable<Uint8Array> => body;
