// The control listeners: `/v1/*` over mTLS, and the identity listener where a process without an identity trades a join token for one.
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ServerOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { NO_TICKETS } from '../crypto/tls.ts';
import { CODES } from '../domain/codes.ts';
import { isJsonObject, parseJson, writeJson, type Json } from '../domain/json.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import { readCaller } from './caller.ts';
import type { Control } from './control.ts';
import { JOIN, ROUTES, join, type RouteRow } from './routes.ts';

const MAX_BODY = 262_144;
const MAX_DEPTH = 32;

export interface TlsMaterial {
  readonly chain: string;
  readonly privateKey: string;
  readonly bundle: string;
}

const tls = (own: TlsMaterial, clients: boolean): ServerOptions => ({
  cert: own.chain,
  key: own.privateKey,
  minVersion: 'TLSv1.3',
  secureOptions: NO_TICKETS,
  handshakeTimeout: 5_000,
  ...(clients ? { ca: own.bundle, requestCert: true, rejectUnauthorized: true } : {}),
});

export interface Api {
  listen(host: string, port: number): Promise<void>;
  rotate(own: TlsMaterial): void;
  close(): Promise<void>;
}

/** The admin API. Operators and workloads arrive with SVIDs; anything else fails the handshake. */
export function createControlApi(control: () => Control, own: TlsMaterial): Api {
  const app = server(own, true);
  for (const row of ROUTES) {
    app.route({ method: row.method, url: row.path, handler: (request, reply) => handle(control(), row, request, reply) });
  }
  app.get('/v1/decisions/watch', (request, reply) => watch(control(), request, reply));
  return apiOf(app, true);
}

/** Joining, the trust bundle and health: no client certificate, nothing about what exists. */
export function createIdentityApi(control: () => Control, own: TlsMaterial): Api {
  const app = server(own, false);
  app.post('/v1/join', async (request, reply) => reply.send(await join(control(), inputOf(JOIN, request.body))));
  app.get('/v1/bundle', async (_request, reply) => reply.type('application/x-pem-file').send(control().issuer.bundle));
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const { ready } = await control().status();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  return apiOf(app, false);
}

function server(own: TlsMaterial, clients: boolean): FastifyInstance {
  const app = Fastify({ https: tls(own, clients), bodyLimit: MAX_BODY, requestTimeout: 30_000, forceCloseConnections: true, logger: false }) as unknown as FastifyInstance;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer, { maxBytes: MAX_BODY, maxDepth: MAX_DEPTH }));
    } catch (error) {
      done(asRefusal(error, 'CORDON-9011', 'body malformed'));
    }
  });
  app.setErrorHandler((error, _request, reply) => sendProblem(reply, refusalOf(error)));
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new Refusal('CORDON-3003', 'no such route')));
  return app;
}

const apiOf = (app: FastifyInstance, clients: boolean): Api => ({
  listen: async (host, port): Promise<void> => void (await app.listen({ host, port })),
  rotate: (own): void => (app.server as unknown as { setSecureContext(options: ServerOptions): void }).setSecureContext(tls(own, clients)),
  close: () => app.close(),
});

async function handle(control: Control, row: RouteRow, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const caller = readCaller(request.raw.socket as TLSSocket, control.config.trustDomain, control.now(), row.role);
  const body = isJsonObject(request.body as Json) ? (request.body as object) : {};
  const input = inputOf(row.input, { ...body, ...(request.query as object), ...(request.params as object) });
  const answer = await row.handle({ control, caller, input: input as never });
  await reply.type('application/json').send(writeJson(answer as Json));
}

/** Every decision from now on, one JSON object a line, until the client goes. */
function watch(control: Control, request: FastifyRequest, reply: FastifyReply): void {
  readCaller(request.raw.socket as TLSSocket, control.config.trustDomain, control.now(), 'operator');
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  raw.flushHeaders();
  const stop = control.decisions.watch((row) => {
    if (raw.writableLength > 4_194_304) return void raw.destroy(); // a reader that does not read is let go
    raw.write(`${writeJson({ ...(row.record as object), seq: row.seq, explanation: row.explanation ?? null } as Json)}\n`);
  });
  raw.once('close', stop);
}

/** @throws Refusal CORDON-9011 naming the first member that does not fit */
function inputOf<T>(schema: { safeParse(value: unknown): { success: true; data: T } | { success: false; error: { issues: readonly { path: PropertyKey[]; message: string }[] } } }, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Refusal('CORDON-9011', `\`${issue?.path.map(String).join('.') ?? ''}\` does not fit: ${issue?.message ?? 'invalid'}`);
}

function refusalOf(error: unknown): Refusal {
  const status = (error as { statusCode?: number }).statusCode;
  if (status === 413 || status === 415 || status === 400) return new Refusal('CORDON-9011', 'body not accepted', { cause: error });
  return asRefusal(error, 'CORDON-9001', 'the control plane failed');
}

function sendProblem(reply: FastifyReply, refusal: Refusal): void {
  const row = CODES[refusal.code];
  const { code, message, observed, expected, fix } = refusal;
  const body = { schema: 'cordon.error/v1', type: 'about:blank', title: row.title, status: row.status, code, kind: row.kind, message, observed, expected, fix: [{ cmd: fix }], retryable: row.retryable };
  void reply.code(row.status).type('application/problem+json').send(JSON.stringify(body));
}
