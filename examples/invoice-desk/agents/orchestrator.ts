// The orchestrator: takes every invoice of the inbox from the researcher to the clerk. Holds no tools of its own.
import { emit, oneLine } from '../events.ts';
import { converse } from '../converse.ts';
import { modelFor, type ToolSpec } from '../model.ts';
import type { Script } from '../models/scripted.ts';
import { a2aPeer } from '../peers/a2a.ts';
import type { Outcome } from '../peers/outcome.ts';
import { openWire } from '../wire.ts';
import { runAgent } from './agent.ts';
import { readCannot, readCase } from './case.ts';

const NAME = 'orchestrator';
const PEERS = ['researcher', 'clerk'] as const;
const SYSTEM = `You are the orchestrator of an invoice desk. Ask the researcher for the list of files in the inbox; then, for each file,
ask the researcher to read it (Read "<file>") and hand its whole answer to the clerk (Settle this invoice. <answer>).
Finish with one line: how many invoices were settled, of how many.`;

const MESSAGE = { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] };
const TOOLS: readonly ToolSpec[] = PEERS.map((peer) => ({
  name: `ask_${peer}`,
  description: `Send a message to the ${peer}`,
  parameters: MESSAGE,
}));

const script: Script = function* runDesk() {
  const listed = yield { name: 'ask_researcher', args: { message: 'List the files of the inbox.' } };
  const unlisted = listed.ok ? readCannot(listed.text) : listed.text;
  if (unlisted !== undefined) return `The inbox cannot be listed: ${unlisted}`;
  const files = listed.text.split('\n').filter((line) => line !== '');
  let settled = 0;
  for (const file of files) {
    const read = yield { name: 'ask_researcher', args: { message: `Read "${file}".` } };
    if (!read.ok || readCannot(read.text) !== undefined) continue;
    const answer = yield { name: 'ask_clerk', args: { message: `Settle this invoice.\n${read.text}` } };
    if (answer.ok && answer.text.startsWith('Settled')) settled++;
  }
  return files.length === 0 ? 'The inbox is empty.' : `${settled} of ${files.length} files settled.`;
};

const wire = await openWire();
const peers = { researcher: a2aPeer(() => wire.agent('researcher')), clerk: a2aPeer(() => wire.agent('clerk')) };
const model = modelFor(script);

async function ask(name: string, message: string, because: string): Promise<Outcome> {
  const peer = PEERS.find((one) => name === `ask_${one}`);
  if (peer === undefined) return { ok: false, text: `no tool named ${oneLine(name, 60)}` };
  const outcome = await peers[peer].ask(message);
  const { ok, code, decision } = outcome;
  const [file, invoice] = [
    readCase(message)?.file ?? /^Read "(.+)"/.exec(message)?.[1],
    (readCase(message) ?? readCase(outcome.text))?.fields.number,
  ];
  const cannot = ok ? readCannot(outcome.text) : undefined;
  const text = oneLine(cannot ?? (peer === 'researcher' && ok ? `${outcome.text.length} characters` : outcome.text));
  emit({
    at: NAME,
    event: 'call',
    tool: `a2a/${peer}`,
    args: { message: oneLine(message, 60) },
    because,
    file,
    invoice,
    ok,
    code,
    decision,
    text,
  });
  report(peer, { file, invoice, outcome, cannot });
  return outcome;
}

/** One line for each file: settled, or why not. */
function report(
  peer: string,
  said: { file: string | undefined; invoice: string | undefined; outcome: Outcome; cannot: string | undefined },
): void {
  const { file, invoice, outcome, cannot } = said;
  if (file === undefined || (peer === 'researcher' && outcome.ok && cannot === undefined)) return;
  const ok = peer === 'clerk' && outcome.ok && outcome.text.startsWith('Settled');
  emit({ at: NAME, event: 'invoice', file, invoice, ok, code: outcome.code, text: oneLine(cannot ?? outcome.text) });
}

const run = async (): Promise<void> => {
  const text = await converse(
    {
      model,
      system: SYSTEM,
      tools: TOOLS,
      run: ({ name, args }) => ask(name, typeof args['message'] === 'string' ? args['message'] : '', 'task'),
      onThought: (thought) => emit({ at: NAME, event: 'thought', text: oneLine(thought) }),
    },
    'Settle every invoice of the inbox.',
  );
  emit({ at: NAME, event: 'done', ok: true, text: oneLine(text) });
};

await runAgent(
  {
    name: NAME,
    description: 'Drives the invoice desk',
    answer: () => Promise.resolve('The orchestrator takes its orders from its operator.'),
    commands: {
      run: () => run().catch((error: unknown) => emit({ at: NAME, event: 'done', ok: false, text: oneLine(String(error)) })),
      probe: async () => {
        await ask('ask_researcher', 'List the files of the inbox.', 'probe');
      },
    },
    close: () => Promise.resolve(),
  },
  wire,
);
