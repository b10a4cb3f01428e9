// A session to measure: 100 reads that return 2 MB, each followed by a write. A fifth each of JSON, YAML records, pages of others, a file and a page that the task
// points at. Made from a seed; the words are English, with as many that orders are made of as ordinary prose has.
import type { Call, Output } from '../../src/trust/session.ts';

export interface Step {
  readonly call: Call;
  readonly output: Output;
}

const PROSE =
  'the report of this quarter shows that users asked for a simpler page and most of the orders were answered within two days while the team moved to the new office near the river and the budget for travel was kept at the level of last year with information on every project in the list below please read it before the meeting and tell us what is missing';
const WORDS = PROSE.split(' ');
const OUTPUT = 20_800;
export const READS = 100;

/** Numbers that look random and are the same each time. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function prose(next: (below: number) => number, length: number): string {
  let text = '';
  for (let words = 0; text.length < length; words += 1) {
    text += WORDS[next(WORDS.length)] ?? '';
    text += words % 14 === 13 ? `${next(1000)}. ` : words % 60 === 59 ? ` www.site-${next(500)}.example ` : ' ';
  }
  return text;
}

const KINDS: readonly ((next: (below: number) => number, at: number) => Step)[] = [
  (next, at) => ({
    call: { tool: 'list_orders', arguments: { page: at } },
    output: { text: JSON.stringify(Array.from({ length: 124 }, () => order(next))) },
  }),
  (next) => ({
    call: { tool: 'search_mails', arguments: { query: 'report' } },
    output: {
      text: Array.from({ length: 34 }, () => {
        const { id, customer } = order(next);
        return `- id: '${id}'\n  sender: ${customer}\n  subject: ${prose(next, 40)}\n  body: '${
          prose(next, 480)
            .match(/.{1,76}(?: |$)/g)
            ?.join('\n    ') ?? ''
        }'`;
      }).join('\n'),
    },
  }),
  (next, at) => ({
    call: { tool: 'open_page', arguments: { url: `www.site-${at}.example` } },
    output: { text: prose(next, OUTPUT) },
  }),
  (next) => ({ call: { tool: 'read_file', arguments: { path: 'notes.txt' } }, output: { text: prose(next, OUTPUT) } }),
  (next) => ({ call: { tool: 'open_page', arguments: { url: 'www.desk.example' } }, output: { text: prose(next, OUTPUT) } }),
];

const order = (next: (below: number) => number): Readonly<Record<string, string | number>> => ({
  id: `o-${next(1_000_000)}`,
  customer: `customer-${next(5000)}@shop-${next(50)}.example`,
  amount: next(100_000) / 100,
  status: 'paid',
  date: '2026-03-01',
  city: 'Zurich',
  note: prose(next, 40),
});

export function steps(seed: number): Step[] {
  const next = seeded(seed);
  return Array.from({ length: READS }, (_, at) => {
    const kind = KINDS[at % KINDS.length];
    if (kind === undefined) throw new Error('no kind of output');
    return kind(next, at);
  });
}

/** A write as one follows each read: to a customer of the task, to one of a record, or to one that nobody named. */
export const writeAfter = ({ output }: Step, at: number): Call => ({
  tool: 'send_mail',
  arguments: {
    recipients: [
      ['ann@desk.example', /customer-\d+@shop-\d+\.example/.exec(output.text ?? '')?.[0] ?? 'ann@desk.example', `eve-${at}@evil.example`][
        at % 3
      ],
    ],
    subject: 'the report',
    body: 'Here is what www.desk.example says of it. Kind regards',
  },
});
