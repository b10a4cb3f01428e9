// The control listeners: `/v1/*` over mTLS, and the identity listener where a process without an identity trades a join token for one.
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Server, ServerOptions } from 'node:https';
import { mutualTls, serverTls } from '../crypto/tls.ts';
import { isJsonObject, parseJson, writeJson, type Json } from '../domain/json.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { DecisionRow } from '../store/ports.ts';
import { serveAuthzen } from './authzen.ts';
import { keyDoor, svidDoor } from './authzen-peps.ts';
import { checkRole, readCaller, type Role } from './caller.ts';
import type { Control } from './control.ts';
import { BUNDLE_PATH, bundleText } from './federation/routes.ts';
import { assertionDoor, mtlsDoor } from './oauth/client.ts';
import { serveOauth } from './oauth/serve.ts';
import { refusalOf, sendProblem } from './problem.ts';
import type { RouteRow } from './route.ts';
import { ROUTES, join } from './routes.ts';
import { attest } from './routes-agents.ts';
import { LOGIN_ROUTES } from './routes-operators.ts';
import { holdFor } from './routes-orders.ts';

/** Bytes. */
const MAX_BODY = 262_144;
const MAX_DEPTH = 32;
/** What may wait for somebody who watches and does not read. Bytes. */
const MAX_UNREAD = 4_194_304;

export interface TlsMaterial {
  /** Leaf and intermediate, PEM. */
  readonly chain: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
  /** Roots, PEM. */
  readonly bundle: string;
}

export interface Api {
  listen(host: string, port: number): Promise<void>;
  rotate(own: TlsMaterial): void;
  close(): Promise<void>;
}

/** The parts of a request as they come: the body from our own JSON parser, the others from the path. */
interface Parts {
  readonly Body: Json | undefined;
  readonly Querystring: Readonly<Record<string, string>>;
  readonly Params: Readonly<Record<string, string>>;
}

type App = FastifyInstance<Server>;
type Request = FastifyRequest<Parts, Server>;

/** The admin API. Operators and workloads arrive with SVIDs; anything else fails the handshake. */
export function createControlApi(control: Control, own: TlsMaterial): Api {
  const app = server(own, true);
  for (const row of ROUTES) {
    const { method, path: url, bodyLimit = MAX_BODY } = row;
    app.route<Parts>({ method, url, bodyLimit, handler: (request, reply) => handle(control, row, request, reply) });
  }
  app.get<Parts>('/v1/decisions/watch', (request, reply) => watch(control, request, reply));
  serveAuthzen(app, control, svidDoor(control));
  serveOauth(app, control, mtlsDoor(control));
  return apiOf(app, true);
}

/** Joining, the trust bundle and health: no client certificate, nothing about what exists. */
export function createIdentityApi(control: Control, own: TlsMaterial): Api {
  const app = server(own, false);
  app.post<Parts>('/v1/join', async (request, reply) => sendJson(reply, await recorded(control, () => join(control, request.body))));
  app.post<Parts>('/v1/attest', async (request, reply) => sendJson(reply, await attest(control, request.body)));
  for (const [path, answer] of LOGIN_ROUTES) {
    app.post<Parts>(path, async (request, reply) => sendJson(reply, await recorded(control, () => answer(control, request.body), path)));
  }
  app.get('/v1/bundle', (_request, reply) => reply.type('application/x-pem-file').send(control.issuer.bundle));
  app.get(BUNDLE_PATH, (_request, reply) => reply.type('application/json').send(bundleText(control.authority)));
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const { ready } = await control.status();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  if (control.config.authzen.peps.some(({ key }) => key !== undefined)) serveAuthzen(app, control, keyDoor(control));
  serveOauth(app, control, assertionDoor(control));
  return apiOf(app, false);
}

const tls = (own: TlsMaterial, clients: boolean): ServerOptions => ({
  ...(clients ? mutualTls(own, own.bundle) : serverTls(own)),
  handshakeTimeout: 5_000,
});

function server(own: TlsMaterial, clients: boolean): App {
  const https = tls(own, clients);
  const app = Fastify({ https, bodyLimit: MAX_BODY, requestTimeout: 30_000, forceCloseConnections: true, logger: false });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body, { maxBytes: body.byteLength, maxDepth: MAX_DEPTH })); // its size was held to the limit of its route
    } catch (error) {
      done(asRefusal(error, 'CORDON-9011', 'body malformed'));
    }
  });
  app.setErrorHandler((error, _request, reply) => sendProblem(reply, refusalOf(error)));
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new Refusal('CORDON-3003', 'no such route')));
  return app;
}

const apiOf = (app: App, clients: boolean): Api => ({
  listen: async (host, port): Promise<void> => void (await app.listen({ host, port })),
  rotate: (own) => app.server.setSecureContext(tls(own, clients)),
  close: () => app.close(),
});

const sendJson = (reply: FastifyReply, answer: Json): FastifyReply => reply.type('application/json').send(writeJson(answer));

async function handle(control: Control, row: RouteRow, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const caller = admit(control, request, row.role);
  const body = isJsonObject(request.body) ? request.body : {};
  const input = { ...body, ...request.query, ...request.params };
  const held = await holdFor(control, row, caller, input);
  if (held !== undefined) return sendJson(reply.code(202), held);
  return sendJson(reply, await row.handle(control, caller, input));
}

/** The caller, in the role that the route asks for; who is not is on record. @throws Refusal CORDON-1001, -1002, -1004, -1006, -1012, -1014, -4005 */
function admit(control: Control, request: Request, role: Role): SvidFacts {
  let caller: SvidFacts | undefined;
  try {
    caller = readCaller(request.raw.socket, control);
    checkRole(caller, role, (name) => control.operators.directory.roleOf(name));
    return caller;
  } catch (error) {
    const refusal = asRefusal(error, 'CORDON-1006', 'SVID malformed');
    control.refused({ refusal, caller, action: `control/${request.method} ${request.routeOptions.url ?? ''}` });
    throw refusal;
  }
}

/** An attempt to join that is refused is on record too, unless it was no attempt but noise. */
async function recorded<T>(control: Control, work: () => Promise<T>, path = '/v1/join'): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal.row.kind === 'identity') control.refused({ refusal, caller: undefined, action: `control/POST ${path}` });
    throw refusal;
  }
}

/** Every decision from now on, one JSON object a line, until the client goes, does not read, or its certificate expires. */
function watch(control: Control, request: Request, reply: FastifyReply): void {
  const caller = admit(control, request, 'viewer');
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  raw.flushHeaders();
  const stop = control.decisions.watch((row) => {
    if (raw.writableLength > MAX_UNREAD) raw.destroy();
    else raw.write(`${writeJson(lineOf(row))}\n`);
  });
  const expiry = setTimeout(() => raw.destroy(), caller.notAfter - control.now()).unref();
  raw.once('close', () => {
    clearTimeout(expiry);
    stop();
  });
}

const lineOf = ({ record, seq, explanation = null }: DecisionRow): Json => ({ ...(isJsonObject(record) ? record : {}), seq, explanation });
