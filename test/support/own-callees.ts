// Callees that live in the test itself, so that it sees what reaches them: an MCP server (2026-07-28) and an A2A agent, each with the
// SVID of a run of its own, on ports of the bed.
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { json } from 'node:stream/consumers';
import type { Bed, Svid } from './bed.ts';
import { joinRun, startRun, type RunSvid } from './join.ts';

interface Message {
  readonly id: number;
  readonly method: string;
  readonly params: { readonly name?: string; readonly _meta?: { readonly progressToken?: unknown } };
}

export interface OwnCallee extends AsyncDisposable {
  readonly svid: RunSvid;
  /** Headers of each call that reached it. */
  readonly calls: readonly IncomingHttpHeaders[];
}

type Answer = (message: Message, res: ServerResponse) => object | undefined;

async function serve(port: number, svid: RunSvid, isCall: (message: Message) => boolean, answer: Answer): Promise<OwnCallee> {
  const calls: IncomingHttpHeaders[] = [];
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const message = (await json(req)) as Message;
    if (isCall(message)) calls.push(req.headers);
    const result = answer(message, res);
    if (result === undefined) return;
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
  };
  const { cert, key, ca }: Svid = svid;
  const server = createServer({ cert, key, ca, requestCert: true }, (req, res) => void handle(req, res).catch(() => res.destroy()));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    svid,
    calls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const TEXT = { type: 'string' };
const TOOLS = [
  { name: 'echo', inputSchema: { type: 'object', properties: { text: TEXT }, required: ['text'] } },
  {
    name: 'write',
    inputSchema: { type: 'object', properties: { line: TEXT, amount: { type: 'integer' }, note: TEXT }, required: ['line', 'amount'] },
  },
  { name: 'tick', inputSchema: { type: 'object', properties: {} } },
];

/** Sends a message every 20 ms until it is cut. */
function tick(res: ServerResponse, progressToken: unknown): undefined {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => {
    res.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1 } })}\n\n`);
  }, 20);
  res.once('close', () => clearInterval(timer));
}

/** The resource `bench`. */
export async function openTools(bed: Bed): Promise<OwnCallee> {
  const svid = await joinRun(bed, await startRun(bed, 'resource', 'bench'));
  return serve(
    bed.ports.bench,
    svid,
    ({ method }) => method === 'tools/call',
    ({ method, params }, res) => {
      if (method === 'server/discover') return { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
      if (method === 'tools/list') return { resultType: 'complete', tools: TOOLS };
      if (params.name === 'tick') return tick(res, params._meta?.progressToken);
      return { resultType: 'complete', content: [{ type: 'text', text: 'done' }] };
    },
  );
}

/** The agent `callee`. */
export async function openAgent(bed: Bed): Promise<OwnCallee> {
  const svid = await joinRun(bed, await startRun(bed, 'agent', 'callee'));
  const message = { messageId: 'reply', role: 'ROLE_AGENT', parts: [{ text: 'done' }] };
  return serve(
    bed.ports.callee,
    svid,
    () => true,
    () => ({ message }),
  );
}
