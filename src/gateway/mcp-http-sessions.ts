// Sessions that an MCP server over HTTP has with single callers (MCP 2025-11-25): begun for each, with what that caller can be asked.
// attacker-controlled: the answers
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { ChannelRequest } from './channel.ts';
import { agreedVersion, LEGACY } from './mcp-headers.ts';
import { type McpHttpOptions, postOf, readOutcome } from './mcp-post.ts';
import { mediaTypeOf, readEvents } from './reply-body.ts';
import { ignoreNotifications, type Begun, type SessionPort, type StreamListener } from './upstreams.ts';
import type { McpSession } from './mcp-words.ts';

const FRESH: McpSession = { era: 'legacy', id: undefined };
const SESSION_ID = /^[\x21-\x7e]{1,256}$/;

const headersOf = ({ credential }: McpHttpOptions, { id = '' }: McpSession, accept: string): Record<string, string> => ({
  accept,
  'mcp-protocol-version': LEGACY,
  'mcp-session-id': id,
  ...credential(),
});

/** Asks for the stream of a session, or for what a broken one had left to say (`Last-Event-ID`). */
export function takeUp(options: McpHttpOptions, session: McpSession, after: string | undefined, signal: AbortSignal): ChannelRequest {
  const headers = { ...headersOf(options, session, 'text/event-stream'), ...(after === undefined ? {} : { 'last-event-id': after }) };
  return { method: 'GET', path: options.path, headers, signal };
}

/** `nextId`: of our requests. */
export function createSessionPort(options: McpHttpOptions, nextId: () => number): SessionPort {
  const { channel, path, credential, bounds, client } = options;
  const post = async (session: McpSession, message: JsonObject, signal: AbortSignal): Promise<number> => {
    const reply = await channel.request(
      postOf({ path, session, message: { jsonrpc: '2.0', ...message }, credential: credential(), signal }),
    );
    await reply.body.dump();
    return reply.statusCode;
  };
  const begin = async (version: string, capabilities: JsonObject, signal: AbortSignal): Promise<Begun | undefined> => {
    const id = nextId();
    const params = { protocolVersion: version, capabilities, clientInfo: { ...client } };
    const message = { jsonrpc: '2.0' as const, id, method: 'initialize', params };
    const reply = await channel.request(postOf({ path, session: FRESH, message, credential: credential(), signal }));
    const given = reply.headers['mcp-session-id'];
    const streams = mediaTypeOf(reply) === 'text/event-stream';
    const outcome = await readOutcome(reply, { id, bounds, onNotification: ignoreNotifications, signal });
    if ('error' in outcome || typeof given !== 'string' || !SESSION_ID.test(given)) return undefined;
    if (agreedVersion(outcome.result['protocolVersion']) !== outcome.result['protocolVersion']) return undefined;
    const session: McpSession = { era: 'legacy', id: given, streams };
    await post(session, { method: 'notifications/initialized' }, signal);
    const { capabilities: offered } = outcome.result;
    return { session, capabilities: isJsonObject(offered) ? offered : {} };
  };
  return {
    async begin(version, capabilities, signal): Promise<Begun | undefined> {
      try {
        return await begin(version, capabilities, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        return undefined; // a server of 2026-07-28 alone refuses in ways of its own; one that is away is met with the first call
      }
    },
    async send(session, message, signal): Promise<void> {
      if ((await post(session, message, signal)) === 404) throw new Refusal('CORDON-3020', 'no such session');
    },
    async stream(session, { opened, onMessage, onId, after, signal }: StreamListener): Promise<number> {
      const reply = await channel.request(takeUp(options, session, after, signal));
      if (reply.statusCode !== 200 || mediaTypeOf(reply) !== 'text/event-stream') {
        await reply.body.dump();
        return reply.statusCode;
      }
      opened();
      for await (const { message, id } of readEvents(reply.body, bounds)) {
        if (message?.['method'] !== undefined) await onMessage(message, id);
        else if (id !== undefined) await onId(id); // also in place of an answer, which is no part of this stream
      }
      return 200;
    },
    async end(session, signal): Promise<void> {
      const reply = await channel.request({ method: 'DELETE', path, headers: headersOf(options, session, 'application/json'), signal });
      await reply.body.dump();
    },
  };
}
