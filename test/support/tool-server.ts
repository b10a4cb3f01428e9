// A real MCP server of the official SDK, as a process of its own, with an effect that stays: `write` appends a line to a file.
// `slow` never ends by itself; it reports progress until it is aborted, and appends `aborted` then.
import { appendFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { McpServer, ResourceTemplate, createMcpHandler } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { connect } from '../../src/sdk/index.ts';

const [port = '0', effects = '', apiKey = ''] = process.argv.slice(2);
const text = (value: string): { content: { type: 'text'; text: string }[] } => ({ content: [{ type: 'text', text: value }] });

const mcp = createMcpHandler(() => {
  const server = new McpServer({ name: 'bench', version: '1' }, { capabilities: {} });
  server.registerTool('echo', { description: 'says it again', inputSchema: z.object({ text: z.string() }) }, ({ text: said }) =>
    text(said),
  );
  server.registerTool(
    'write',
    { description: 'appends a line', inputSchema: z.object({ line: z.string(), amount: z.int() }) },
    ({ line, amount }) => {
      appendFileSync(effects, `${line} ${amount}\n`);
      return text('written');
    },
  );
  server.registerTool('secret', { description: 'never permitted', inputSchema: z.object({}) }, () => text('secret'));
  server.registerTool('slow', { description: 'streams until aborted', inputSchema: z.object({}) }, async (_args, ctx) => {
    for (let progress = 0; !ctx.mcpReq.signal.aborted; progress++) {
      const progressToken = ctx.mcpReq._meta?.progressToken ?? 'none';
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress } });
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    appendFileSync(effects, 'aborted\n');
    return text('ended');
  });
  const resource = (name: string, uri: string): void => {
    server.registerResource(name, uri, { mimeType: 'text/plain' }, (at) => ({ contents: [{ uri: at.href, text: `what ${name} says` }] }));
  };
  resource('notice', 'bench://public/notice');
  resource('ledger', 'bench://private/ledger');
  const template = (name: string, uri: string): void => {
    const read = (at: URL): { contents: { uri: string; text: string }[] } => ({ contents: [{ uri: at.href, text: `of ${name}` }] });
    const complete = { day: (value: string): string[] => ['monday', 'tuesday'].filter((day) => day.startsWith(value)) };
    server.registerResource(name, new ResourceTemplate(uri, { list: undefined, complete }), {}, read);
  };
  template('news', 'bench://public/news/{day}');
  template('books', 'bench://private/books/{day}');
  for (const name of ['greet', 'order']) {
    server.registerPrompt(name, { argsSchema: z.object({ whom: z.string() }) }, ({ whom }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `${name} ${whom}` } }],
    }));
  }
  return server;
});

async function listener(req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.headers.authorization !== `Bearer ${apiKey}`) return void res.writeHead(401).end();
  const body = req.method === 'POST' ? (Readable.toWeb(req) as unknown as ReadableStream) : null;
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const headers = Object.fromEntries(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
  const request = new Request(`http://localhost${req.url ?? '/'}`, {
    method: req.method ?? 'GET',
    headers,
    body,
    duplex: 'half',
    signal: gone.signal,
  });
  const reply = await mcp.fetch(request);
  res.writeHead(reply.status, Object.fromEntries(reply.headers));
  if (reply.body === null) return void res.end();
  for await (const chunk of reply.body) res.write(chunk);
  res.end();
}

const cordon = await connect();
const served = await cordon.serve((req, res) => void listener(req, res).catch(() => res.destroy()), {
  host: '127.0.0.1',
  port: Number(port),
});
process.stdout.write(`${JSON.stringify({ ready: true, port: served.port, id: cordon.spiffeId })}\n`);
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
