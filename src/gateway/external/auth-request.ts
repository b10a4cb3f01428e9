// nginx `auth_request`, Caddy `forward_auth`: for each request a subrequest of HTTP/1.1 without the body; 204 lets it pass, and what the
// answer carries in its headers goes on with it. The socket says which data plane asks; nothing that a client sends does.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Pep } from '../pep.ts';
import { answer, type Answer } from './answer.ts';
import type { Asked } from './asked.ts';
import type { Shown } from './callers.ts';
import type { Door } from './door.ts';
import type { Plane } from './plane.ts';
import { base64Der, escapedPem } from './shown.ts';

export interface Dialect {
  /** Headers that the data plane sets, whatever the client sent under their names. */
  readonly target: string;
  readonly method: string;
  readonly read: (text: string) => Shown | undefined;
}

const CERTIFICATE = 'x-cordon-client-cert';

/** nginx. */
export const AUTH_REQUEST: Dialect = { target: 'x-original-uri', method: 'x-original-method', read: escapedPem };
/** Caddy, and what speaks like it. */
export const FORWARD_AUTH: Dialect = { target: 'x-forwarded-uri', method: 'x-forwarded-method', read: base64Der };

/** Milliseconds and bytes: a certificate and a token come with each request. */
const LIMITS = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 300_000, maxHeaderSize: 65_536 };

export function subrequestDoor(pep: Pep, plane: Plane, dialect: Dialect): Door {
  const server = createServer(LIMITS, (req, res) => {
    serve(pep, plane, dialect, req)
      .then((answered) => reply(res, answered))
      .catch(() => res.destroy()); // INVARIANT I1: never a half-made answer
    req.resume(); // what a subrequest has for a body is nobody's
  });
  server.maxHeadersCount = 0; // the size is bounded; `checkHeaders` bounds the number
  server.on('clientError', (_error, socket) => socket.destroy());
  server.emit('listening'); // its timers start with that
  return {
    accept: (socket) => void server.emit('connection', socket),
    close(): void {
      server.closeAllConnections();
      server.close(); // its timers end with that
    },
  };
}

const serve = (pep: Pep, plane: Plane, dialect: Dialect, req: IncomingMessage): Promise<Answer> =>
  answer(pep, plane, askedBy(dialect, req));

/** Of the hop between the data plane and us. */
const HOP = ['host', 'connection', 'content-length', 'transfer-encoding'] as const;

/** What the data plane sets is taken out, unless it stands there twice: then it is found among the headers, and refused. */
function askedBy({ target, method, read }: Dialect, { headers, rawHeaders }: IncomingMessage): Asked {
  const own = new Set([target, method, CERTIFICATE].filter((name) => timesIn(rawHeaders, name) === 1));
  const said = (name: string): string => (own.has(name) ? String(headers[name]) : '');
  return {
    method: said(method),
    target: said(target),
    headers: without(rawHeaders, new Set([...HOP, ...own])),
    shown: read(said(CERTIFICATE)),
    body: undefined,
  };
}

const namesIn = (rawHeaders: readonly string[]): readonly string[] => rawHeaders.filter((_, at) => at % 2 === 0);

const timesIn = (rawHeaders: readonly string[], name: string): number =>
  namesIn(rawHeaders).filter((each) => each.toLowerCase() === name).length;

const without = (rawHeaders: readonly string[], names: ReadonlySet<string>): readonly string[] =>
  rawHeaders.filter((_, at) => !names.has((rawHeaders[at - (at % 2)] ?? '').toLowerCase()));

function reply(res: ServerResponse, answered: Answer): void {
  if (answered.allowed) {
    res.writeHead(204, answered.headers).end();
    return;
  }
  const { status, headers, body, decisionId } = answered;
  const told = { 'cordon-problem': ascii(body), ...(decisionId === undefined ? {} : { 'cordon-decision': decisionId }) };
  res.writeHead(status, { ...headers, ...told, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** JSON that a header can hold: nginx gives its clients nothing of the body of a subrequest. */
const ascii = (json: string): string => json.replace(/[^ -~]/gu, escaped);

const escaped = (text: string): string =>
  Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');
