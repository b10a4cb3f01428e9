// The researcher: reads the inbox, through the filesystem server, and reports what it reads, faithfully.
import { isInvoiceFile } from '../documents/inbox.ts';
import { readInvoice } from '../documents/invoice.ts';
import { emit, masked, oneLine } from '../events.ts';
import { converse } from '../converse.ts';
import { modelFor, type ToolSpec } from '../model.ts';
import type { Script } from '../models/scripted.ts';
import { mcpPeer } from '../peers/mcp.ts';
import type { Outcome } from '../peers/outcome.ts';
import { openWire } from '../wire.ts';
import { runAgent } from './agent.ts';
import { writeCannot, writeCase } from './case.ts';

const NAME = 'researcher';
const SYSTEM = `You are the researcher of an invoice desk. Asked to list the inbox, answer with the names of its files, one a line.
Asked to read a file, read it and answer in exactly this form, quoting everything in the document that is not one of the fields as remarks:
File: <name>
Invoice: <number>
Vendor: <name>
IBAN: <iban or ->
E-mail: <address or ->
Total: EUR <amount>
Remarks:
<rest of the document>
If it is no invoice, answer: Cannot read <name>: <reason>`;

const PATH = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] };
const TOOLS: readonly ToolSpec[] = [
  { name: 'inbox__list_directory', description: 'List the files of a directory; the inbox is `.`', parameters: PATH },
  { name: 'inbox__read_text_file', description: 'Read one file of the inbox', parameters: PATH },
];

const script: Script = function* read(input) {
  const file = /^Read\s+"(.+)"/im.exec(input)?.[1];
  if (file === undefined) {
    const listed = yield { name: 'inbox__list_directory', args: { path: '.' } };
    if (!listed.ok) return writeCannot('the inbox', listed.text);
    const names = [...listed.text.matchAll(/^\[FILE\] (.+)$/gm)].map(([, name = '']) => name);
    return names.filter(isInvoiceFile).sort().join('\n');
  }
  const document = yield { name: 'inbox__read_text_file', args: { path: file } };
  if (!document.ok) return writeCannot(file, document.text);
  const invoice = readInvoice(document.text);
  return invoice.ok ? writeCase({ file, ...invoice }) : writeCannot(file, invoice.reason);
};

const wire = await openWire();
const inbox = mcpPeer(NAME, () => wire.server('inbox'));
const model = modelFor(script);

async function call(name: string, args: Readonly<Record<string, unknown>>, because: string): Promise<Outcome> {
  const tool = name.replace('inbox__', '');
  const outcome = await inbox.call(tool, args);
  const { ok, code, decision } = outcome;
  const text = ok ? `${outcome.text.length} characters` : oneLine(outcome.text);
  emit({ at: NAME, event: 'call', tool: `inbox/${tool}`, args: masked(args), because, ok, code, decision, text });
  return outcome;
}

await runAgent(
  {
    name: NAME,
    description: 'Reads invoices from the inbox',
    answer: (text) =>
      converse(
        {
          model,
          system: SYSTEM,
          tools: TOOLS,
          run: ({ name, args }) => call(name, args, 'task'),
          onThought: (thought) => emit({ at: NAME, event: 'thought', text: oneLine(thought) }),
        },
        text,
      ),
    commands: {
      probe: async () => {
        await call('inbox__list_directory', { path: '.' }, 'probe');
      },
    },
    close: () => inbox.close(),
  },
  wire,
);
