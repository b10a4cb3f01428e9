// The tool server behind the gateway: it takes note of everything that reaches it, and can be told to answer the next call with any bytes.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../../src/domain/json.ts';
import type { Svid } from '../../test/support/bed.ts';

/** Writes an answer by hand, to the request with this id. */
export type ByHand = (socket: Socket, id: number) => void;

export interface Upstream extends AsyncDisposable {
  /** What reached it, beside what the gateway asks of its own accord. */
  readonly reached: readonly string[];
  /** Leaves out what reached it since it was so many: it was meant to. */
  forget(from: number): void;
  /** How the next call is answered. */
  next(answer: ByHand): void;
}

const TOOLS = [{ name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } }];
const BOUNDS = { maxBytes: 8_388_608, maxDepth: 200 };

/** What the gateway asks by itself. */
const OWN: Readonly<Record<string, object>> = {
  'server/discover': { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
  'tools/list': { resultType: 'complete', tools: TOOLS },
};

export async function openUpstream(port: number, { cert, key, ca }: Svid): Promise<Upstream> {
  const reached: string[] = [];
  const waiting: ByHand[] = [];
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const body = await text(req);
    const { id, method } = messageIn(body);
    const own = typeof method === 'string' ? OWN[method] : undefined;
    if (own !== undefined) return answer(res, id, own);
    reached.push(`${req.method ?? ''} ${req.url ?? ''} ${JSON.stringify(req.headers)} ${body}`);
    const byHand = waiting.shift();
    if (byHand !== undefined) return byHand(req.socket, Number(id));
    answer(res, id, { resultType: 'complete', content: [{ type: 'text', text: 'done' }] });
  };
  const server = createServer({ cert, key, ca, requestCert: true }, (req, res) => void handle(req, res).catch(() => res.destroy()));
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    reached,
    forget: (from) => void reached.splice(from),
    next: (byHand) => void waiting.push(byHand),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function messageIn(body: string): JsonObject {
  try {
    const json = parseJson(Buffer.from(body), BOUNDS);
    return isJsonObject(json) ? json : {};
  } catch {
    return {};
  }
}

function answer(res: ServerResponse, id: Json | undefined, result: object): void {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
}
