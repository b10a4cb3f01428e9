// A process's own identity: joins once with a single-use token, keeps the key in memory, renews at half life, and never lets the SVID
// run out while the control plane answers.
import { readCertificate } from '../crypto/certificate.ts';
import { createRequest, generateKeyPem } from '../crypto/x509.ts';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, type Workload } from '../domain/spiffe-id.ts';
import { postJson, type Trust } from './channel.ts';

/** Where and with what to join; read from the environment that the launcher made. */
export interface JoinSettings {
  /** Secret, good once. */
  readonly token: string;
  readonly identityUrl: URL;
  /** Roots, PEM. */
  readonly bundle: string;
}

export interface SvidWithKey {
  /** Leaf and intermediate, PEM. */
  readonly chain: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
  /** Unix milliseconds. */
  readonly notAfter: number;
  /** Roots as of this SVID, PEM: a new root of the trust domain is heard of by renewing. */
  readonly bundle: string;
}

export interface Identity {
  readonly workload: Workload;
  readonly gateway: URL;
  readonly control: URL;
  /** Changes with each renewal. */
  readonly current: () => SvidWithKey;
  /** Called after each renewal. @returns stops listening */
  onRotate(listener: () => void): () => void;
  stop(): void;
}

/** Milliseconds. */
const FIRST_RETRY = 500;
const LAST_RETRY = 15_000;

/** @throws Refusal CORDON-1005 when the token is not (or no longer) good, CORDON-9010 */
export async function joinDomain({ token, identityUrl, bundle }: JoinSettings): Promise<Identity> {
  const { key, csr } = await newRequest();
  const reply = await postJson(new URL('/v1/join', identityUrl), { token, csr }, { bundle, expect: 'control' });
  const control = new URL(text(reply, 'control'));
  const renewing = keepRenewed(svidOf(reply, key), async (own) => {
    const next = await newRequest();
    const trust: Trust = { bundle: own.bundle, expect: 'control', own };
    return svidOf(await postJson(new URL('/v1/identity/renew', control), { csr: next.csr }, trust), next.key);
  });
  return {
    workload: parseWorkload(parseSpiffeId(text(reply, 'spiffe_id'))),
    gateway: new URL(text(reply, 'gateway')),
    control,
    ...renewing,
  };
}

type Renewing = Pick<Identity, 'current' | 'onRotate' | 'stop'>;

/** Renews at half life. A control plane that is away for a while must not end a process, so it is asked until it answers. */
function keepRenewed(first: SvidWithKey, renew: (own: SvidWithKey) => Promise<SvidWithKey>): Renewing {
  const listeners = new Set<() => void>();
  let current = first;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const renewIn = (ms: number, retryMs: number): void => {
    if (!stopped) timer = setTimeout(() => void attempt(retryMs), Math.max(0, ms)).unref();
  };
  const attempt = async (retryMs: number): Promise<void> => {
    try {
      current = await renew(current);
    } catch {
      renewIn(retryMs, Math.min(retryMs * 2, LAST_RETRY)); // whoever calls meanwhile hears from the gateway what is wrong
      return;
    }
    renewIn(halfLife(current), FIRST_RETRY);
    if (!stopped) for (const listener of listeners) listener();
  };
  renewIn(halfLife(current), FIRST_RETRY);

  return {
    current: () => current,
    onRotate(listener): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop(): void {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const halfLife = ({ notAfter }: SvidWithKey): number => (notAfter - Date.now()) / 2;

/** A fresh key and the request for its certificate, base64. */
export async function newRequest(): Promise<{ readonly key: string; readonly csr: string }> {
  const key = await generateKeyPem();
  return { key: key.privateKey, csr: Buffer.from(await createRequest(key)).toString('base64') };
}

function svidOf(reply: JsonObject, privateKey: string): SvidWithKey {
  const chain = text(reply, 'svid');
  return { chain, privateKey, notAfter: readCertificate(chain).notAfter, bundle: text(reply, 'bundle') };
}

function text(reply: JsonObject, name: string): string {
  const value = reply[name];
  if (typeof value !== 'string') throw new Refusal('CORDON-1005', `the control plane's answer lacks \`${name}\``);
  return value;
}
