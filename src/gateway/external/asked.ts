// What a data plane asks about: a request that it has received and not yet forwarded. It becomes an exchange like those of our own
// listener, so that every step reads it with the same code.
import { IncomingMessage, ServerResponse, type IncomingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import { Refusal } from '../../domain/refusal.ts';
import { openExchange, type Exchange } from '../exchange.ts';
import type { Caller, Shown } from './callers.ts';

export interface Asked {
  readonly method: string;
  /** Path and query as the caller sent them, byte for byte. attacker-controlled */
  readonly target: string;
  /** Name, value, name, value, …, as they were received; without those that the data plane itself adds. attacker-controlled */
  readonly headers: readonly string[];
  readonly shown: Shown | undefined;
  /** Undefined: the data plane does not show it. `incomplete`: not all of it, or nobody knows. attacker-controlled */
  readonly body: Uint8Array | 'incomplete' | undefined;
}

/** Nothing is read from it or written to it. */
const NOWHERE = new Socket();

/** The request as the steps of a call read it. */
export function exchangeOf({ method, target, headers, body }: Asked, origin: string, caller: () => Caller | undefined): Exchange {
  const req = new IncomingMessage(NOWHERE);
  Object.assign(req, { method, url: target, headers: byName(headers), rawHeaders: [...headers], httpVersion: '1.1', complete: true });
  if (body instanceof Uint8Array && body.length > 0) req.push(body);
  req.push(null);
  return { ...openExchange(req, new ServerResponse(req)), origin, leaf: () => caller()?.leaf };
}

/** Of a name that comes twice the last value; that it does is refused where it matters (`checkHeaders`). */
function byName(headers: readonly string[]): IncomingHttpHeaders {
  const found: IncomingHttpHeaders = {};
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase();
    if (name !== '__proto__') found[name] = headers[at + 1] ?? ''; // `checkNames` refuses it
  }
  return found;
}

/**
 * Never is anything decided on a part of a body.
 * @throws Refusal CORDON-9011
 */
export function checkWhole({ req }: Exchange, body: Asked['body']): void {
  if (body === undefined) return;
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers;
  if (body !== 'incomplete' && (length === undefined || length === String(body.length)) && (coding === undefined || body.length === 0))
    return;
  throw new Refusal('CORDON-9011', 'body truncated', {
    expected: 'all of the body, with its length in `content-length`',
    fix: 'let the data plane hold as much as bodies need (`tune.bufsize` of HAProxy, `max_request_bytes` of Envoy)',
  });
}

const NAME = /^[a-z0-9!#$%&'*+.^`|~-]+$/i;

/** What only Cordon and proxies say, about who calls. */
const SAID_BY_US = /^(?:(?:x-)?cordon-|x-spiffe-|txn-token$|x-forwarded-client-cert$)/i;

/** What frameworks take in place of the method or the path that was decided on. */
const SAID_INSTEAD = /^(?:(?:x-)?http-method(?:-override)?|x-method-override|x-original-url|x-rewrite-url)$/i;

/**
 * INVARIANT I2: the data plane forwards the headers that are read here. One whose name has an underscore is another header to some
 * readers behind it (CGI, WSGI), and the same to others; one that only Cordon sends would be believed there, and one may say another request.
 * @throws Refusal CORDON-3011
 */
export function checkNames(headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    if (!NAME.test(name)) throw refused('header name not accepted', name, 'a token without `_`');
    if (SAID_BY_US.test(name)) throw refused('a caller does not send this header', name, 'that the data plane or Cordon sets it');
    if (SAID_INSTEAD.test(name)) throw refused('a header that says another request', name, 'method and path where they belong');
  }
}

const refused = (message: string, name: string, expected: string): Refusal =>
  new Refusal('CORDON-3011', message, { observed: name.slice(0, 60), expected });
