// The editor: has a page read and its facts published. One command for each page that a test wants read.
import { runAgent } from '../../invoice-desk/agents/agent.ts';
import { emit, oneLine, type Commands } from '../../invoice-desk/events.ts';
import { a2aPeer } from '../../invoice-desk/peers/a2a.ts';
import { openWire } from '../../invoice-desk/wire.ts';
import { FAMILIES } from '../families.ts';

const wire = await openWire();
const [scout, publisher] = [a2aPeer(() => wire.agent('scout')), a2aPeer(() => wire.agent('publisher'))];

async function publish(id: string): Promise<void> {
  const read = await scout.ask(`Read https://trade.example/${id}`);
  const done = read.ok ? await publisher.ask(`Post to #newsroom:\n${read.text}`) : read;
  emit({
    at: 'editor',
    event: 'done',
    file: id,
    ok: done.ok && done.text.startsWith('Published'),
    code: done.code,
    text: oneLine(done.text),
  });
}

const commands: Commands = Object.fromEntries(['clean', ...FAMILIES.map(({ id }) => id)].map((id) => [id, () => publish(id)]));
const answer = (): Promise<string> => Promise.resolve('The editor takes its orders from its operator.');

await runAgent({ name: 'editor', description: 'Drives the newsroom', answer, commands, close: () => Promise.resolve() }, wire);
