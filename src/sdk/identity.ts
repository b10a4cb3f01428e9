// A process's own identity: joins once with a single-use token, keeps the key in memory, renews at half life, and never lets the SVID
// run out while the control plane answers.
import { createRequest, generateKeyPem, readCertificate } from '../crypto/x509.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, type Workload } from '../domain/spiffe-id.ts';
import { postJson, type Trust } from './channel.ts';

/** Where and with what to join; read from the environment that the launcher made. */
export interface JoinSettings {
  readonly token: string;
  readonly identityUrl: URL;
  /** Roots, PEM. */
  readonly bundle: string;
}

export interface Identity {
  readonly workload: Workload;
  readonly gateway: URL;
  readonly control: URL;
  readonly bundle: string;
  /** Changes with each renewal. */
  readonly current: () => { readonly chain: string; readonly privateKey: string; readonly notAfter: number };
  /** Called after each renewal. */
  onRotate(listener: () => void): void;
  stop(): void;
}

const MAX_RETRY_MS = 15_000;

/** @throws Refusal CORDON-1005 when the token is not (or no longer) good */
export async function joinDomain(settings: JoinSettings): Promise<Identity> {
  const key = await generateKeyPem();
  const csr = Buffer.from(await createRequest(key)).toString('base64');
  const trust: Trust = { bundle: settings.bundle, expect: 'control' };
  const reply = await postJson(new URL('/v1/join', settings.identityUrl), { token: settings.token, csr }, trust);
  const workload = parseWorkload(parseSpiffeId(text(reply, 'spiffe_id')));
  let current = credentialsOf(reply, key.privateKey);
  const control = new URL(text(reply, 'control'));
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  const renew = async (retryMs: number): Promise<void> => {
    try {
      const next = await generateKeyPem();
      const request = Buffer.from(await createRequest(next)).toString('base64');
      const renewed = await postJson(new URL('/v1/identity/renew', control), { csr: request }, { ...trust, own: current });
      current = credentialsOf(renewed, next.privateKey);
      schedule();
      for (const listener of listeners) listener();
    } catch {
      // kept trying until the SVID runs out: a control plane that is away for a minute must not end an agent
      timer = setTimeout(() => void renew(Math.min(retryMs * 2, MAX_RETRY_MS)), retryMs).unref();
    }
  };
  const schedule = (): void => {
    const half = Math.max(0, (current.notAfter - Date.now()) / 2);
    timer = setTimeout(() => void renew(500), half).unref();
  };
  schedule();

  return {
    workload,
    gateway: new URL(text(reply, 'gateway')),
    control,
    bundle: settings.bundle,
    current: () => current,
    onRotate: (listener) => void listeners.add(listener),
    stop: () => clearTimeout(timer),
  };
}

type Credentials = ReturnType<Identity['current']>;

function credentialsOf(reply: Readonly<Record<string, unknown>>, privateKey: string): Credentials {
  const chain = text(reply, 'svid');
  return { chain, privateKey, notAfter: readCertificate(chain).notAfter };
}

function text(reply: Readonly<Record<string, unknown>>, name: string): string {
  const value = reply[name];
  if (typeof value !== 'string') throw new Refusal('CORDON-1005', `the control plane's answer lacks \`${name}\``);
  return value;
}
