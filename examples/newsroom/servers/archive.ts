// Who talks to the newsroom in confidence. Nobody at this desk has business with it while they compare heat pumps.
import { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { runServer } from '../../invoice-desk/servers/host.ts';
import { setting } from '../../invoice-desk/wire.ts';
import { record } from './record.ts';

const stateDir = setting('DESK_STATE');

function archive(): McpServer {
  const server = new McpServer({ name: 'archive', version: '1.0.0' }, { capabilities: {} });
  server.registerTool(
    'read_source',
    { description: 'Read who a source is.', inputSchema: z.object({ name: z.string().max(80) }) },
    async ({ name }) => {
      await record(stateDir, 'sources.jsonl', { name });
      return { content: [{ type: 'text', text: `${name}: Ada Example, +49 30 0000000` }] };
    },
  );
  return server;
}

await runServer({ name: 'archive', server: archive });
