// The engine and the four policies it is shown beside. None of them sees more of a recording than `Task`, calls and outputs.
import type { Manifest, ToolSchema } from '../src/trust/manifest.ts';
import { judge } from '../src/trust/facts.ts';
import { Session, draftManifests } from '../src/trust/session.ts';
import { planOf } from './plans.ts';
import type { CallView, Opener, Run, Task } from './score.ts';

/** Recordings are replayed the same way each time; a gateway draws a salt for each session. */
const SALT = new Uint8Array(16);
type Manifests = ReadonlyMap<string, Manifest>;
const drafted = new WeakMap<Task['tools'], Manifests>();

function manifestsOf(tools: Task['tools']): Manifests {
  const known = drafted.get(tools) ?? draftManifests(tools.map(schemaOf));
  drafted.set(tools, known);
  return known;
}

const schemaOf = ({ name, desc, params }: Task['tools'][number]): ToolSchema => ({
  name,
  description: desc,
  parameters: Object.fromEntries(
    Object.entries(params).map(([key, { type, desc: said }]) => [key, { type: type ?? '', description: said ?? '' }]),
  ),
});

const opened =
  (open: (task: Task, manifests: Manifests) => Run): Opener =>
  ({ task }) =>
    open(task, manifestsOf(task.tools));

const isRead = (manifests: Manifests, { fn }: CallView): boolean => manifests.get(fn)?.effect === 'read';
const answer = (allowed: boolean): 'allow' | 'deny' => (allowed ? 'allow' : 'deny');

/** Whether each argument that names someone or somewhere stands in the prompt. */
function sinksInPrompt(task: Task, manifest: Manifest | undefined, call: CallView): boolean {
  const prompt = normal(task.prompt);
  return Object.entries(call.args)
    .filter(([name]) => (manifest?.roles[name] ?? 'sink') === 'sink')
    .flatMap(([, value]): unknown[] => (Array.isArray(value) ? value : [value]))
    .every(
      (value) =>
        value === null || value === undefined || prompt.includes(normal(typeof value === 'string' ? value : JSON.stringify(value))),
    );
}

function engine(task: Task, manifests: Manifests): Run {
  const plans = task.plans.map((plan) => planOf(plan, task.prompt));
  const session = new Session({ manifests, trusted: [task.prompt], plans, salt: SALT });
  return {
    decide: ({ fn, args }) => {
      const call = { tool: fn, arguments: args };
      const verdict = judge(session.facts(call));
      if (verdict === 'allow') session.admit(call);
      return verdict;
    },
    settle: () => session.settle(),
    observe: ({ fn, args }, text) => session.observe({ tool: fn, arguments: args }, { text }),
  };
}

function freezeAfterTaint(_: Task, manifests: Manifests): Run {
  let tainted = false;
  return {
    decide: (call) => answer(!tainted || isRead(manifests, call)),
    observe: () => {
      tainted = true;
    },
  };
}

const normal = (value: string): string =>
  value
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\s+/g, ' ')
    .trim();

export const POLICIES = {
  engine: opened(engine),
  'allow all': opened(() => ({ decide: () => 'allow', observe: () => {} })),
  'plan scope': opened(({ plans }, manifests) => ({
    decide: (call) => answer(isRead(manifests, call) || plans.some(({ trajectory }) => trajectory.includes(call.fn))),
    observe: () => {},
  })),
  'sinks from prompt': opened((task, manifests) => ({
    decide: (call) => answer(sinksInPrompt(task, manifests.get(call.fn), call)),
    observe: () => {},
  })),
  'freeze after taint': opened(freezeAfterTaint),
} satisfies Readonly<Record<string, Opener>>;
