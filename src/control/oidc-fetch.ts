// JSON from a place that cordon.yaml names, or that a document from there names: https, no redirect, bounded in size and time. What a document
// names may be anywhere but in a private network (server-side request forgery). attacker-controlled
import { lookup as lookupAddress } from 'node:dns';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { isJsonObject, parseJson, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

const MAX_DEPTH = 16;

export interface FetchBounds {
  /** Of the whole exchange. Milliseconds. */
  readonly timeout: number;
  readonly bytes: number;
  /** A certificate authority of its own, PEM. */
  readonly ca: string | undefined;
  /** Who must answer, where that is not the host's name: @returns why a certificate that `ca` vouches for is not theirs. */
  readonly identify?: (certificate: PeerCertificate) => Error | undefined;
  /** Plain http is accepted on a loopback address. */
  readonly plaintext: boolean;
  /** The host that cordon.yaml names: it may be in a private network. */
  readonly home: string;
  /** Whose it is, for a message. */
  readonly what: string;
}

/** @throws Refusal CORDON-9010 with what came instead */
export async function fetchJson(url: URL, bounds: FetchBounds): Promise<JsonObject> {
  const { plaintext, what, bytes } = bounds;
  const failed = (observed: string, cause?: unknown): Refusal =>
    new Refusal('CORDON-9010', `the keys of ${what} cannot be had`, {
      observed,
      cause,
      fix: `look at it: curl ${url.origin}${url.pathname}`,
    });
  const secure = url.protocol === 'https:' || (url.protocol === 'http:' && plaintext && isLoopback(url.hostname));
  if (!secure || url.username !== '' || url.password !== '') throw failed(`\`${url.protocol}//${url.hostname}\` is not https`);
  const address = bare(url.hostname);
  const elsewhere = url.hostname !== bounds.home;
  if (elsewhere && isIP(address) !== 0 && !isPublic(address)) throw failed(`\`${address}\` is a private address`);
  try {
    const json = parseJson(await exchange(url, bounds, elsewhere), { maxBytes: bytes, maxDepth: MAX_DEPTH });
    if (isJsonObject(json)) return json;
  } catch (error) {
    throw failed(`\`${url.origin}\`: ${error instanceof Error ? error.message : 'failed'}`, error);
  }
  throw failed(`\`${url.origin}\` sent no JSON object`);
}

function exchange(url: URL, { timeout, bytes, ca, identify }: FetchBounds, elsewhere: boolean): Promise<Uint8Array> {
  const options: RequestOptions = {
    headers: { accept: 'application/json' },
    agent: false,
    signal: AbortSignal.timeout(timeout),
    ...(ca === undefined ? {} : { ca }),
    ...(identify === undefined ? {} : { servername: '', checkServerIdentity: (_host, certificate) => identify(certificate) }),
    ...(elsewhere ? { lookup: publicLookup } : {}),
  };
  return new Promise((resolve, reject) => {
    const sent = url.protocol === 'http:' ? requestHttp(url, options) : requestHttps(url, options);
    sent.on('response', (response) => void readBody(response, bytes).then(resolve, reject));
    sent.on('error', reject);
    sent.end();
  });
}

async function readBody(response: IncomingMessage, most: number): Promise<Uint8Array> {
  const { statusCode = 0 } = response;
  if (statusCode !== 200) {
    response.destroy();
    throw new Error(`status ${statusCode}`); // a redirect too: who is asked is written in cordon.yaml
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Buffer)) throw new TypeError('no bytes');
    length += chunk.length;
    if (length > most) throw new Error(`more than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const isLoopback = (hostname: string): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/** Addresses that a stranger's document has no business to name (RFC 6890 and its IPv6 kin). */
const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv6');
}

/** IPv4 in IPv6 clothes is judged as IPv4 by `BlockList` itself. */
const isPublic = (address: string): boolean => !PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** The address that is judged is the one that is connected to: a name that resolves anew in between gains nothing. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookupAddress(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return callback(error, '');
    const [first] = found;
    if (first === undefined || found.some(({ address }) => !isPublic(address))) {
      return callback(new Error(`\`${hostname}\` has a private address`), '');
    }
    return options.all === true ? callback(null, found) : callback(null, first.address, first.family);
  });
};
