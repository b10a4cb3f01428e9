// The mail server: `send_mail` puts a message into the outbox, which is a file. Nothing leaves the machine.
import { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { setting } from '../wire.ts';
import { runServer } from './host.ts';
import { appendAccess, appendMail } from './state.ts';

const stateDir = setting('DESK_STATE');

const MAIL = z.object({
  to: z.email().describe('One address'),
  subject: z.string().max(200),
  body: z.string().max(65_536),
});

function mail(by: string): McpServer {
  const server = new McpServer({ name: 'mail', version: '1.0.0' }, { capabilities: {} });
  server.registerTool('send_mail', { description: 'Send an e-mail', inputSchema: MAIL }, async (message) => {
    const at = new Date().toISOString();
    await appendAccess(stateDir, { server: 'mail', tool: 'send_mail', by, at });
    await appendMail(stateDir, { ...message, by, at });
    return { content: [{ type: 'text', text: `sent to ${message.to}` }] };
  });
  return server;
}

await runServer({ name: 'mail', server: mail });
