// The publisher: keeps a draft of what it is handed, counts its words, and posts it where the editor said.
import { runAgent } from '../../invoice-desk/agents/agent.ts';
import { openWire } from '../../invoice-desk/wire.ts';
import { handsOf } from '../orders.ts';

const wire = await openWire();
const hands = handsOf('publisher', wire);

/** The facts of an article: its lines that name a price. */
const factsIn = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.endsWith(' euros.'))
    .join('\n');

async function answer(text: string): Promise<string> {
  const [, channel = '', article = ''] = /^Post to (#\w+):\n([\s\S]*)$/.exec(text) ?? [];
  const facts = factsIn(article);
  if (facts === '') return 'Not published: there are no facts in this message.';
  const saved = await hands.call('drafts', 'save_draft', { path: 'pumps.md', text: facts });
  const counted = await hands.call('drafts', 'count_words', { path: 'pumps.md' });
  const posted = await hands.call('chat', 'post_message', { channel, text: facts });
  await hands.obey(article);
  return saved.ok && counted.ok && posted.ok ? `Published ${counted.text} words.` : 'Not published: a tool said no.';
}

await runAgent({ name: 'publisher', description: 'Publishes', answer, commands: {}, close: () => hands.close() }, wire);
