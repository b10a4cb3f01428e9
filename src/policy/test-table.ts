// Table tests of policies: requests, each with the decision that is expected. Nothing is called and nothing recorded; the decision is the
// one that a gateway would take with the same policies, tools and levels.
import { type AccessRequest, type Decision, type Explanation, type Level, type Verdict, VERDICTS } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import type { JsonObject } from '../domain/json.ts';
import type { World } from '../domain/registry.ts';
import type { Cause } from '../domain/risk.ts';
import { similar } from '../domain/similar.ts';
import { parseTrustDomain, workloadId } from '../domain/spiffe-id.ts';
import { decideGates, explainGates, traceGates } from './gates.ts';
import { CALLS, METHODS, targetType } from './methods.ts';
import { type OnBehalf, onBehalfOf } from './on-behalf.ts';
import type { PolicySet, PolicyTrace } from './policy-set.ts';

/** `deny`: a policy says no, or none says yes. A request that no policy was asked about is expected by its code alone. */
export type Expected = Verdict | Code;

export interface TableTest {
  readonly name: string;
  /** `file:line` */
  readonly source: string;
  readonly agent: string;
  readonly action: string;
  /** `ledger/pay_invoice`, `ledger` or `clerk`, as the action wants. */
  readonly resource: string;
  readonly input?: JsonObject;
  /** What the task has brought in; nothing, unless it is said. */
  readonly labels?: readonly string[];
  /** What speaks against the run; nothing, unless it is said. */
  readonly risk?: number;
  readonly causes?: readonly Cause[];
  /** For whom the agent calls, and within what. */
  readonly onBehalf?: OnBehalf;
  readonly expect: Expected;
  /** One of the policies that decide. */
  readonly policy?: string;
  /** Levels other than `normal`, by agent. */
  readonly levels: Readonly<Record<string, Level>>;
  /** In place of what is on record about a resource, by resource. */
  readonly tags: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface TestResult {
  readonly test: TableTest;
  readonly passed: boolean;
  readonly decision: Decision;
  /** Of a test that failed: why the decision is what it is. */
  readonly explanation?: Explanation;
  /** Of a test that failed: a name in it that nothing has, and the one that was meant. */
  readonly misspelt?: Misspelt;
}

export interface Misspelt {
  readonly name: string;
  readonly meant: string | undefined;
}

/** One test that was run, and the policies it exercised. */
export interface TestRun {
  readonly result: TestResult;
  readonly traces: readonly PolicyTrace[];
}

export interface TableRun {
  readonly results: readonly TestResult[];
  readonly traces: readonly PolicyTrace[];
}

/** Runs the tests in order. @throws Error when the engine fails */
export function runTable(set: PolicySet, world: World, tests: readonly TableTest[]): TableRun {
  const runs = [...runEach(set, world, tests)];
  return { results: runs.map(({ result }) => result), traces: runs.flatMap(({ traces }) => traces) };
}

/** Runs one test each time it is asked. @throws Error when the engine fails */
export function* runEach(set: PolicySet, world: World, tests: readonly TableTest[]): Generator<TestRun> {
  const worlds = new Map<string, World>();
  for (const test of tests) {
    const key = JSON.stringify([test.levels, test.tags]);
    const given = worlds.get(key) ?? worldOf(world, test);
    worlds.set(key, given);
    const request = requestOf(test);
    const decision = decideGates(set, request, given, NOW);
    const traces = traceGates(set, request, given);
    if (isExpected(test, decision)) {
      yield { result: { test, passed: true, decision }, traces };
      continue;
    }
    const misspelt = misspeltIn(test, decision, set, world);
    const explanation = explainGates(set, request, given, NOW);
    yield { result: { test, passed: false, decision, explanation, ...(misspelt === undefined ? {} : { misspelt }) }, traces };
  }
}

/** What a test wants, in words: `allow by clerk-pays`. */
export const expectedOf = ({ expect, policy }: TableTest): string => (policy === undefined ? expect : `${expect} by ${policy}`);

/** What was decided, in words: `allow by clerk-pays`, `deny CORDON-3001`. */
export const observedOf = ({ verdict, code, gate, gates, determining }: Decision): string =>
  [
    verdict,
    code ?? '',
    gates === undefined || gate === undefined ? '' : `gate ${gate}`,
    determining.length === 0 ? '' : `by ${determining.join(', ')}`,
  ]
    .filter((part) => part !== '')
    .join(' ');

function isExpected({ expect, policy }: TableTest, decision: Decision): boolean {
  const { verdict, code, determining } = decision;
  if (policy !== undefined && !determining.includes(policy)) return false;
  if (expect === 'deny') return verdict === 'deny' && reachedPolicy(decision);
  return VERDICTS.some((known) => known === expect) ? verdict === expect : code === expect;
}

/** A misspelt tool is denied too; a test that asks for `deny` does not mean that. */
export const reachedPolicy = ({ verdict, code, determining }: Decision): boolean =>
  verdict === 'allow' || determining.length > 0 || (code !== undefined && UNMATCHED.has(code));

const UNMATCHED: ReadonlySet<Code> = new Set(['CORDON-3001', 'CORDON-3005', 'CORDON-3019']);

function misspeltIn(
  { policy, agent, action, resource }: TableTest,
  { code }: Decision,
  set: PolicySet,
  world: World,
): Misspelt | undefined {
  const ids = set.policies.map(({ id }) => id);
  const tools = [...world.tools].flatMap(([server, listing]) => listing.map((tool) => `${server}/${tool.name}`));
  const suspects: readonly (readonly [name: string | undefined, known: readonly string[], isMisspelt: boolean])[] = [
    [agent, world.agents.map(({ name }) => name), code === 'CORDON-1014'],
    [action, [...METHODS.keys(), ...Object.values(CALLS)], code === 'CORDON-3008'],
    [resource, [...tools, ...world.resources.map(({ name }) => name), ...world.agents.map(({ name }) => name)], code === 'CORDON-3003'],
    [policy, ids, policy !== undefined && !ids.includes(policy)],
  ];
  const [found] = suspects.flatMap(([name, known, isMisspelt]) =>
    name === undefined || !isMisspelt ? [] : { name, meant: similar(name, known)[0] },
  );
  return found;
}

/** The levels of a test are those it gives, whatever they are now: the same test has one result. */
const worldOf = (world: World, { levels, tags }: TableTest): World => ({
  ...world,
  levels: new Map(Object.entries(levels)),
  resources: world.resources.map((resource) => {
    const given = tags[resource.name];
    return given === undefined ? resource : { ...resource, tags: given };
  }),
});

/** No policy can see the SPIFFE ID of a caller, so one stands for all. */
const CALLER = workloadId(parseTrustDomain('policy.test'), 'agent', 'caller');

/** Mandates do not expire in tests: the same test has one result. */
const NOW = 0;

const requestOf = ({ agent, action, resource, input, labels = [], risk = 0, causes = [], onBehalf }: TableTest): AccessRequest => ({
  subject: { type: 'agent', id: agent, spiffeId: CALLER },
  action: { name: action },
  resource: { type: targetType(action, resource), id: resource },
  context: input === undefined ? {} : { input },
  labels,
  risk: { value: risk, causes: Object.fromEntries(causes.map((cause) => [cause, 1])) },
  ...(onBehalf === undefined ? {} : { delegation: onBehalfOf(onBehalf, CALLER) }),
});
