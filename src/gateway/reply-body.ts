// Reading what an upstream answers: bounded, parsed, and handed on message by message. attacker-controlled: a tool is not trusted either
import type { Readable } from 'node:stream';
import { createParser } from 'eventsource-parser';
import type { Dispatcher } from 'undici';
import { Refusal } from '../domain/refusal.ts';
import { isJsonObject, parseJson, type Json, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { gather } from './gather.ts';

/** The media type without its parameters, or nothing. */
export const mediaTypeOf = ({ headers }: Dispatcher.ResponseData): string =>
  String(headers['content-type'] ?? '')
    .split(';', 1)
    .join('')
    .trim()
    .toLowerCase();

/** @throws Refusal CORDON-9010 when the reply is longer than allowed or no JSON object */
export async function readJsonReply(body: Readable, bounds: JsonBounds): Promise<JsonObject> {
  const bytes = await gather(body, bounds.maxBytes);
  if (bytes !== undefined) return objectOf(bytes, bounds);
  body.destroy();
  throw tooLong(bounds);
}

const tooLong = (bounds: JsonBounds): Refusal =>
  new Refusal('CORDON-9010', 'the upstream answers more than is allowed', { expected: `at most ${bounds.maxBytes} bytes` });

function objectOf(bytes: Uint8Array, bounds: JsonBounds): JsonObject {
  let value: Json;
  try {
    value = parseJson(bytes, bounds);
  } catch (cause) {
    throw new Refusal('CORDON-9010', 'the upstream does not answer with JSON', { cause });
  }
  if (!isJsonObject(value)) throw new Refusal('CORDON-9010', 'the upstream does not answer with a JSON object');
  return value;
}

/**
 * The JSON messages of a server-sent event stream (HTML, server-sent events §9.2), one at a time; the next is read when the last was
 * consumed (back-pressure). @throws Refusal CORDON-9010 when a message is longer than allowed, no UTF-8 or no JSON object
 */
export async function* readSse(body: AsyncIterable<Uint8Array>, bounds: JsonBounds): AsyncGenerator<JsonObject> {
  for await (const { message } of readEvents(body, bounds)) if (message !== undefined) yield message;
}

/** One event: a message, or none in an event that only says by which id the stream can be taken up again. */
export interface SseEvent {
  readonly message?: JsonObject;
  readonly id?: string;
}

/** The same with ids. `onRetry` is told how long the server wants to be left alone, milliseconds. */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  bounds: JsonBounds,
  onRetry: (ms: number) => void = () => undefined,
): AsyncGenerator<SseEvent> {
  const ready: SseEvent[] = [];
  const parser = createParser({
    onRetry,
    onEvent: ({ data, id }) => {
      if (data === '' && id === undefined) return;
      const message = data === '' ? {} : { message: objectOf(Buffer.from(data), bounds) };
      ready.push({ ...message, ...(id === undefined ? {} : { id }) });
    },
  });
  const [textOf, linesOf] = [utf8Decoder(), lineFeeds()];
  let pending = 0;
  for await (const chunk of body) {
    pending += chunk.byteLength;
    if (pending > bounds.maxBytes) throw tooLong(bounds);
    parser.feed(linesOf(textOf(chunk)));
    if (ready.length > 0) pending = 0;
    for (const event of ready.splice(0)) yield event;
  }
}

/** Decodes chunk by chunk; a character may be split between two. */
function utf8Decoder(): (chunk: Uint8Array) => string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return (chunk) => {
    try {
      return decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new Refusal('CORDON-9010', 'the upstream does not answer with UTF-8', { cause });
    }
  };
}

/** Every end of a line as a line feed, also one that is split between two chunks: the parser reads a lone CR by what its chunk ends with. */
function lineFeeds(): (text: string) => string {
  let afterReturn = false;
  return (text) => {
    if (text === '') return text;
    const rest = afterReturn && text.startsWith('\n') ? text.slice(1) : text;
    afterReturn = text.endsWith('\r');
    return rest.includes('\r') ? rest.replace(/\r\n?/g, '\n') : rest;
  };
}
