// A call whose answer is read as it comes: for streams that are left open, cut, aborted, or not read at all.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { toolCall, type Svid } from './bed.ts';

export interface CallStream {
  readonly response: IncomingMessage;
  /** Goes away without a word, as a crashed caller does. */
  abort(): void;
}

/** Calls a tool and asks for its progress; resolves when the head of the answer is there. Nothing is read before the caller reads. */
export async function streamCall(
  port: number,
  svid: Svid,
  tool: string,
  args: object,
  server?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<CallStream> {
  const { path, headers, body } = toolCall(tool, args, server);
  const text = String(body).replace('"_meta":{', '"_meta":{"progressToken":1,');
  const { cert, key, ca } = svid;
  const req = request({
    host: '127.0.0.1',
    port,
    path,
    method: 'POST',
    cert,
    key,
    ca,
    agent: false,
    servername: '',
    checkServerIdentity: () => undefined,
    headers: { ...headers, ...more, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
  });
  req.end(text);
  const [response] = (await once(req, 'response')) as [IncomingMessage];
  req.on('error', () => undefined);
  response.on('error', () => undefined);
  return { response, abort: () => req.destroy() };
}

/** The messages of an event stream, one after the other. Throws when the stream is cut. */
export async function* messagesOf({ response }: CallStream): AsyncGenerator<Record<string, unknown>> {
  let rest = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) yield JSON.parse(event.slice(event.indexOf('data: ') + 'data: '.length)) as Record<string, unknown>;
  }
}
