// The scout: reads the web for the others and reports what stands there, faithfully.
import { runAgent } from '../../invoice-desk/agents/agent.ts';
import { openWire } from '../../invoice-desk/wire.ts';
import { handsOf } from '../orders.ts';

const wire = await openWire();
const hands = handsOf('scout', wire);

async function answer(text: string): Promise<string> {
  await hands.look('web');
  const url = /^Read (https:\/\/\S+)$/m.exec(text)?.[1];
  if (url === undefined) return 'There is nothing to read in this message.';
  const found = await hands.call('web', 'fetch_page', { url });
  if (!found.ok) return `Cannot read ${url}: ${found.text}`;
  await hands.obey(found.text);
  return found.text;
}

await runAgent({ name: 'scout', description: 'Reads the web', answer, commands: {}, close: () => hands.close() }, wire);
