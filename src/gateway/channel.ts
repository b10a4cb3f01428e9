// mTLS towards a callee: the gateway shows its own SVID and accepts exactly the workload that is registered for the address.
// A pool of connections keeps the certificate it was made with, so a rotated SVID gets a new pool and the old one drains.
import type { PeerCertificate } from 'node:tls';
import { Pool, type Dispatcher } from 'undici';
import type { HttpMethod } from '../domain/http-route.ts';
import { Refusal, asRefusal, errorCodeOf } from '../domain/refusal.ts';
import type { TrustDomain, WorkloadKind } from '../domain/spiffe-id.ts';
import { checkLifetime, readSvid } from '../identity/svid.ts';
import type { Breaker } from './breaker.ts';
import { giveUpWhenIdle } from './idle.ts';
import { mediaTypeOf } from './reply-body.ts';
import { createRetryBudget, isLost } from './retry.ts';
import { abortReason } from './waiting.ts';

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

/** A workload of the trust domain. */
interface Expected {
  readonly kind: WorkloadKind;
  readonly name: string;
}

/** A server that is known by its host name, and is shown nothing. `ca`: PEM; absent: the authorities of the system. */
interface WebServer {
  readonly kind: 'web';
  readonly name: string;
  readonly ca?: string;
}

export interface ChannelOptions {
  readonly origin: URL;
  /** Who must answer; undefined only for a registered plaintext loopback address. */
  readonly expect: Expected | WebServer | undefined;
  readonly trustDomain: TrustDomain;
  readonly credentials: () => Credentials;
  /** Of a run: what it still holds proves nothing any more. */
  readonly isRevoked: (run: string) => boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** For a connection with its handshake. Milliseconds. */
  readonly connectMs: number;
  /** From a request until its answer begins: a tool may think for a while, and its caller may end the call. Milliseconds. */
  readonly answerMs: number;
  /** Between two parts of an answer that is no event stream. Milliseconds. */
  readonly idleMs: number;
  /** Told whether the callee answers. */
  readonly health?: Pick<Breaker, 'answered' | 'failed'>;
}

export interface Channel {
  /** @throws Refusal CORDON-9010 when the callee can't be reached or is not who it should be, or why the signal was aborted */
  request(options: ChannelRequest): Promise<Dispatcher.ResponseData>;
  /** Asks for another protocol on a connection of its own. @throws Refusal as `request` */
  upgrade(options: ChannelUpgrade): Promise<Dispatcher.UpgradeData>;
  /** Closes every connection at once. */
  destroy(): Promise<void>;
}

export interface ChannelUpgrade {
  readonly path: string;
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface ChannelRequest {
  readonly method: HttpMethod;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
  /** May it be sent again when the connection ended before an answer? */
  readonly retry?: boolean;
}

/** As many as there are calls: each run is bounded by the limiter, and a bound for all would let the streams of one keep the others out. */
const CONNECTIONS = null;

export function createChannel(options: ChannelOptions): Channel {
  const pools = createPools(options);
  const reached = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    try {
      const answer = await work();
      options.health?.answered();
      return answer;
    } catch (cause) {
      if (!signal.aborted || isTimeout(signal.reason)) options.health?.failed();
      if (signal.aborted) throw abortReason(signal);
      throw unreachable(options, cause);
    }
  };
  const sendTwice = withRetry((request) => pools.current().request(request));
  return {
    async request(request): Promise<Dispatcher.ResponseData> {
      const reply = await reached(request.signal, () => sendTwice(request));
      if (mediaTypeOf(reply) !== 'text/event-stream') giveUpWhenIdle(reply.body, options.idleMs);
      return reply;
    },
    upgrade: (request) => reached(request.signal, () => pools.current().upgrade({ method: 'GET', ...request })),
    destroy: () => pools.destroy(),
  };
}

/** A time of the gateway's own that ran out; a caller that goes away says nothing of the callee. */
const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';

type Send = (request: Omit<ChannelRequest, 'body'> & { readonly body: string | Uint8Array | null }) => Promise<Dispatcher.ResponseData>;

/** Once more, over another connection, where that is allowed and does no harm. */
function withRetry(send: Send): (request: ChannelRequest) => Promise<Dispatcher.ResponseData> {
  const budget = createRetryBudget();
  return async ({ retry = false, ...request }) => {
    const sent = { ...request, body: request.body ?? null };
    budget.called();
    try {
      return await send(sent);
    } catch (cause) {
      if (!retry || request.signal.aborted || !isLost(cause) || !budget.take()) throw cause;
      return send(sent);
    }
  };
}

interface Pools {
  current(): Pool;
  destroy(): Promise<void>;
}

/** The pool of the credentials in use, and those before it until their last answer has ended. */
function createPools(options: ChannelOptions): Pools {
  const draining = new Set<Pool>();
  let current: { readonly pool: Pool; readonly generation: number } | undefined;

  const drain = (pool: Pool): void => {
    draining.add(pool);
    const gone = (): void => void draining.delete(pool);
    pool.close().then(gone, gone); // a pool that was destroyed meanwhile says so by rejecting
  };

  return {
    current(): Pool {
      const credentials = options.credentials();
      if (current?.generation === credentials.generation) return current.pool;
      if (current !== undefined) drain(current.pool);
      current = { pool: openPool(options, credentials), generation: credentials.generation };
      return current.pool;
    },
    async destroy(): Promise<void> {
      const all = [...draining, ...(current === undefined ? [] : [current.pool])];
      current = undefined;
      await Promise.all(all.map((pool) => pool.destroy()));
    },
  };
}

const openPool = (options: ChannelOptions, credentials: Credentials): Pool =>
  new Pool(options.origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    headersTimeout: options.answerMs,
    bodyTimeout: 0, // an answer may stream for as long as its call lives
    connect: connectOptions(options, credentials),
  });

const unreachable = (options: ChannelOptions, cause: unknown): Refusal =>
  new Refusal('CORDON-9010', `cannot reach \`${options.expect?.name ?? options.origin.host}\``, {
    observed: cause instanceof Refusal ? cause.message : (errorCodeOf(cause) ?? 'connection failed'),
    cause,
  });

function connectOptions(options: ChannelOptions, credentials: Credentials): NonNullable<Pool.Options['connect']> {
  if (options.expect === undefined) return { timeout: options.connectMs };
  if (options.expect.kind === 'web') {
    const { ca } = options.expect;
    return { timeout: options.connectMs, minVersion: 'TLSv1.2', maxCachedSessions: 0, ...(ca === undefined ? {} : { ca }) };
  }
  return {
    timeout: options.connectMs,
    cert: credentials.chain,
    key: credentials.privateKey,
    ca: credentials.bundle,
    minVersion: 'TLSv1.3',
    servername: '',
    // resumption would skip every check below
    maxCachedSessions: 0,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkCallee(options, certificate),
  };
}

/** @returns why the callee is not the workload that is registered for the address */
function checkCallee({ expect, trustDomain, now, isRevoked }: ChannelOptions, certificate: PeerCertificate): Error | undefined {
  try {
    const svid = readSvid(certificate.raw, trustDomain);
    checkLifetime(svid, now());
    const { id, kind, name, run } = svid.workload;
    if (run !== undefined && isRevoked(run)) return new Refusal('CORDON-4005', 'the run that answered was revoked', { observed: id });
    if (kind === expect?.kind && name === expect.name) return undefined;
    return new Refusal('CORDON-1004', 'another workload answered', { observed: id });
  } catch (error) {
    return asRefusal(error, 'CORDON-1006', 'SVID check failed');
  }
}
