// Headers on their way through. Towards an API only those of a table go on, so no header of the caller can speak for its identity, change
// the method or the framing, or reach a hop behind. Of an answer everything goes on but what belongs to the connection, would hand the
// caller a session or another way around the gateway. Standards: RFC 9110 §7.6.1, RFC 9113 §8.2.2.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Refusal } from '../domain/refusal.ts';

/** What a caller may say to any API. */
const PASSED = [
  'accept',
  'accept-language',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'idempotency-key',
  'last-event-id',
  'prefer',
  'range',
  'traceparent',
  'tracestate',
  'user-agent',
];

/** Names that no configuration may hand on: framing, the way, and who calls. */
const NEVER =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-length|content-type|content-encoding|expect|via|forwarded|x-forwarded-.*|x-real-ip|x-spiffe-.*|x-.*-identity|x-http-method.*|x-method-override|x-original-.*|x-rewrite-.*|dpop|txn-token|workload-.*|sec-.*|cordon-.*|accept-encoding)$/;

/** May a route hand on a request header of this name? `authorization` holds a task token. */
export const mayPass = (name: string): boolean => mayPassOutside(name) && name !== 'authorization';

/** May it be handed on to a host outside, where the caller may sign in by itself? */
export const mayPassOutside = (name: string): boolean => /^[a-z0-9-]{1,64}$/.test(name) && !NEVER.test(name);

/** Headers for the API: of the table, and those that the route or API names besides. */
export const requestHeaders = ({ headers }: IncomingMessage, more: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    [...PASSED, ...more].flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value] as const] : [];
    }),
  );

const WITH_PARAMETERS = /^([\w.+-]+\/[\w.+-]+)((?:\s*;\s*[\w-]+=(?:[\w'()+,./:=?-]{1,100}|"[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}"))*)$/;

/** A media type, lower case, and the whole header field as it is sent on. @throws Refusal CORDON-9011 */
export function readContentType({ headers }: IncomingMessage): { readonly type: string; readonly whole: string } {
  const [whole, type] = WITH_PARAMETERS.exec(headers['content-type'] ?? '') ?? [];
  if (whole === undefined || type === undefined) throw new Refusal('CORDON-9011', 'content type malformed');
  return { type: type.toLowerCase(), whole };
}

const CONNECTION = new Set(['keep-alive', 'close', 'upgrade']);

/** A `Connection` that names other headers would have a hop drop them. @throws Refusal CORDON-9011 */
export function checkConnection({ headers: { connection = '' } }: IncomingMessage): void {
  const stray = tokensOf(connection).find((token) => !CONNECTION.has(token));
  if (stray === undefined) return;
  throw new Refusal('CORDON-9011', '`connection` names what is not accepted', {
    observed: stray.slice(0, 60),
    expected: 'keep-alive, close',
  });
}

const tokensOf = (list: string): readonly string[] =>
  list
    .split(',')
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '');

/** Of the connection to the API (RFC 9110 §7.6.1), and what would make the caller go elsewhere or hold what is the gateway's. */
const KEPT_BACK = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'alt-svc',
  'alt-used',
  'strict-transport-security',
  'public-key-pins',
  'set-cookie',
  'set-cookie2',
  'www-authenticate',
  'authentication-info',
  'via',
]);

/** Names, and what is answered, are the API's. attacker-controlled */
export function replyHeaders(headers: IncomingHttpHeaders, kept: readonly string[] = []): Record<string, string | string[]> {
  const listed = new Set(tokensOf([headers.connection ?? ''].flat().join(',')));
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const isKept = kept.includes(name);
      if (value === undefined || (KEPT_BACK.has(name) && !isKept) || listed.has(name) || !TOKEN.test(name)) return [];
      return [[name, Array.isArray(value) ? value.map(latin1) : latin1(value)] as const];
    }),
  );
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/;

/** The bytes as they came, which undici has read as UTF-8; nothing that could end a line. */
const latin1 = (value: string): string =>
  Buffer.from(value, 'utf8')
    .toString('latin1')
    .replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f]/g, '');

/** Of trailers those that are declared. */
export const trailersOf = (trailers: Readonly<Record<string, string>>, declared: readonly string[]): readonly [string, string][] =>
  Object.entries(trailers).flatMap(([name, value]) => (declared.includes(name.toLowerCase()) ? [[name, latin1(value)]] : []));
