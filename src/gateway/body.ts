// Reading a request before anything is decided about it: bounded, complete, with no header said twice. attacker-controlled
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../domain/refusal.ts';
import type { Exchange } from './exchange.ts';
import { gather } from './gather.ts';

const MAX_HEADERS = 100;

/** Headers that a list may span; any other header said twice is refused. */
const LISTS = new Set(['accept', 'accept-encoding', 'accept-language', 'cache-control', 'via', 'forwarded', 'cookie']);

/** Headers that change what the message is; nothing on the way of a call needs them. */
const REFUSED = ['upgrade', 'trailer', 'te', 'content-encoding', 'expect'];

/** @throws Refusal CORDON-3011 a repeated header, CORDON-9011 a framing that two readers could see differently */
export function checkHeaders({ req, door, origin }: Exchange): void {
  const seen = headerNames(req.rawHeaders);
  if (req.httpVersion !== '1.1') throw new Refusal('CORDON-9011', 'HTTP/1.1 is required', { observed: req.httpVersion });
  // RFC 9112 §3.2; another data plane has asked for it itself
  if (origin === undefined && !seen.has('host')) throw new Refusal('CORDON-9011', 'header missing', { expected: '`host`' });
  const isWebSocket = door.kind === 'upgrade' && req.headers.upgrade?.toLowerCase() === 'websocket';
  const refused = REFUSED.find((name) => seen.has(name) && !(isWebSocket && name === 'upgrade'));
  if (refused !== undefined) throw new Refusal('CORDON-9011', 'header not accepted', { observed: refused });
  // RFC 9112 §6.1: `gzip, chunked` is a compressed body that only some readers would notice
  if ((req.headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked') {
    throw new Refusal('CORDON-9011', 'transfer encoding not accepted', { expected: 'chunked, or a `content-length`' });
  }
}

function headerNames(rawHeaders: readonly string[]): ReadonlySet<string> {
  if (rawHeaders.length > 2 * MAX_HEADERS) throw new Refusal('CORDON-9011', 'too many headers', { expected: `at most ${MAX_HEADERS}` });
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (seen.has(name) && !LISTS.has(name)) {
      throw new Refusal('CORDON-3011', 'header repeated', { observed: name.slice(0, 60), expected: 'each header once' });
    }
    seen.add(name);
  }
  return seen;
}

/** Reads the whole body. @throws Refusal CORDON-9011 when it is longer than `maxBytes` or ends early */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(req.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(`${declared} bytes`, maxBytes);
  let body: Uint8Array | undefined;
  try {
    body = await gather(req, maxBytes);
  } catch (cause) {
    throw new Refusal('CORDON-9011', 'body truncated', { cause });
  }
  // the request stays open, so that the refusal can still be answered
  if (body === undefined) throw tooLarge(`more than ${maxBytes} bytes`, maxBytes);
  // RFC 9110 §6.5.1: fields that come after what they speak of; some readers would take them for headers
  if (req.rawTrailers.length > 0) throw new Refusal('CORDON-9011', 'trailers are not accepted');
  return body;
}

const tooLarge = (observed: string, maxBytes: number): Refusal =>
  new Refusal('CORDON-9011', 'body too large', { observed, expected: `at most ${maxBytes} bytes` });
