// One POST to an MCP server over streamable HTTP and the answer with its id, from a JSON body or an event stream. Every request is made
// anew from the decided call; no header and no byte of the caller's request goes on. attacker-controlled: the answer
import type { Dispatcher } from 'undici';
import { writeJson, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import { outcomeOf } from './json-rpc.ts';
import { LEGACY, META_CAPABILITIES, META_INFO, META_LOG_LEVEL, META_VERSION, MODERN, encodeHeader, namedIn } from './mcp-headers.ts';
import { mediaTypeOf, readJsonReply, readSse } from './reply-body.ts';
import type { ClientInfo, OnNotification, RpcOutcome, Via } from './upstreams.ts';
import { within } from './waiting.ts';
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
}

/** Reads the answer to our request. @throws Refusal CORDON-9010 */
export async function readOutcome(reply: Dispatcher.ResponseData, { id, bounds, onNotification }: Awaited): Promise<RpcOutcome> {
  const type = mediaTypeOf(reply);
  if (type === 'application/json') return outcomeOf(await readJsonReply(reply.body, bounds), id, reply.statusCode);
  if (type !== 'text/event-stream' || reply.statusCode !== 200) {
    await reply.body.dump();
    throw new Refusal('CORDON-9010', 'the MCP server does not answer as MCP', { observed: `status ${reply.statusCode}` });
  }
  const messages = readSse(reply.body, bounds);
  try {
    return outcomeOf(await answerIn(messages, id, onNotification), id, 200);
  } finally {
    void letEnd(messages, reply);
  }
}

async function answerIn(messages: AsyncGenerator<JsonObject>, id: number, onNotification: OnNotification): Promise<JsonObject> {
  for (let next = await messages.next(); next.done !== true; next = await messages.next()) {
    const message = next.value;
    // a request of the server may have the number of ours
    if (message['method'] !== undefined) await onNotification(message);
    else if (message['id'] === id) return message;
  }
  throw new Refusal('CORDON-9010', 'the MCP server ends its answer early');
}

/** A stream that ends after its answer leaves its connection to the next call; one that is left open is closed. Never rejects. */
async function letEnd(messages: AsyncGenerator<JsonObject>, { body }: Dispatcher.ResponseData): Promise<void> {
  const ended = messages.next().catch(() => undefined); // what is wrong with it now concerns nobody
  await within(END_MS, ended);
  body.destroy();
}
