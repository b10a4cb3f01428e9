// The same recordings told otherwise: an engine that keys on names, constants, wordings or orders of the development set would score
// differently on them. Each is a change that leaves the meaning of every run as it was.
import type { RecordedCall, RecordedTool, Recordings } from './recordings.ts';

type Change = (recordings: Recordings) => Recordings;

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Every tool under another name, in catalogue, plans, runs and variants alike. */
const renamed =
  (rename: (name: string, tools: readonly RecordedTool[]) => string): Change =>
  (recordings) => {
    const all = [...recordings.suites.values()].flatMap(({ tools }) => tools);
    const names = new Set(all.map(({ name }) => name));
    const to = (name: string): string => rename(name, all);
    const calls = (made: readonly RecordedCall[]): RecordedCall[] => made.map((call) => ({ ...call, fn: to(call.fn) }));
    return {
      ...recordings,
      suites: new Map(
        [...recordings.suites].map(([name, suite]) => [
          name,
          { ...suite, tools: suite.tools.map((tool) => ({ ...tool, name: to(tool.name) })) },
        ]),
      ),
      traces: recordings.traces.map((trace) => ({ ...trace, calls: calls(trace.calls) })),
      plans: recordings.plans.map((plan) => ({
        ...plan,
        trajectory: plan.trajectory.map(to),
        checklist: (plan.checklist ?? '').replace(/\w+/g, (word) => (names.has(word) ? to(word) : word)),
      })),
      attacks: recordings.attacks.map((attack) => ({ ...attack, calls: calls(attack.calls) })),
    };
  };

const opaque = (name: string, tools: readonly RecordedTool[]): string => {
  const at = tools.findIndex((tool) => tool.name === name);
  return at === -1 ? name : `x${at}`;
};

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bplease\b/gi, 'kindly'],
  [/\bcan you\b/gi, 'would you'],
  [/\bcould you\b/gi, 'are you able to'],
  [/\bfind\b/gi, 'look up'],
  [/\bmake sure to\b/gi, 'do not forget to'],
  [/\badd\b/gi, 'put'],
  [/\bgive me\b/gi, 'let me have'],
  [/\btell me\b/gi, 'let me know'],
  [/\bcreate\b/gi, 'set up'],
  [/\bthanks?\b/gi, 'cheers'],
];

/** Other words around the same constants; the plans stay, for they are the planner's words. */
const paraphrase = (prompt: string): string =>
  `Good morning! I have something for you today. ${WORDS.reduce((said, [word, other]) => said.replace(word, other), prompt)} That would be all.`;

const paraphrased: Change = (recordings) => ({
  ...recordings,
  traces: recordings.traces.map((trace) => ({ ...trace, prompt: paraphrase(trace.prompt) })),
  suites: new Map(
    [...recordings.suites].map(([name, suite]) => [
      name,
      { ...suite, user_tasks: suite.user_tasks.map((task) => ({ ...task, prompt: paraphrase(task.prompt) })) },
    ]),
  ),
});

const ADDRESS = /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b|\bwww\.[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b|\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b/g;

/** Every mail address, web address and account number is another one, the same everywhere. */
function swapper(): (text: string) => string {
  const others = new Map<string, string>();
  const other = (address: string): string => {
    const known = others.get(address.toLowerCase());
    if (known !== undefined) return known;
    const at = others.size;
    const made = address.includes('@')
      ? `person.${at}@house-${at % 9}.example`
      : address.startsWith('www.')
        ? `www.place-${at}.example`
        : `NL${String(at + 10).padStart(2, '0')}BANK${String(at * 7919).padStart(10, '0')}`;
    others.set(address.toLowerCase(), made);
    return made;
  };
  return (text) => text.replace(ADDRESS, other);
}

const swapped: Change = (recordings) => {
  const swap = swapper();
  const inside = (value: unknown): unknown => {
    if (typeof value === 'string') return swap(value);
    if (Array.isArray(value)) return value.map(inside);
    return typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inside(each)]))
      : value;
  };
  const calls = (made: readonly RecordedCall[]): RecordedCall[] =>
    made.map((call) => ({
      ...call,
      args: Object.fromEntries(Object.entries(call.args).map(([name, value]) => [name, inside(value)])),
    }));
  return {
    ...recordings,
    traces: recordings.traces.map((trace) => ({ ...trace, prompt: swap(trace.prompt), calls: calls(trace.calls) })),
    outputs: new Map([...recordings.outputs].map(([key, text]) => [key, swap(text)])),
    plans: recordings.plans.map((plan) => ({ ...plan, checklist: swap(plan.checklist ?? '') })),
    attacks: recordings.attacks.map((attack) => ({ ...attack, calls: calls(attack.calls) })),
    suites: new Map(
      [...recordings.suites].map(([name, suite]) => [
        name,
        { ...suite, user_tasks: suite.user_tasks.map((task) => ({ ...task, prompt: swap(task.prompt) })) },
      ]),
    ),
  };
};

/** Neighbouring calls of one tool in benign runs the other way round: what they read does not depend on their order. */
const permuted: Change = (recordings) => ({
  ...recordings,
  traces: recordings.traces.map((trace) => {
    if (trace.labels.label !== 'benign_ok') return trace;
    const order = trace.calls.map((_, at) => at);
    for (let at = 0; at + 1 < order.length; at += 2) {
      const [one, other] = [trace.calls[at], trace.calls[at + 1]];
      if (one?.fn === other?.fn) order.splice(at, 2, at + 1, at);
    }
    return {
      ...trace,
      calls: order.flatMap((at) => trace.calls[at] ?? []),
      labels: { ...trace.labels, needed: (trace.labels.needed ?? []).map((at) => order.indexOf(at)) },
    };
  }),
});

export const CHANGES: Readonly<Record<string, Change>> = {
  'tools in camelCase': renamed(camel),
  'tools without names': renamed(opaque),
  'prompts paraphrased': paraphrased,
  'constants swapped': swapped,
  'benign order permuted': permuted,
};
