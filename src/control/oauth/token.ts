// The token endpoint: one row for each grant (RFC 6749 §4.4, RFC 7523 §2.1, RFC 8693 §2). What is asked is read here, with all that takes
// time; what is granted is computed by sts/exchange.ts; and it is on record before it is handed out. INVARIANTS I3, I4
import type { FastifyReply } from 'fastify';
import { readJws } from '../../crypto/jws.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../domain/json.ts';
import { parseMandate } from '../../domain/mandate.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { SpiffeId } from '../../domain/spiffe-id.ts';
import type { Proven } from '../../sts/confirm.ts';
import { verifyProof } from '../../sts/dpop.ts';
import { inStage, OAuthRefusal } from '../../sts/errors.ts';
import { exchange } from '../../sts/exchange.ts';
import type { Subject } from '../../sts/held.ts';
import type { ExchangeRequest } from '../../sts/request.ts';
import { GRANTS, ISSUED_TYPES, type IssuedType, TOKEN_TYPES, tokenTypeOf } from '../../sts/token-type.ts';
import { engineOf } from './engine.ts';
import type { Form } from './form.ts';
import { during, headerOf, sendJson } from './http.ts';
import { recordIssue } from './record.ts';
import type { OauthRequest } from './request.ts';

/** What one grant says of who it is for, and of what it is for. */
type Grant = (request: OauthRequest) => Promise<Pick<ExchangeRequest, 'subject' | 'namedActor' | 'resources' | 'scope'>>;

const GRANT: Readonly<Record<string, Grant>> = {
  [GRANTS.token_exchange]: exchanged,
  [GRANTS.jwt_bearer]: asserted,
  [GRANTS.client_credentials]: async () => ({ subject: { kind: 'self' } }),
};

export async function issue(request: OauthRequest): Promise<FastifyReply> {
  const { control, client, form, reply } = request;
  const grant = grantOf(form);
  const proven = inStage('proof', () => provenBy(request));
  const said = await grant(request);
  const asked = askedIn(form);
  const { id, kind, run } = client.workload;
  if (kind !== 'agent' || run === undefined) throw new OAuthRefusal('unauthorized_client', 'CORDON-2005', 'only a run of an agent acts');
  const actor = { id, expiresAt: client.notAfter };
  const { response, issued } = inStage('exchange', () => exchange(engineOf(control), { ...asked, ...said, actor, proven }));
  recordIssue(control, client, issued);
  control.tokens.issued.note(issued, control.now());
  if (proven.jkt !== undefined) void reply.header('dpop-nonce', control.tokens.nonces.current());
  return sendJson(reply, response);
}

function grantOf(form: Form): Grant {
  const named = form.get('grant_type');
  if (named === undefined) throw missing('grant_type');
  const grant = Object.hasOwn(GRANT, named) ? GRANT[named] : undefined;
  if (grant !== undefined) return grant;
  throw new OAuthRefusal('unsupported_grant_type', 'CORDON-9011', 'no such grant', { expected: Object.keys(GRANT).join(', ') });
}

/** Seconds that a proof is accepted, and that the clock of the sender may be ahead. */
const PROOF_LIFE = 60;
const PROOF_SKEW = 5;

/** The keys that the sender has shown: of its connection, and of a proof (RFC 9449 §5). @throws Refusal CORDON-1013, CORDON-1016 */
function provenBy({ control, door, client, http }: OauthRequest): Proven {
  const { nonces, replays } = control.tokens;
  const certificate = client.certificate === undefined ? {} : { certificate: client.certificate };
  const proof = headerOf(http, 'dpop');
  if (proof === undefined) return certificate;
  const expected = { method: 'POST', url: `${door.url}/oauth2/token`, now: control.now(), life: PROOF_LIFE, skew: PROOF_SKEW, replays };
  return { ...certificate, jkt: verifyProof(proof, { ...expected, acceptsNonce: (nonce) => nonces.accepts(nonce) }) };
}

