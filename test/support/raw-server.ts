// An MCP server (2026-07-28) written by hand, so that it does what a server of the SDK does not: tools with any definition, a call that
// is never answered, a stream as fast as its reader. `write` appends a line to the file of effects, as the official one does.
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '../../src/sdk/index.ts';

interface Asked {
  readonly id: number;
  readonly params: {
    readonly name: string;
    readonly arguments: Record<string, unknown>;
    readonly _meta?: { readonly progressToken?: unknown };
  };
}

const [port = '0', effects = '', definitions = '[]'] = process.argv.slice(2);
const reached = `${effects}.reached`;

const answer = (res: ServerResponse, id: number, result: object): void => {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...result } }));
};
const text = (said: string): object => ({ content: [{ type: 'text', text: said }] });

/** Progress messages of `bytes` each, the next one when the reader took the last; how many were sent so far stands in a file. */
async function flood(res: ServerResponse, { id, params }: Asked): Promise<void> {
  const events = Number(params.arguments['events']);
  const message = 'x'.repeat(Number(params.arguments['bytes']));
  const progressToken = params._meta?.progressToken;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let progress = 1; progress <= events; progress++) {
    const event = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress, message } };
    if (!res.write(`data: ${JSON.stringify(event)}\n\n`)) await once(res, 'drain');
    writeFileSync(reached, String(progress));
  }
  res.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...text('flooded') } })}\n\n`);
}

/** A message every 20 ms, until the call is cut; then `aborted` is appended. */
async function tick(res: ServerResponse, { params }: Asked): Promise<void> {
  const progressToken = params._meta?.progressToken;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let progress = 1; !res.closed; progress++) {
    res.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress } })}\n\n`);
    await pause(20);
  }
  appendFileSync(effects, 'aborted\n');
}

const TOOLS: Readonly<Record<string, (res: ServerResponse, asked: Asked) => unknown>> = {
  write: (res, { id, params }) => {
    appendFileSync(effects, `${String(params.arguments['line'])} ${String(params.arguments['amount'])}\n`);
    answer(res, id, text('written'));
  },
  hold: (_res, { params }) => appendFileSync(effects, `holding ${String(params.arguments['line'])}\n`),
  flood,
  tick,
};

async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const message = (await json(req)) as Asked & { readonly method: string };
  if (message.method === 'server/discover') answer(res, message.id, { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } });
  else if (message.method === 'tools/list') answer(res, message.id, { tools: JSON.parse(definitions) as object[] });
  else await TOOLS[message.params.name]?.(res, message);
}

const cordon = await connect();
const served = await cordon.serve((req, res) => void handle(req, res).catch(() => res.destroy()), {
  host: '127.0.0.1',
  port: Number(port),
});
process.stdout.write(`${JSON.stringify({ ready: true, port: served.port })}\n`);
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
