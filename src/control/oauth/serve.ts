// The token service over HTTPS: token (RFC 6749, RFC 8693, RFC 7523), introspection (RFC 7662), revocation (RFC 7009), its keys (RFC 7517)
// and its metadata (RFC 8414), on the identity listener and, over mTLS, on the control listener (RFC 8705 §5).
import type { Server } from 'node:https';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Control } from '../control.ts';
import { refusalOf } from '../problem.ts';
import type { OauthClient, OauthDoor } from './client.ts';
import { checkContentType, FORM_LIMIT, parseForm } from './form.ts';
import { during, headerOf, sendError, sendJson } from './http.ts';
import { introspect } from './introspect.ts';
import { authorizationServer } from './metadata.ts';
import type { OauthRequest } from './request.ts';
import { revoke } from './revoke.ts';
import { issue } from './token.ts';

type App = FastifyInstance<Server>;
type Request = FastifyRequest<{ Body: Buffer | undefined }, Server>;

type Answer = (request: OauthRequest) => Promise<FastifyReply>;

const ENDPOINTS: Readonly<Record<string, Answer>> = {
  '/oauth2/token': issue,
  '/oauth2/introspect': introspect,
  '/oauth2/revoke': revoke,
};

/** Serves all of it on the listener of `app`. */
export function serveOauth(app: App, control: Control, door: OauthDoor): void {
  void app.register((scope: App, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser<Buffer>('*', { parseAs: 'buffer', bodyLimit: FORM_LIMIT }, (_request, body, next) => next(null, body));
    scope.setErrorHandler((error, request, reply) => refuse(control, door, request, reply, error));
    for (const [url, answer] of Object.entries(ENDPOINTS)) {
      scope.post(url, (request: Request, reply) => handle(control, door, answer, request, reply));
      scope.route({ method: ['GET', 'PUT', 'PATCH', 'DELETE'], url, handler: (_request, reply) => onlyPost(reply) });
    }
    scope.get('/oauth2/jwks', (_request, reply) => reply.type('application/jwk-set+json').send(control.tokens.keys.jwks()));
    scope.get('/oauth2/authorize', (_request, reply) => sendJson(reply, NO_AUTHORIZATION, 400));
    scope.get('/.well-known/oauth-authorization-server', (_request, reply) => sendJson(reply, authorizationServer(control)));
    done();
  });
}

/** Who was let in with a request, for the record of what is refused later. */
const callers = new WeakMap<FastifyRequest['raw'], OauthClient>();

/** Each step takes what the one before has shown. */
async function handle(control: Control, door: OauthDoor, answer: Answer, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const { raw: http, body, ip } = request;
  control.tokens.addresses.take(ip, control.now());
  checkContentType(headerOf(http, 'content-type'));
  const form = parseForm(body ?? new Uint8Array());
  const client = await during('client', () => door.clientOf(http, form));
  callers.set(http, client);
  control.tokens.clients.take(client.workload.id, control.now());
  return answer({ control, door, client, form, http, reply });
}

/** It is on record before it is told. */
function refuse(control: Control, { challenge }: OauthDoor, request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const refusal = refusalOf(thrown);
  const { url } = request.routeOptions;
  control.refused({ refusal, caller: callers.get(request.raw), action: `control/${request.method} ${url ?? ''}` });
  return sendError(reply, refusal, { scheme: challenge, nonce: control.tokens.nonces.current() });
}

/** RFC 6749 §4.1.2.1: users sign in at their own issuers. */
const NO_AUTHORIZATION = { error: 'unsupported_response_type', error_description: 'users sign in at their own issuers' };

const onlyPost = (reply: FastifyReply): FastifyReply =>
  sendJson(reply.header('allow', 'POST'), { error: 'invalid_request', error_description: 'CORDON-9011: only POST is answered here' }, 405);
