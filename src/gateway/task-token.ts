// Step 4: for whom a call is made, through whom, and within what. The token that says so is worth nothing in other hands: the caller of
// this connection is its actor, and where it is bound to a key, that key was shown. INVARIANT I5
// Standards: RFC 6750 §2.1, RFC 9449 §7.1, RFC 8705 §3, RFC 8707.
import { readCertificate } from '../crypto/certificate.ts';
import { Refusal } from '../domain/refusal.ts';
import { reaches } from '../pdp/segments.ts';
import { checkConfirmation, type Proven } from '../sts/confirm.ts';
import { verifyProof } from '../sts/dpop.ts';
import { actorOf, type TaskToken } from '../sts/task-token.ts';
import type { Call, TokenScheme } from './call.ts';
import type { Peer } from './connections.ts';
import type { Via } from './egress-inner.ts';
import { isForOutside, type Exchange } from './exchange.ts';
import type { Pep } from './pep.ts';

/**
 * The call with what its task token says; without a token as it is, where none is asked for.
 * @throws Refusal CORDON-1008, -1009, -1010, -1011, -1013, -1016; CORDON-9012 while no token can be verified
 */
export function withTask(pep: Pep, exchange: Exchange, peer: Peer, call: Call): Call {
  if (exchange.via !== undefined) return withTaskOf(exchange.via, call);
  const shown = credentialIn(exchange);
  if (shown === undefined) {
    if (needsToken(pep, call)) throw new Refusal('CORDON-1008', 'a call of this needs a task token');
    return call;
  }
  exchange.scheme = shown.scheme;
  const issuer = pep.snapshot()?.tokens;
  if (issuer === undefined) throw new Refusal('CORDON-9012', 'the gateway has no keys of the token service');
  const { token, delegation } = pep.tokens.read(shown.token, issuer, pep.now());
  checkActor(token, peer);
  checkAudience(pep, exchange, token);
  checkConfirmation(token.confirmation, provenBy(pep, exchange, shown, token));
  return { ...call, task: token, request: { ...call.request, delegation } };
}

/** What was shown for a tunnel holds for what is said in it. */
function withTaskOf({ task: { task, delegation } }: Via, call: Call): Call {
  if (task === undefined || delegation === undefined) return call;
  return { ...call, task, request: { ...call.request, delegation } };
}

interface Shown {
  readonly scheme: TokenScheme;
  readonly token: string;
}

const CREDENTIAL = /^(Bearer|DPoP) +([\w.~+/=-]+)$/i;

/** The one `Authorization` header: that it came once was checked before. attacker-controlled */
function credentialIn(exchange: Exchange): Shown | undefined {
  const { headers } = exchange.req;
  // what is meant for a host outside is not ours (RFC 9110 §11.7.2)
  const authorization = isForOutside(exchange) ? headers['proxy-authorization'] : headers.authorization;
  if (authorization === undefined) return undefined;
  const [, scheme, token] = CREDENTIAL.exec(authorization) ?? [];
  if (scheme === undefined || token === undefined) {
    throw new Refusal('CORDON-1009', '`authorization` holds no task token', { expected: '`Bearer` or `DPoP`, and a token' });
  }
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', token };
}

/** INVARIANT I9: of what the caller may not know nothing is asked; to it that does not exist. */
function needsToken(pep: Pep, { request, plan }: Call): boolean {
  const world = pep.snapshot()?.world;
  if (world === undefined || !reaches(world, request)) return false;
  const callee =
    'server' in plan ? world.resources.find(({ name }) => name === plan.server) : world.agents.find(({ name }) => name === plan.agent);
  return callee?.token === 'required';
}

function checkActor(token: TaskToken, { svid: { workload } }: Peer): void {
  const actor = actorOf(token);
  if (actor === workload.id) return;
  throw new Refusal('CORDON-1013', 'the task token was issued to another', {
    observed: `\`${token.jti}\` of ${actor}`,
    expected: workload.id,
  });
}

/** The gateway, or exactly the route that is called. */
function checkAudience(pep: Pep, { action, resource }: Exchange, { audience }: TaskToken): void {
  const route = `${pep.publicUrl}/${action}/${resource}`;
  if (audience === pep.publicUrl || audience === route) return;
  throw new Refusal('CORDON-1011', 'the task token is for another resource', { observed: audience.slice(0, 120), expected: route });
}

/** Seconds that a proof is accepted, and that the clock of the sender may be ahead. */
const PROOF = { life: 60, skew: 5 };

/** The keys that the sender has shown. @throws Refusal CORDON-1009, CORDON-1013, CORDON-1016 */
function provenBy(pep: Pep, exchange: Exchange, { scheme, token: accessToken }: Shown, { confirmation }: TaskToken): Proven {
  const { req } = exchange;
  const isOfProof = confirmation !== undefined && 'jkt' in confirmation;
  if (scheme === 'DPoP' && !isOfProof) throw new Refusal('CORDON-1009', 'the task token is bound to no key of a DPoP proof');
  if (confirmation === undefined) return {};
  if (!isOfProof) return certificateOf(exchange);
  const proof = req.headers['dpop'];
  if (scheme !== 'DPoP' || typeof proof !== 'string') throw new Refusal('CORDON-1013', 'the task token needs a DPoP proof');
  const { method = '', url = '' } = req;
  const [path = ''] = url.split('?', 1); // RFC 9449 §4.2: `htu` is without the query
  const expected = {
    method,
    url: `${exchange.origin ?? pep.publicUrl}${path}`,
    now: pep.now(),
    ...PROOF,
    replays: noting(pep, exchange),
    accessToken,
  };
  return { jkt: verifyProof(proof, expected) };
}

/** What is used up here is used up for all that share the counts, before anything is decided. */
const noting = ({ replays }: Pep, exchange: Exchange): Pep['replays'] => ({
  use(key, id, until, now): void {
    replays.use(key, id, until, now);
    exchange.proof = { name: `${key} ${id}`, until };
  },
});

/** `x5t#S256` of the caller's certificate. */
function certificateOf(exchange: Exchange): Proven {
  const leaf = exchange.leaf();
  if (leaf === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  return { certificate: Buffer.from(readCertificate(leaf).fingerprint, 'hex').toString('base64url') };
}
