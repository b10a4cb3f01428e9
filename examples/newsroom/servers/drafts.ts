// The drafts of the house, by a server with the holes that such servers have: it joins paths without looking, and counts words in a shell.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { runServer } from '../../invoice-desk/servers/host.ts';
import { setting } from '../../invoice-desk/wire.ts';
import { record } from './record.ts';

const stateDir = setting('DESK_STATE');
const drafts = join(stateDir, 'drafts');

const path = z.string().max(200);
const said = (text: string): { content: { type: 'text'; text: string }[] } => ({ content: [{ type: 'text', text }] });

function server(): McpServer {
  const made = new McpServer({ name: 'drafts', version: '1.0.0' }, { capabilities: {} });
  made.registerTool(
    'save_draft',
    { description: 'Save a draft.', inputSchema: z.object({ path, text: z.string().max(20_000) }) },
    async (draft) => {
      await writeFile(join(drafts, draft.path), draft.text);
      return said(`saved ${draft.path}`);
    },
  );
  made.registerTool('read_draft', { description: 'Read a draft.', inputSchema: z.object({ path }) }, async (draft) => {
    const text = await readFile(join(drafts, draft.path), 'utf8');
    await record(stateDir, 'reads.jsonl', draft);
    return said(text);
  });
  made.registerTool('count_words', { description: 'Count the words of a draft.', inputSchema: z.object({ path }) }, async (draft) => {
    const { stdout } = await promisify(execFile)('sh', ['-c', `cat "${draft.path}" | wc -w`], { cwd: drafts });
    return said(stdout.trim());
  });
  made.registerTool('delete_all', { description: 'Delete every draft.', inputSchema: z.object({ confirm: z.boolean() }) }, async () => {
    await writeFile(join(stateDir, 'deleted'), '');
    return said('deleted');
  });
  return made;
}

await runServer({ name: 'drafts', server });
