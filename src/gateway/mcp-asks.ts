// What a server asks of a caller: sampling, elicitation, roots. In 2025-11-25 they are requests in the middle of a call; in 2026-07-28 they
// stand in a result that says `input_required`, and the caller calls again with the answers. Each is an action of the caller on that server,
// which policy permits or not. What the server gives the caller to keep comes back only from that caller, for that very call.
// attacker-controlled, both ways. INVARIANTS I2, I4, I5
import { sha256Hex } from '../crypto/hash.ts';
import type { Sealer } from '../crypto/seal.ts';
import { isJsonObject, parseJson, writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { decide } from '../pdp/decide.ts';
import type { Call } from './call.ts';
import { MAX_STATE, MOST_ASKED, type Answers } from './mcp-answers.ts';
import { permitPart } from './judge.ts';
import type { Pep } from './pep.ts';

/** Methods, and the capability by which a caller says that it can answer. */
export const ASKS = { 'sampling/createMessage': 'sampling', 'elicitation/create': 'elicitation', 'roots/list': 'roots' } as const;
export type Ask = keyof typeof ASKS;

const METHODS: readonly Ask[] = ['sampling/createMessage', 'elicitation/create', 'roots/list'];
export const askOf = (method: unknown): Ask | undefined => METHODS.find((known) => known === method);

const requestFor = ({ request }: Call, server: string, ask: Ask): Call['request'] => ({
  ...request,
  action: { name: ask },
  resource: { type: 'mcp_server', id: server },
  context: {},
});

/** Decides and records it. @throws Refusal what the decision says, when it is no */
export const permitAsk = (pep: Pep, call: Call, server: string, ask: Ask): Promise<void> =>
  permitPart(pep, call, requestFor(call, server, ask), 'callee');

/** Of what the caller can be asked, that which policy lets the server ask: what it hears of the caller's capabilities. */
export function askable(pep: Pep, call: Call, server: string, capabilities: JsonObject): JsonObject {
  const may = (ask: Ask): boolean =>
    isJsonObject(capabilities[ASKS[ask]]) &&
    decide(pep.snapshot(), { request: requestFor(call, server, ask) }, pep.now(), pep.settings).decision.verdict === 'allow';
  return Object.fromEntries(METHODS.filter(may).map((ask) => [ASKS[ask], capabilities[ASKS[ask]] ?? {}]));
}

/** How long answers may take. Milliseconds. */
const STATE_LIFE = 15 * 60_000;
const BOUNDS = { maxBytes: 2 * MAX_STATE, maxDepth: 4 };

/** The result as the caller gets it: what is asked was permitted, what it keeps is sealed. @throws Refusal */
export async function requiring(pep: Pep, call: Call, server: string, result: JsonObject): Promise<JsonObject> {
  const { inputRequests = {}, requestState, _meta: meta } = result;
  if (!isJsonObject(inputRequests) || Object.keys(inputRequests).length > MOST_ASKED) throw malformed('`inputRequests`');
  for (const ask of new Set(Object.values(inputRequests).map(askIn))) await permitAsk(pep, call, server, ask);
  if (requestState !== undefined && (typeof requestState !== 'string' || requestState.length > MAX_STATE))
    throw malformed('`requestState`');
  return {
    resultType: 'input_required',
    inputRequests,
    ...(requestState === undefined ? {} : { requestState: sealState(pep.stateSealer, bindingOf(call), requestState, pep.now()) }),
    ...(meta === undefined ? {} : { _meta: meta }),
  };
}

function askIn(asked: JsonObject[string]): Ask {
  const ask = isJsonObject(asked) ? askOf(asked['method']) : undefined;
  if (ask === undefined) throw malformed('what it asks');
  return ask;
}

const malformed = (observed: string): Refusal => new Refusal('CORDON-9010', 'the MCP server asks in a way that does not fit', { observed });

/** The same for the same caller, user and call. */
function bindingOf({ request: { subject, delegation, action, resource, context } }: Call): string {
  const { user } = delegation ?? {};
  const parts = [subject.id, user?.issuer ?? null, user?.id ?? null, action.name, resource.id, context.input ?? null];
  return sha256Hex(writeJson(parts));
}

const nameOf = (binding: string): string => `mcp/state/${binding}`;

const sealState = (sealer: Sealer, binding: string, state: string, now: number): string =>
  Buffer.from(sealer.seal(nameOf(binding), Buffer.from(writeJson([state, now + STATE_LIFE])))).toString('base64url');

/** The members that go to the server with a call that is made again. @throws Refusal CORDON-9011 for a state that was not handed out for it */
export function onward(pep: Pep, call: Call, { inputResponses, requestState }: Answers): JsonObject {
  if (requestState === undefined) return { inputResponses };
  return { inputResponses, requestState: openState(pep, bindingOf(call), requestState) };
}

function openState({ stateSealer, now }: Pep, binding: string, sealed: string): string {
  let kept: readonly unknown[] = [];
  try {
    const json = parseJson(stateSealer.open(nameOf(binding), Buffer.from(sealed, 'base64url')), BOUNDS);
    if (Array.isArray(json)) kept = json;
  } catch {
    // one message for every cause: whoever changes a state learns nothing from it
  }
  const [state, until] = kept;
  if (typeof state === 'string' && typeof until === 'number' && now() < until) return state;
  throw new Refusal('CORDON-9011', 'the `requestState` was not handed out for this call');
}
