// One POST to an MCP server over streamable HTTP and the answer with its id, from a JSON body or an event stream. Every request is made
// anew from the decided call; no header and no byte of the caller's request goes on. attacker-controlled: the answer
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { writeJson, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import { outcomeOf } from './json-rpc.ts';
import { LEGACY, META_CAPABILITIES, META_INFO, META_LOG_LEVEL, META_VERSION, MODERN, encodeHeader, namedIn } from './mcp-headers.ts';
import { mediaTypeOf, readEvents, readJsonReply, type SseEvent } from './reply-body.ts';
import type { ClientInfo, OnNotification, RpcOutcome, Via } from './upstreams.ts';
import { orAborted, within } from './waiting.ts';
import type { RpcId, McpSession } from './mcp-words.ts';

export interface McpHttpOptions {
  readonly channel: Channel;
  readonly path: string;
  /** Headers with the upstream's credential, injected here and seen by no agent. INVARIANT I8 */
  readonly credential: () => Readonly<Record<string, string>>;
  readonly bounds: JsonBounds;
  readonly client: ClientInfo;
  readonly takesTxnToken: boolean;
}

/** JSON-RPC 2.0 §4 */
export type RpcMessage = {
  readonly jsonrpc: '2.0';
  /** Absent in a notification. */
  readonly id?: RpcId;
  /** Absent in an answer. */
  readonly method?: string;
  readonly params?: JsonObject;
};

/** How long an answered stream may take to end. Milliseconds. */
const END_MS = 1_000;

export interface McpPost {
  readonly path: string;
  readonly session: McpSession;
  /** A request of ours, or a notification. */
  readonly message: RpcMessage;
  /** The upstream's credential; seen by no agent. INVARIANT I8 */
  readonly credential: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly txnToken?: string | undefined;
  /** `mcp-param-*` */
  readonly extra?: Readonly<Record<string, string>> | undefined;
}

/** The HTTP request that carries one message. */
export function postOf({ path, session, message, credential, signal, txnToken, extra }: McpPost): ChannelRequest {
  const modern = session.era === 'modern';
  const { method = '', params = {} } = message;
  const name = namedIn(method, params);
  return {
    method: 'POST',
    path,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(method === 'initialize' ? {} : { 'mcp-protocol-version': modern ? MODERN : LEGACY }),
      ...extra,
      ...(modern ? { 'mcp-method': method } : {}),
      ...(modern && name !== undefined ? { 'mcp-name': encodeHeader(name) } : {}),
      ...(session.id === undefined ? {} : { 'mcp-session-id': session.id }),
      ...(txnToken === undefined ? {} : { 'txn-token': txnToken }),
      ...credential,
    },
    body: writeJson(message),
    signal,
  };
}

/** The members of `_meta` that every request of 2026-07-28 carries. */
export const envelopeOf = (client: ClientInfo, { capabilities = {}, logLevel }: Via): JsonObject => ({
  [META_VERSION]: MODERN,
  [META_INFO]: { ...client },
  [META_CAPABILITIES]: capabilities,
  ...(logLevel === undefined ? {} : { [META_LOG_LEVEL]: logLevel }),
});

export interface Awaited {
  /** Of our request. */
  readonly id: number;
  readonly bounds: JsonBounds;
  readonly onNotification: OnNotification;
  /** Takes a stream up again that the server ended before its answer; absent where there is no session to do it in. */
  readonly resume?: ((after: string) => Promise<Dispatcher.ResponseData>) | undefined;
  readonly signal: AbortSignal;
}

/** How often one answer is asked for again, and how long a server may have that wait. Milliseconds. */
const MOST_RESUMED = 256;
const MOST_RETRY = 10_000;

/** Reads the answer to our request. @throws Refusal CORDON-9010 */
export async function readOutcome(reply: Dispatcher.ResponseData, awaited: Awaited): Promise<RpcOutcome> {
  const { id, bounds } = awaited;
  if (mediaTypeOf(reply) === 'application/json') return outcomeOf(await readJsonReply(reply.body, bounds), id, reply.statusCode);
  const so: Taken = { retryMs: 0 };
  for (let [next, round] = [reply, 0]; ; round++) {
    const answer = await answerFrom(next, awaited, so);
    if (answer !== undefined) return outcomeOf(answer, id, 200);
    const { after } = so;
    if (awaited.resume === undefined || after === undefined || round >= MOST_RESUMED)
      throw new Refusal('CORDON-9010', 'the MCP server ends its answer early');
    await orAborted(sleep(so.retryMs, undefined, { ref: false }), awaited.signal);
    next = await awaited.resume(after);
  }
}

/** How far a stream was read. */
interface Taken {
  after?: string;
  retryMs: number;
}

/** The answer, if it stands in this stream. */
async function answerFrom(reply: Dispatcher.ResponseData, awaited: Awaited, so: Taken): Promise<JsonObject | undefined> {
  if (mediaTypeOf(reply) !== 'text/event-stream' || reply.statusCode !== 200) {
    await reply.body.dump();
    throw new Refusal('CORDON-9010', 'the MCP server does not answer as MCP', { observed: `status ${reply.statusCode}` });
  }
  const events = readEvents(reply.body, awaited.bounds, (ms) => {
    so.retryMs = Math.min(ms, MOST_RETRY);
  });
  try {
    return await answerIn(events, awaited, so);
  } finally {
    void letEnd(events, reply);
  }
}

async function answerIn(events: AsyncGenerator<SseEvent>, { id, onNotification }: Awaited, so: Taken): Promise<JsonObject | undefined> {
  for (let next = await events.next(); next.done !== true; next = await events.next()) {
    const { message, id: eventId } = next.value;
    if (eventId !== undefined && EVENT_ID.test(eventId)) so.after = eventId;
    // a request of the server may have the number of ours
    if (message?.['method'] !== undefined) await onNotification(message);
    else if (message?.['id'] === id) return message;
  }
  return undefined;
}

/** What can stand in a header. */
export const EVENT_ID = /^[\x21-\x7e]{1,1024}$/;

/** A stream that ends after its answer leaves its connection to the next call; one that is left open is closed. Never rejects. */
async function letEnd(events: AsyncGenerator<SseEvent>, { body }: Dispatcher.ResponseData): Promise<void> {
  const ended = events.next().catch(() => undefined); // what is wrong with it now concerns nobody
  await within(END_MS, ended);
  body.destroy();
}
