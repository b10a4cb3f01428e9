// HTTP APIs, steps 8 to 10: a request of our own to the registered origin, with the credential that the caller never had, and its answer
// handed on as it comes, no faster than the caller reads. A redirect is handed on, never followed. attacker-controlled: the answer
import type { Dispatcher } from 'undici';
import { Refusal } from '../domain/refusal.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import { drained, type Exchange } from './exchange.ts';
import { replyHeaders, trailersOf } from './http-headers.ts';
import type { Pep } from './pep.ts';
import { mediaTypeOf } from './reply-body.ts';
import { txnTokenFor } from './txn-token.ts';
import type { HttpUpstream } from './upstreams.ts';

/** @throws Refusal CORDON-9010 and whatever reason the exchange was aborted for */
export async function callRoute(pep: Pep, exchange: Exchange, plan: PlanOf<'http/call'>, call: Call): Promise<Forwarded> {
  const upstream = httpUpstreamOf(pep, plan.server);
  const { route, target, headers, body } = plan;
  const reply = await upstream.channel.request({
    method: route.method,
    path: `${upstream.base}${target}`,
    headers: { ...headers, 'accept-encoding': 'identity', ...credentialsFor(pep, upstream, call) },
    ...(body === undefined ? {} : { body }),
    signal: exchange.abort.signal,
    retry: exchange.mayRepeat,
  });
  const { maxReplyBytes } = upstream;
  const locate = (location: string): string => locationOf(location, target, upstream, `/api/${plan.server}`);
  await handOn(exchange, reply, { maxReplyBytes, trailers: route.trailers, locate, kept: [], isSignedIn: true });
  return { upstreamStatus: reply.statusCode };
}

export function httpUpstreamOf(pep: Pep, api: string): HttpUpstream {
  const upstream = pep.upstreams.http(api);
  if (upstream === undefined) throw new Refusal('CORDON-9010', 'the API has no address');
  return upstream;
}

/** What the gateway says comes last in a request: no header of the caller stands in for it. */
export const credentialsFor = (pep: Pep, upstream: HttpUpstream, call: Call): Readonly<Record<string, string>> => ({
  ...upstream.credential(),
  ...(upstream.takesTxnToken ? { 'txn-token': txnTokenFor(pep, call) } : {}),
});

interface Handing {
  readonly maxReplyBytes: number;
  readonly trailers: readonly string[];
  /** Headers of the answer that go on although others of their kind do not. */
  readonly kept: readonly string[];
  /** Does the gateway sign in for the caller? */
  readonly isSignedIn: boolean;
  /** Where a redirect leads the caller. */
  readonly locate?: (location: string) => string;
}

/** Hands an answer on. @throws Refusal CORDON-9010 */
export async function handOn(exchange: Exchange, reply: Dispatcher.ResponseData, handing: Handing): Promise<void> {
  const { body, trailers } = reply;
  body.on('error', () => undefined); // told by whoever reads it; what is thrown away unread tells nobody
  try {
    begin(exchange, reply, handing);
    await stream(exchange, body, mediaTypeOf(reply) === 'text/event-stream' ? Infinity : handing.maxReplyBytes);
  } finally {
    body.destroy();
  }
  const { res } = exchange;
  if (mayTrail(exchange, reply)) res.addTrailers(trailersOf(trailers, handing.trailers));
  res.end();
}

/** Trailers follow chunks alone (RFC 9112 §7.1.2). */
const mayTrail = ({ req }: Exchange, { statusCode, headers }: Dispatcher.ResponseData): boolean =>
  req.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304 && !('content-length' in headers);

/** @throws Refusal CORDON-9010 when the credential of the API is refused, or the answer is none */
function begin(exchange: Exchange, reply: Dispatcher.ResponseData, handing: Handing): void {
  const { statusCode, headers } = reply;
  // told on, it would read as a refusal of the caller's own credential
  if ((statusCode === 401 && handing.isSignedIn) || statusCode === 407)
    throw new Refusal('CORDON-9010', 'the upstream refuses the credential of the gateway');
  const kept = replyHeaders(headers, handing.kept);
  const { location } = kept;
  exchange.res.writeHead(statusCode, {
    ...kept,
    ...(typeof location === 'string' && handing.locate !== undefined ? { location: handing.locate(location) } : {}),
    ...(handing.trailers.length === 0 || !mayTrail(exchange, reply) ? {} : { trailer: handing.trailers.join(', ') }),
  });
}

/**
 * Where the API sends the caller: within the API by the way through the gateway, elsewhere as a whole URL, which a caller that reads it beside the
 * gateway's own cannot take for a path of the gateway. Read as RFC 9110 §10.2.2 has it, beside what was asked.
 */
function locationOf(location: string, target: string, { origin, base }: HttpUpstream, prefix: string): string {
  const asked = `${origin.origin}${base}${target}`;
  if (!URL.canParse(location, asked)) throw new Refusal('CORDON-9010', 'the upstream redirects to what is no URL');
  const at = new URL(location, asked);
  const isWithin = at.origin === origin.origin && (base === '' || at.pathname === base || at.pathname.startsWith(`${base}/`));
  return isWithin ? `${prefix}${at.pathname.slice(base.length)}${at.search}${at.hash}` : at.href;
}

async function stream(exchange: Exchange, body: AsyncIterable<Uint8Array>, most: number): Promise<void> {
  const { res } = exchange;
  let size = 0;
  res.flushHeaders();
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > most) throw new Refusal('CORDON-9010', 'the upstream answers more than is allowed', { expected: `at most ${most} bytes` });
    exchange.bytesOut += chunk.byteLength;
    if (!res.write(chunk)) await drained(exchange);
  }
}