/** RFC 8693 §2.1: what is exchanged, and who is to act where that is said too. */
async function exchanged({ control, form }: OauthRequest): Promise<Pick<ExchangeRequest, 'subject' | 'namedActor'>> {
  const [token, type] = [form.get('subject_token'), form.get('subject_token_type')];
  if (token === undefined) throw missing('subject_token');
  if (type === undefined) throw missing('subject_token_type');
  const namedActor = namedActorIn(form, (actor) => control.tokens.svidOf(actor, control.identityUrl));
  const subject: Subject =
    type === TOKEN_TYPES.txn_token
      ? { kind: 'txn', token }
      : isOwn(token, control.identityUrl) && type !== TOKEN_TYPES.id_token
        ? { kind: 'task', token }
        : await control.tokens.users.read(token, type);
  return { subject, ...(namedActor === undefined ? {} : { namedActor }) };
}

/** Says it is ours: who reads it next verifies that. attacker-controlled */
const isOwn = (token: string, issuer: string): boolean => readJws(token).payload['iss'] === issuer;

function namedActorIn(form: Form, read: (token: string) => { readonly id: SpiffeId }): SpiffeId | undefined {
  const [token, type] = [form.get('actor_token'), form.get('actor_token_type')];
  if (token === undefined && type === undefined) return undefined;
  if (token === undefined) throw missing('actor_token');
  if (type !== TOKEN_TYPES.jwt) throw new Refusal('CORDON-9011', 'an actor shows a JWT-SVID', { expected: TOKEN_TYPES.jwt });
  return read(token).id;
}

/** RFC 7523 §2.1: an assertion of another domain about its user (ID-JAG). */
async function asserted({ control, client, form }: OauthRequest): Promise<Pick<ExchangeRequest, 'subject' | 'resources'>> {
  const assertion = form.get('assertion');
  if (assertion === undefined) throw missing('assertion');
  const { identityUrl: issuer, tokens } = control;
  const { subject, jag } = await during('assertion', () =>
    tokens.users.accept(assertion, { issuer, clientId: client.id, replays: tokens.replays }),
  );
  const [resource = jag.resource, ...more] = form.all('resource');
  const isWithin = jag.resource === undefined || resource === jag.resource || resource?.startsWith(`${jag.resource}/`) === true;
  if (!isWithin || more.length > 0) throw new OAuthRefusal('invalid_target', 'CORDON-2010', 'the assertion is for another resource');
  return { subject, ...(resource === undefined ? {} : { resources: [resource] }) };
}

type Asked = Omit<ExchangeRequest, 'subject' | 'actor' | 'proven' | 'namedActor'>;

/** What any grant may be asked for. */
function askedIn(form: Form): Asked {
  const [type, details, scope, call] = ['requested_token_type', 'authorization_details', 'scope', 'request_details'].map((name) =>
    form.get(name),
  );
  return {
    audiences: form.all('audience'),
    resources: form.all('resource'),
    bindCertificate: form.get('certificate_bound') === 'true',
    ...(type === undefined ? {} : { type: issuedTypeOf(type) }),
    ...(details === undefined ? {} : { details: inStage('details', () => parseMandate(jsonIn(details))) }),
    ...(scope === undefined ? {} : { scope }),
    ...(call === undefined ? {} : { call: objectIn(call) }),
  };
}

function issuedTypeOf(urn: string): IssuedType {
  const type = tokenTypeOf(urn);
  const issued = ISSUED_TYPES.find((known) => known === type);
  if (issued === undefined)
    throw new Refusal('CORDON-9011', 'no type of token that is issued here', { observed: `\`${urn.slice(0, 80)}\`` });
  return issued;
}

const BOUNDS = { maxBytes: 32_768, maxDepth: 16 };

const jsonIn = (text: string): Json => parseJson(Buffer.from(text), BOUNDS);

function objectIn(text: string): JsonObject {
  const json = jsonIn(text);
  if (isJsonObject(json)) return json;
  throw new Refusal('CORDON-9011', '`request_details` is no object');
}

const missing = (name: string): Refusal => new Refusal('CORDON-9011', `\`${name}\` is missing`);
