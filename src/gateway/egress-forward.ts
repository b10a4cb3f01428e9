// What leads outside, steps 8 to 10: a tunnel to the address that was looked at, or a request of our own there. attacker-controlled: the answer
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { HttpMethod } from '../domain/http-route.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { readClientHello } from './client-hello.ts';
import { type HostPort, originOf } from './egress-host.ts';
import { acceptTls, untilClosed } from './egress-inner.ts';
import type { Outside } from './egress-table.ts';
import type { Exchange } from './exchange.ts';
import { handOn } from './http-forward.ts';
import type { Pep } from './pep.ts';
import { splice, takeOver } from './tunnel.ts';
import { abortReason } from './waiting.ts';
import { isIP } from 'node:net';

function outsideOf(pep: Pep, to: HostPort): Outside {
  const outside = pep.upstreams.outside(to);
  if (outside === undefined) throw new Refusal('CORDON-9010', 'the host is not registered any more');
  return outside;
}

const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';

/** @throws Refusal CORDON-3010, CORDON-9010 and whatever reason the exchange was aborted for */
export async function openTunnel(pep: Pep, exchange: Exchange, { to }: PlanOf<'egress/connect'>, call: Call): Promise<Forwarded> {
  const outside = outsideOf(pep, to);
  return outside.intercept === undefined
    ? tunnelTo(exchange, to, outside)
    : standIn(pep, exchange, call, { to, ...outside, intercept: outside.intercept });
}

type Intercepted = Pick<Outside, 'bounds'> & { readonly to: HostPort; readonly intercept: NonNullable<Outside['intercept']> };

/** Ends TLS here: what is said inside is decided request by request. */
async function standIn(pep: Pep, exchange: Exchange, call: Call, { to, intercept, bounds }: Intercepted): Promise<Forwarded> {
  const { door, abort, peer } = exchange;
  if (door.kind === 'request' || peer === undefined) throw new Refusal('CORDON-9001', 'the connection still carries requests');
  const certificate = await intercept(to.host);
  const near = takeOver(exchange);
  near.write(ESTABLISHED);
  const inner = await acceptTls(near, to.host, certificate, abort.signal);
  pep.connections.carry(inner, peer);
  const { delegation } = call.request;
  door.inner.serve(inner, { to, peer, task: { ...(call.task && { task: call.task }), ...(delegation && { delegation }) } });
  await untilClosed(inner, near, abort.signal, bounds.total);
  exchange.bytesIn += inner.bytesRead;
  exchange.bytesOut += inner.bytesWritten;
  if (abort.signal.aborted && abortReason(abort.signal).code !== 'CORDON-9010') throw abortReason(abort.signal);
  return { upstreamStatus: 200 };
}

async function tunnelTo(exchange: Exchange, to: HostPort, { dial, tunnel, bounds }: Outside): Promise<Forwarded> {
  const { signal } = exchange.abort;
  const far = await dial(to, signal);
  try {
    const near = takeOver(exchange);
    near.write(ESTABLISHED);
    // not a byte goes out before it is known for whom it is
    if (tunnel === 'tls') {
      const hello = await helloFrom(near, to.host, signal);
      exchange.bytesIn += hello.byteLength;
      far.write(hello);
    }
    await splice(exchange, near, far, bounds);
  } finally {
    far.destroy();
  }
  return { upstreamStatus: 200 };
}

const HELLO_MS = 10_000;

/** Everything up to the end of the ClientHello, which has to be for `host`. @throws Refusal CORDON-3010, CORDON-9010 */
async function helloFrom(near: Duplex, host: string, signal: AbortSignal): Promise<Buffer> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(HELLO_MS)]);
  let bytes = Buffer.alloc(0);
  for (;;) {
    bytes = Buffer.concat([bytes, await nextChunk(near, late, signal)]);
    const hello = readClientHello(bytes);
    if (hello === undefined) continue;
    const expected = isIP(host) === 0 ? host : undefined; // RFC 6066 §3: addresses are not named
    if (hello.serverName === expected) return bytes;
    throw new Refusal('CORDON-3010', 'the TLS handshake in the tunnel names another host than was asked for');
  }
}

function nextChunk(near: Duplex, late: AbortSignal, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      near.pause();
      near.off('data', onData).off('close', onClose).off('end', onClose);
      late.removeEventListener('abort', onLate);
    };
    const onData = (chunk: Buffer): void => {
      settle();
      resolve(chunk);
    };
    const onClose = (): void => {
      settle();
      reject(new Refusal('CORDON-9010', 'the caller went away'));
    };
    const onLate = (): void => {
      settle();
      reject(signal.aborted ? abortReason(signal) : new Refusal('CORDON-9010', 'the caller did not begin TLS in time'));
    };
    late.addEventListener('abort', onLate, { once: true });
    near.on('close', onClose).on('end', onClose).on('data', onData);
    if (late.aborted) onLate();
    else near.resume();
  });
}

/** @throws Refusal CORDON-3010, CORDON-9010 and whatever reason the exchange was aborted for */
export async function requestOutside(pep: Pep, exchange: Exchange, plan: PlanOf<'egress/request'>, _call: Call): Promise<Forwarded> {
  const { to, scheme, method, target, headers, body } = plan;
  const { dispatcher, credential: own, maxReplyBytes } = outsideOf(pep, to);
  // INVARIANT I8: the caller chooses the scheme, and in the open anybody on the way would read it
  const credential = scheme === 'https' ? own : undefined;
  const asked = { scheme, to, method, target, headers: { ...headers, ...credential }, body: body ?? null };
  const reply = await askOutside(exchange, dispatcher, asked, 'the host');
  const kept = credential === undefined ? OWN_SESSION : [];
  await handOn(exchange, reply, { maxReplyBytes, trailers: [], kept, isSignedIn: credential !== undefined });
  return { upstreamStatus: reply.statusCode };
}

/** A request of our own to a registered host. No redirect is followed. */
interface AskedOutside {
  readonly scheme: 'http' | 'https';
  readonly to: HostPort;
  readonly method: HttpMethod;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | null;
}

/** `what`: as the caller is told of it. @throws Refusal CORDON-3010, CORDON-9010 and whatever reason the exchange was aborted for */
export function askOutside(
  exchange: Exchange,
  dispatcher: Dispatcher,
  asked: AskedOutside,
  what: string,
): Promise<Dispatcher.ResponseData> {
  const { target, method, headers, body } = asked;
  const { signal } = exchange.abort;
  return dispatcher
    .request({ origin: originOf(asked), path: target, method, headers: { ...headers, 'accept-encoding': 'identity' }, body, signal })
    .catch((cause: unknown) => {
      throw signal.aborted ? abortReason(signal) : asRefusal(cause, 'CORDON-9010', `${what} cannot be reached`);
    });
}

/** Who signs in by itself gets what the host says of that. */
const OWN_SESSION = ['set-cookie', 'www-authenticate'];
