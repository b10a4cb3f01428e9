// AuthZEN over HTTPS. Standard: Authorization API 1.0 §9 (metadata) and §10.1 (HTTPS binding). Every decision is a 200; an error is a
// string. Who asks is known before anything that was sent is read.
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Server } from 'node:https';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { timedId } from '../crypto/random.ts';
import { type Json, type JsonObject, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SvidFacts } from '../identity/svid.ts';
import { answer } from '../pdp/authzen/answer.ts';
import { AUTHZEN_APIS, metadataOf, pathOf, WELL_KNOWN } from '../pdp/authzen/metadata.ts';
import type { AuthzenPdp } from '../pdp/authzen/port.ts';
import { worldPdp } from '../pdp/authzen/world.ts';
import { decisionRecord } from '../pdp/decision-record.ts';
import type { AuthzenDoor, AuthzenPep } from './authzen-peps.ts';
import type { Control } from './control.ts';
import { refusalOf } from './problem.ts';

/** Bytes: a full batch of evaluations. */
const BODY_LIMIT = 1_048_576;

interface Parts {
  readonly Body: Json | undefined;
  readonly Params: { readonly store?: string };
}

type App = FastifyInstance<Server>;
type Request = FastifyRequest<Parts, Server>;

/** What a PEP was let in to. */
interface Admitted {
  readonly pep: AuthzenPep;
  readonly pdp: AuthzenPdp;
  /** The URL of the PDP, which is what its metadata say. */
  readonly base: string;
}

/** Serves every PDP on the listener of `app`: Cordon's own at its root, each store at `/stores/NAME`. */
export function serveAuthzen(app: App, control: Control, door: AuthzenDoor): void {
  const admitted = new WeakMap<FastifyRequest, Admitted>();
  const of = (request: Request): Admitted => admitted.get(request) ?? refuse();
  void app.register((scope: App, _options, done) => {
    scope.addHook<Parts>('onRequest', async (request, reply) => {
      echoRequestId(request.raw, reply);
      admitted.set(request, admit(control, door, request));
    });
    scope.setErrorHandler((error, _request, reply) => sendError(reply, refusalOf(error), door));
    for (const prefix of ['', '/stores/:store']) {
      for (const api of AUTHZEN_APIS) {
        scope.post<Parts>(`${prefix}${pathOf(api)}`, { bodyLimit: BODY_LIMIT }, (request, reply) => {
          const { pep, pdp, base } = of(request);
          return send(reply, answer(api, { pdp, sealer: control.authzen.pages, scope: `${base} ${pep.name}` }, request.body));
        });
      }
      scope.get<Parts>(`${WELL_KNOWN}${prefix}`, (request, reply) => {
        const { base, pdp } = of(request);
        return send(reply, metadataOf(base, pdp));
      });
    }
    done();
  });
}

function refuse(): never {
  throw new Refusal('CORDON-9001', 'nobody was let in');
}

/** @throws Refusal as the door does, CORDON-1012 and CORDON-3003 for a PDP that is not for this PEP; it is on record then */
function admit(control: Control, door: AuthzenDoor, request: Request): Admitted {
  let caller: SvidFacts | undefined;
  try {
    caller = door.callerOf(request.raw);
    const pep = door.pepOf(request.raw, caller);
    const { store } = request.params;
    return store === undefined ? admitToWorld(control, door, pep) : admitToStore(control, door, pep, store);
  } catch (error) {
    const refusal = refusalOf(error);
    control.refused({ refusal, caller, action: `control/${request.method} ${request.routeOptions.url ?? ''}` });
    throw refusal;
  }
}

function admitToStore(control: Control, door: AuthzenDoor, pep: AuthzenPep, store: string): Admitted {
  const pdp = pep.mayAsk(store) ? control.authzen.stores.get(store) : undefined;
  // INVARIANT I9: what is not for this PEP does not exist
  if (pdp === undefined) throw new Refusal('CORDON-3003', 'no such store');
  return { pep, pdp, base: `${door.url}/stores/${store}` };
}

function admitToWorld(control: Control, door: AuthzenDoor, pep: AuthzenPep): Admitted {
  if (!pep.speaks) throw new Refusal('CORDON-1012', 'this PEP speaks for no agent');
  const { maxStaleness } = control.config;
  const pdp = worldPdp({
    snapshot: control.publisher.current,
    now: control.now,
    limits: { maxStaleness },
    speaksFor: (agent) => pep.speaksFor(agent),
    record(snapshot, request, decision) {
      const now = control.now();
      const id = `dec_${timedId(now)}`;
      const head = { id, now, pep: { id: pep.name, version: control.authzen.version } };
      const record = decisionRecord(snapshot, request, decision, head);
      const receipt = control.log.append(record);
      // what was asked in the name of an agent that the PEP does not speak for is nothing that the agent asked
      control.decisions.add({ record, receipt, request: decision.code === 'CORDON-1012' ? undefined : request });
      return id;
    },
  });
  return { pep, pdp, base: door.url };
}

const REQUEST_ID = /^[\x20-\x7e]{1,256}$/;

/** §10.1.11. What could break a header, or comes twice, is not echoed. @throws Refusal CORDON-9011 */
function echoRequestId({ rawHeaders }: IncomingMessage, reply: FastifyReply): void {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'x-request-id');
  const [id] = values;
  if (id === undefined) return;
  if (values.length > 1 || !REQUEST_ID.test(id))
    throw new Refusal('CORDON-9011', '`X-Request-ID` must be one line of at most 256 characters');
  void reply.header('x-request-id', id);
}

const send = (reply: FastifyReply, body: JsonObject): FastifyReply =>
  reply.header('cache-control', 'no-store').type('application/json').send(writeJson(body));

/** §10.1.9: the status is the error, the body says it. What failed in here is told to operators, not to PEPs. */
function sendError(reply: FastifyReply, refusal: Refusal, { challenge }: AuthzenDoor): FastifyReply {
  const { status } = refusal.row;
  const shown = status >= 500 ? 500 : status;
  if (shown === 401) void reply.header('www-authenticate', challenge);
  const message = shown === 500 ? (STATUS_CODES[500] ?? '') : refusal.message;
  return reply
    .code(shown)
    .type('application/json')
    .send(writeJson(`${refusal.code}: ${message}`));
}
