// Step 3 for a push notification (A2A 1.0 §4.3.3): an agent delivers what its caller's webhook is to hear. The agent's word is the body
// alone; where it goes, for whom and with which secrets is what the gateway sealed in the address. INVARIANTS I2, I4, I5, I9, I10
// attacker-controlled: the body, and who holds the address
import { isJsonObject, parseJson, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { reaches } from '../pdp/segments.ts';
import { revokedIn } from '../pdp/liveness.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import type { A2aIds } from './a2a-ids.ts';
import { responseShown } from './a2a-outward.ts';
import { openPush, type PushReference } from './a2a-push-address.ts';
import { readWebhook, type WebhookTarget } from './a2a-push-params.ts';
import { jsonTypeOf } from './a2a-rest.ts';
import { readBody } from './body.ts';
import type { Call } from './call.ts';
import type { Peer } from './connections.ts';
import { requestTo } from './egress-decode.ts';
import type { Outside } from './egress-table.ts';
import type { Exchange } from './exchange.ts';
import type { Pep } from './pep.ts';

interface PushRoute {
  readonly name: string;
  readonly sealed: string;
}

/** @throws Refusal CORDON-3003 an address that is none of this agent's, CORDON-1010, -2007 one that has ended, CORDON-3008, -9011 */
export async function decodePush(pep: Pep, exchange: Exchange, peer: Peer, { name, sealed }: PushRoute): Promise<Call> {
  const { req } = exchange;
  exchange.action = 'egress/push';
  if (req.method !== 'POST') throw new Refusal('CORDON-3008', 'HTTP method not accepted here', { expected: 'POST' });
  const reference = name === peer.agent ? openPush(pep.stateSealer, sealed) : undefined;
  if (reference?.agent !== peer.agent) throw new Refusal('CORDON-3003', 'no such path'); // whoever learnt the address learns nothing by it
  checkAlive(pep.snapshot(), reference, pep.now());
  const webhook = readWebhook(reference.url);
  const outside = webhookHost(pep, reference.caller.id, webhook);
  if (outside === undefined) throw new Refusal('CORDON-3003', 'the host is not registered any more');
  exchange.resource = outside.name;
  const contentType = jsonTypeOf(req);
  const { maxBodyBytes: maxBytes, maxDepth } = pep.settings;
  const bytes = await readBody(req, maxBytes);
  const { agent, caller, delegation } = reference;
  const ids = pep.a2aIds({ subject: caller, resource: { id: agent }, ...(delegation === undefined ? {} : { delegation }) });
  const body = writeJson(notificationFor(ids, reference.about, parseJson(bytes, { maxBytes, maxDepth })));
  const { to, scheme, path, query } = webhook;
  const input = {
    caller: caller.id,
    host: to.host,
    port: to.port,
    scheme,
    path,
    ...(query === '' ? {} : { query }),
    body_bytes: Buffer.byteLength(body),
  };
  return {
    request: requestTo(peer, outside.name, 'egress/push', input),
    plan: { kind: 'a2a/push', server: outside.name, reference, webhook, contentType, body },
  };
}

/** The registered host of a webhook, where the caller's own segment leads there: what it may not know does not exist. INVARIANT I9 */
export function webhookHost(pep: Pep, caller: string, { to }: WebhookTarget): Outside | undefined {
  const outside = pep.upstreams.outside(to);
  const world = pep.snapshot()?.world;
  if (outside === undefined || world === undefined) return undefined;
  return reaches(world, { subject: { id: caller }, resource: { type: 'egress', id: outside.name } }) ? outside : undefined;
}

/**
 * A webhook ends with the task token that it was asked for with, with its caller's run when that is revoked, and while its caller is off. That
 * the run has ended is what webhooks are for. @throws Refusal CORDON-1010, -2007, -4004, -9012
 */
function checkAlive(snapshot: Snapshot | undefined, { caller, delegation, until }: PushReference, now: number): void {
  if (snapshot === undefined) throw new Refusal('CORDON-9012', 'the gateway has no policies yet');
  if (now >= until) throw new Refusal('CORDON-1010', 'the webhook has expired');
  const { revoked, world } = snapshot;
  const dead = delegation === undefined ? undefined : revokedIn(snapshot, delegation);
  if (dead !== undefined) throw new Refusal('CORDON-2007', dead);
  if (caller.run !== undefined && revoked.runs.has(caller.run)) throw new Refusal('CORDON-2007', 'the run that asked for it was revoked');
  if (world.levels.get(caller.id) === 'off') throw new Refusal('CORDON-4004', 'the agent that asked for it is off');
}

const PAYLOADS = ['task', 'message', 'statusUpdate', 'artifactUpdate'];

/** A `StreamResponse` about this task, or in this context, in the ids of the caller. @throws Refusal CORDON-9011 */
function notificationFor(ids: A2aIds, { kind, id }: PushReference['about'], body: Json): JsonObject {
  const [payload, ...more] = isJsonObject(body) ? Object.keys(body) : [];
  const said = isJsonObject(body) && payload !== undefined && PAYLOADS.includes(payload) ? body[payload] : undefined;
  if (!isJsonObject(body) || !isJsonObject(said) || more.length > 0) {
    throw new Refusal('CORDON-9011', 'a notification is one of the payloads of a stream', { expected: PAYLOADS.join(', ') });
  }
  const member = kind === 'context' ? 'contextId' : payload === 'task' ? 'id' : 'taskId';
  if (said[member] !== id) throw new Refusal('CORDON-9011', `the notification is about another ${kind}`);
  return responseShown(ids, body);
}
