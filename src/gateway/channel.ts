// mTLS towards a callee: the gateway shows its own SVID and accepts exactly the workload that is registered for the address.
// A pool of connections keeps the certificate it was made with, so a rotated SVID gets a new pool and the old one drains.
import type { PeerCertificate } from 'node:tls';
import { Pool, type Dispatcher } from 'undici';
import { Refusal } from '../domain/refusal.ts';
import type { TrustDomain, WorkloadKind } from '../domain/spiffe-id.ts';
import { checkLifetime, readSvid } from '../identity/svid.ts';

/** The gateway's own credentials; `generation` grows with each rotation. */
export interface Credentials {
  readonly generation: number;
  /** Leaf and intermediate, PEM. */
  readonly chain: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
  /** Roots, PEM. */
  readonly bundle: string;
}

export interface ChannelOptions {
  readonly origin: URL;
  /** Who must answer; undefined only for a registered plaintext loopback address. */
  readonly expect: { readonly kind: WorkloadKind; readonly name: string } | undefined;
  readonly trustDomain: TrustDomain;
  readonly credentials: () => Credentials;
  readonly now: () => number;
  readonly timeoutMs: number;
}

export interface Channel {
  /** @throws Refusal CORDON-9010 when the callee can't be reached or is not who it should be */
  request(options: ChannelRequest): Promise<Dispatcher.ResponseData>;
  /** Closes every connection at once. */
  destroy(): Promise<void>;
}

export interface ChannelRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export function createChannel(options: ChannelOptions): Channel {
  let pool: Pool | undefined;
  let generation = -1;

  const current = (): Pool => {
    const credentials = options.credentials();
    if (pool !== undefined && generation === credentials.generation) return pool;
    void pool?.close();
    generation = credentials.generation;
    pool = new Pool(options.origin, { connections: 64, pipelining: 1, headersTimeout: options.timeoutMs, bodyTimeout: 0, connect: tlsOptions(options, credentials) });
    return pool;
  };

  return {
    async request(request): Promise<Dispatcher.ResponseData> {
      try {
        return await current().request({ ...request, body: request.body ?? null });
      } catch (cause) {
        if (request.signal.aborted) throw request.signal.reason;
        throw unreachable(options, cause);
      }
    },
    async destroy(): Promise<void> {
      const old = pool;
      pool = undefined;
      await old?.destroy();
    },
  };
}

const unreachable = (options: ChannelOptions, cause: unknown): Refusal => {
  const inner = cause instanceof Refusal ? cause.message : ((cause as { code?: string }).code ?? 'connection failed');
  return new Refusal('CORDON-9010', `cannot reach \`${options.expect?.name ?? options.origin.host}\``, { observed: inner, cause });
};

function tlsOptions(options: ChannelOptions, credentials: Credentials): Record<string, unknown> {
  if (options.expect === undefined) return { timeout: options.timeoutMs };
  const { expect, trustDomain, now } = options;
  return {
    timeout: options.timeoutMs,
    cert: credentials.chain,
    key: credentials.privateKey,
    ca: credentials.bundle,
    minVersion: 'TLSv1.3',
    servername: '',
    // resumption would skip every check below
    maxCachedSessions: 0,
    checkServerIdentity: (_host: string, certificate: PeerCertificate): Error | undefined => {
      try {
        const svid = readSvid(certificate.raw, trustDomain);
        checkLifetime(svid, now());
        const { kind, name } = svid.workload;
        if (kind === expect.kind && name === expect.name) return undefined;
        return new Refusal('CORDON-1004', 'another workload answered', { observed: svid.workload.id });
      } catch (error) {
        return error instanceof Error ? error : new Error('SVID check failed');
      }
    },
  };
}
