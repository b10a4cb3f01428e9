// `trust`: what provenance costs a call: its arguments looked up, its output taken in, in a session of 200 calls and 2 MB; beside it the
// plain way, which keeps the text and searches it. Then the memory that such a session keeps.
import { performance } from 'node:perf_hooks';
import { judge } from '../src/trust/facts.ts';
import { type Call, type Output, Session, draftManifests } from '../src/trust/session.ts';
import { interleave, type Subject } from './rounds.ts';
import type { Bench, Sample } from './row.ts';
import { percentile } from './row.ts';
import { READS, type Step, steps, writeAfter } from './trust/session.ts';

const text = { type: 'string', description: '' };
const MANIFESTS = draftManifests([
  { name: 'list_orders', description: 'Lists the orders of a page', parameters: { page: { type: 'integer', description: '' } } },
  { name: 'search_mails', description: 'Searches mails', parameters: { query: text } },
  { name: 'open_page', description: 'Returns the content of the page at a given URL', parameters: { url: text } },
  { name: 'read_file', description: 'Reads the contents of a file', parameters: { path: text } },
  { name: 'send_mail', description: 'Sends a mail', parameters: { recipients: text, subject: text, body: text } },
]);
const PROMPT = 'Read notes.txt and www.desk.example, then mail the report to ann@desk.example and to every customer in the orders.';

interface Work {
  /** One call, before its reply; what it says decides nothing here, yet must not be optimised away. */
  call(call: Call, output: Output): number;
  /** What is done after the reply went out. */
  readonly settle?: () => void;
  readonly bytes: number;
}

function cordon(): Work {
  const session = new Session({
    manifests: MANIFESTS,
    trusted: [PROMPT],
    plans: [{ tools: ['send_mail'], text: '' }],
    salt: crypto.getRandomValues(new Uint8Array(16)),
  });
  return {
    call: (call, output) => {
      const verdict = judge(session.facts(call));
      if (verdict === 'allow') {
        session.admit(call);
        session.observe(call, output);
      }
      return Number(verdict === 'deny');
    },
    settle: () => session.settle(),
    get bytes() {
      return session.bytes;
    },
  };
}

function plainSearch(): Work {
  const seen: string[] = [];
  return {
    call: (call, output) => {
      const values = Object.values(call.arguments).flat().map(String);
      const unknown = values.filter((value) => !seen.some((each) => each.includes(value))).length;
      seen.push((output.text ?? '').toLowerCase());
      return unknown;
    },
    get bytes() {
      return seen.reduce((sum, each) => sum + each.length, 0);
    },
  };
}

/** A reply comes off the wire in one piece, not as what it was concatenated of. */
const flat = (made: Step[]): Step[] =>
  made.map(({ call, output }) => ({ call, output: { text: Buffer.from(output.text ?? '').toString() } }));

const SENT: Output = { text: 'sent' };
type Clock = 'path' | 'after';

/** @param clock what is timed: the call, or what it leaves to be done when the reply is out */
function run(open: () => Work, clock: Clock, sessions: number, kept: { bytes: number }): Sample {
  const latencies = new Float64Array(sessions * READS * 2);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let count = 0;
  for (let at = 0; at < sessions; at += 1) {
    const work = open();
    const timed = (call: Call, output: Output): void => {
      const started = performance.now();
      work.call(call, output);
      const answered = performance.now();
      work.settle?.();
      latencies[count++] = (clock === 'path' ? answered - started : performance.now() - answered) * 1000;
    };
    for (const [read, step] of flat(steps(at + 1)).entries()) {
      timed(step.call, step.output);
      timed(writeAfter(step, read), SENT);
    }
    kept.bytes = Math.max(kept.bytes, work.bytes);
  }
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort();
  return {
    p50_us: percentile(latencies, 0.5),
    p99_us: percentile(latencies, 0.99),
    per_s: latencies.length / ((performance.now() - begun) / 1000),
    cpu_us: (user + system) / latencies.length,
    rss_mb: process.memoryUsage.rss() / 1_048_576,
  };
}

export const trust: Bench = async ({ quick }) => {
  const sessions = quick ? 1 : 20;
  const kept = { bytes: 0 };
  const subjects: Subject[] = [
    { name: 'plain search', run: () => Promise.resolve(run(plainSearch, 'path', sessions, { bytes: 0 })) },
    { name: 'cordon: on the path', over: 'plain search', run: () => Promise.resolve(run(cordon, 'path', sessions, kept)) },
    { name: 'cordon: after the reply', over: 'plain search', run: () => Promise.resolve(run(cordon, 'after', sessions, kept)) },
  ];
  for (const subject of quick ? [] : subjects) await subject.run();
  const report = await interleave({
    bench: 'trust',
    case: '200 calls, 2 MB',
    rounds: quick ? 2 : 5,
    subjects,
    says: [
      {
        subject: 'cordon: on the path',
        figure: 'p99_us',
        text: (ratio) => `a call with its provenance costs ${ratio} a search of all seen text (p99)`,
      },
      {
        subject: 'cordon: after the reply',
        figure: 'p99_us',
        text: (ratio) => `reading its output costs ${ratio} such a search (p99)`,
      },
    ],
  });
  return { rows: report.rows, says: [...report.says, `a session of 200 calls and 2 MB keeps ${(kept.bytes / 1_048_576).toFixed(1)} MB`] };
};
