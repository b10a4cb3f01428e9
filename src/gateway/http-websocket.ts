// WebSockets of HTTP APIs: the opening handshake is checked on both sides and made anew towards the API; frames go through as they are.
// Extensions are not agreed on, so a frame means the same to both ends. Standard: RFC 6455 §4, §11.3. attacker-controlled
import { websocketAccept, websocketKey } from '../crypto/websocket.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Call, Forwarded, PlanOf, WebSocketOffer } from './call.ts';
import type { Exchange } from './exchange.ts';
import { credentialsFor, httpUpstreamOf } from './http-forward.ts';
import type { Pep } from './pep.ts';
import { splice, takeOver } from './tunnel.ts';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const MOST_PROTOCOLS = 32;

/** RFC 6455 §4.2.1. @throws Refusal CORDON-9011, CORDON-3001 for a web page of another origin */
export function readOffer({ req, door }: Exchange, origins: readonly string[]): WebSocketOffer {
  const { headers } = req;
  const { connection = '', upgrade = '', origin, 'sec-websocket-key': key = '', 'sec-websocket-version': version } = headers;
  const isUpgrade = connection
    .toLowerCase()
    .split(',')
    .some((token) => token.trim() === 'upgrade');
  if (door.kind !== 'upgrade' || !isUpgrade || upgrade.toLowerCase() !== 'websocket') throw bad('expected `upgrade: websocket`');
  if (version !== '13') throw bad('expected `sec-websocket-version: 13`');
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) throw bad('`sec-websocket-key` is not 16 bytes in base64');
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) throw bad('an opening handshake has no body');
  // §10.2: a page that a browser shows could otherwise speak with the identity of whoever runs it
  if (origin !== undefined && !origins.includes(origin)) throw new Refusal('CORDON-3001', 'no web page of this origin may open it');
  const protocols = listOf(headers['sec-websocket-protocol']);
  if (protocols.length > MOST_PROTOCOLS || protocols.some((name) => !TOKEN.test(name))) throw bad('`sec-websocket-protocol` malformed');
  return { key, protocols };
}

const listOf = (text: string | undefined): readonly string[] => (text === undefined ? [] : text.split(',').map((name) => name.trim()));

const bad = (what: string): Refusal => new Refusal('CORDON-9011', `opening handshake malformed: ${what}`);

/** @throws Refusal CORDON-9010 and whatever reason the exchange was aborted for */
export async function openWebSocket(pep: Pep, exchange: Exchange, plan: PlanOf<'http/upgrade'>, call: Call): Promise<Forwarded> {
  const upstream = httpUpstreamOf(pep, plan.server);
  const key = websocketKey();
  const { protocols } = plan.offer;
  const { headers, socket: far } = await upstream.channel.upgrade({
    path: `${upstream.base}${plan.target}`,
    protocol: 'websocket',
    headers: {
      ...plan.headers,
      'sec-websocket-key': key,
      'sec-websocket-version': '13',
      ...(protocols.length === 0 ? {} : { 'sec-websocket-protocol': protocols.join(', ') }),
      ...credentialsFor(pep, upstream, call),
    },
    signal: exchange.abort.signal,
  });
  far.on('error', () => far.destroy());
  try {
    const chosen = agreed(headers, key, protocols);
    const near = takeOver(exchange);
    near.write(accepted(plan.offer.key, chosen));
    await splice(exchange, near, far, BOUNDS);
  } finally {
    far.destroy();
  }
  return { upstreamStatus: 101 };
}

/** Milliseconds. Quiet sockets are usual; what is at its end is noticed by the pings that both ends exchange. */
const BOUNDS = { idle: 3_600_000, total: 86_400_000 };

/** What the API agreed to (§4.1): the subprotocol, one of those that were offered. @throws Refusal CORDON-9010 */
function agreed(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  key: string,
  offered: readonly string[],
): string | undefined {
  const { 'sec-websocket-accept': accept, 'sec-websocket-protocol': chosen, 'sec-websocket-extensions': extensions } = headers;
  if (accept !== websocketAccept(key)) throw new Refusal('CORDON-9010', 'the API does not answer this opening handshake');
  if (extensions !== undefined) throw new Refusal('CORDON-9010', 'the API agrees to extensions that nobody offered');
  if (chosen === undefined || (typeof chosen === 'string' && offered.includes(chosen))) return chosen;
  throw new Refusal('CORDON-9010', 'the API chose a subprotocol that nobody offered');
}

/** Made of what was checked: nothing of the API's header section goes on. */
const accepted = (key: string, protocol: string | undefined): string =>
  [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: Upgrade',
    `sec-websocket-accept: ${websocketAccept(key)}`,
    ...(protocol === undefined ? [] : [`sec-websocket-protocol: ${protocol}`]),
    '\r\n',
  ].join('\r\n');
