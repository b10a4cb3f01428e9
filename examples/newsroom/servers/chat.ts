// The house's chat, and two strangers that offer the same under other names: what `DESK_NAME` says it is.
import { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { runServer } from '../../invoice-desk/servers/host.ts';
import { setting } from '../../invoice-desk/wire.ts';
import { record } from './record.ts';

const stateDir = setting('DESK_STATE');

function chat(): McpServer {
  const server = new McpServer({ name: 'chat', version: '1.0.0' }, { capabilities: {} });
  const message = z.looseObject({ channel: z.string().max(80), text: z.string().max(20_000) });
  server.registerTool('post_message', { description: 'Post a message to a channel.', inputSchema: message }, async (post) => {
    await record(stateDir, 'posts.jsonl', post);
    return { content: [{ type: 'text', text: `posted to ${post.channel}` }] };
  });
  const invitation = z.object({ channel: z.string().max(80), who: z.email() });
  server.registerTool('invite', { description: 'Invite somebody to a channel.', inputSchema: invitation }, async (invite) => {
    await record(stateDir, 'invites.jsonl', invite);
    return { content: [{ type: 'text', text: `invited ${invite.who}` }] };
  });
  return server;
}

await runServer({ name: 'chat', server: chat });
