// Admission: policy text becomes a policy set, or one refusal that says what to mend, with file, line and caret.
// Bounded before the engine sees it → parsed and validated strictly against the tools of the world, in a worker (admission.ts) →
// named (identify.ts) → compiled.
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import type { CheckedPolicy, Issue, Validation } from './admission.ts';
import { blindSpotsIn, type BlindTool, blindTools } from './schema/blind-spots.ts';
import { MAX_SOURCE } from './bounds.ts';
import { checkStatements } from './checked.ts';
import { catalogOf } from './schema/catalog.ts';
import { CompiledSet } from './cedar/compiled-set.ts';
import type { EntityUid } from './cedar/value.ts';
import { type Finding, refuseAny } from './findings.ts';
import { GUARDRAILS } from './guardrails.ts';
import { codeWarnings, flawsOf, identifiedOf, type Named, twinsIn } from './identify.ts';
import type { Loaded, Policy } from './loaded.ts';
import { namesIn, Oversight } from './oversight.ts';
import type { PolicySet, PolicySource, PolicyWarning } from './policy-set.ts';
import { closedText } from './principal-text.ts';
import { typeTools } from './schema/schema.ts';
import { setOf } from './set.ts';
import { cutsOf, type Statement, statementsOf } from './statements.ts';
import { Turns } from './turns.ts';

/**
 * The policy set of these sources, validated against the tools of `world`. `digest` makes the set's hash of a text (hex SHA-256).
 * @throws Refusal CORDON-9006 with every problem found: `file:line:col: message`, the line, a caret, the engine's help;
 * CORDON-9007 when there is no policy besides the guardrails: an empty set would deny everything without a word
 */
export async function admit(
  sources: readonly PolicySource[],
  world: World,
  version: number,
  digest: (text: string) => string,
): Promise<PolicySet> {
  const statements = await read(sources);
  const catalog = catalogOf(world);
  const draft = new Draft(statements, blindTools(catalog));
  await typeTools(catalog);
  const validation = await checkStatements(statements, catalog, (at, policy) => draft.take(at, policy));
  const identified = draft.policies();
  const warnings = [...codeWarnings(identified), ...validated(identified, validation)];
  const policies = new Map(identified.map(({ policy }) => [policy.id, policy]));
  const loaded: Loaded = {
    version,
    catalog,
    policies,
    compiled: draft.compiled,
    oversight: new Oversight(version, textsOf(identified), textsOf(identified, 'enforce'), namedIn(policies.values(), draft.compiled)),
    shadows: identified.some(({ policy }) => policy.mode === 'shadow'),
  };
  return setOf(loaded, digest(JSON.stringify([GUARDRAILS, ...sources].map(({ path, text }) => [path, text]))), sources, warnings);
}

async function read(sources: readonly PolicySource[]): Promise<readonly Statement[]> {
  const turns = new Turns();
  const size = sources.reduce((sum, { text }) => sum + text.length, 0);
  if (size > MAX_SOURCE) {
    throw new Refusal('CORDON-9006', 'the policies are too large', {
      observed: `${size} characters`,
      expected: `at most ${MAX_SOURCE}`,
    });
  }
  const statements: Statement[] = [];
  const findings: Finding[] = [];
  for (const source of sources) {
    for (const cut of cutsOf(source)) {
      if ('tokens' in cut) statements.push(cut);
      else findings.push(cut);
      await turns.next();
    }
  }
  refuseAny(findings);
  if (statements.length === 0) throw new Refusal('CORDON-9007', 'there is no policy', { observed: `${sources.length} files without one` });
  return [...statementsOf(GUARDRAILS).statements, ...statements];
}

const findingOf = ({ source, at: start }: Statement, { at, length, message, help }: Issue): Finding => ({
  source,
  at: start + at,
  length,
  message,
  help,
});

/** Policies as they come from the engine: each named and compiled at once, its parsed form not kept. */
class Draft {
  readonly compiled = { agent: new CompiledSet(), user: new CompiledSet() } as const;
  readonly #statements: readonly Statement[];
  readonly #blindTools: readonly BlindTool[];
  readonly #policies: Named[] = [];
  /** By index of the policy: they come in any order. */
  readonly #unparsed: (readonly Finding[])[] = [];
  readonly #flawed: (readonly Finding[])[] = [];
  readonly #blindSpots: (readonly Finding[])[] = [];

  constructor(statements: readonly Statement[], tools: readonly BlindTool[]) {
    this.#statements = statements;
    this.#blindTools = tools;
  }

  take(at: number, answer: CheckedPolicy): void {
    const statement = this.#statements[at];
    if (statement === undefined) throw new Error('the policy engine parsed what it was not given');
    if ('issues' in answer) {
      this.#unparsed[at] = answer.issues.map((issue) => findingOf(statement, issue));
      return;
    }
    const { est, ...named } = identifiedOf({ statement, est: answer.est }, at);
    const flaws = flawsOf(named);
    this.#policies[at] = named;
    this.#flawed[at] = flaws;
    const { id, principal } = named.policy;
    const compiled = this.compiled[principal];
    if (flaws.length > 0 || compiled.get(id) !== undefined) return;
    compiled.add(id, est);
    this.#blindSpots[at] = blindSpotsIn(named, compiled.get(id), this.#blindTools);
  }

  /** In order. @throws Refusal CORDON-9006 with every problem: those of the engine first */
  policies(): readonly Named[] {
    refuseAny(this.#unparsed.flat());
    refuseAny([...this.#flawed.flat(), ...this.#blindSpots.flat(), ...twinsIn(this.#policies)]);
    return this.#policies;
  }
}
/** Strict validation: what errors refuses the set, what warns is returned. */
function validated(identified: readonly Named[], { errors, warnings }: Validation): readonly PolicyWarning[] {
  const findings = new Map<string, Finding>();
  const kept: PolicyWarning[] = [];
  const find = ({ statement }: Named, issue: Issue): void => {
    // a policy for many actions errs once for each: the first is enough
    const key = `${statement.source.path} ${statement.at + issue.at}`;
    if (!findings.has(key)) findings.set(key, findingOf(statement, issue));
  };
  for (const issue of errors) {
    const one = identified[issue.policy];
    if (one !== undefined) find(one, issue);
  }
  for (const issue of warnings) {
    const one = identified[issue.policy];
    // a forbid for certain actions that can never apply protects nothing: most likely a name in it is misspelt
    if (one?.policy.effect === 'forbid' && one.namesActions && issue.message.startsWith('policy is impossible')) {
      const help = 'compare the names in it with the schema of the tool';
      find(one, { ...issue, length: 1, message: 'this forbid can never apply', help });
    } else if (one !== undefined) kept.push({ policy: one.policy.id, source: one.policy.source, message: issue.message });
  }
  refuseAny([...findings.values()]);
  return kept;
}

/** For the official engine. */
const textsOf = (policies: readonly Named[], mode?: Policy['mode']): ReadonlyMap<string, string> =>
  new Map(
    policies
      .filter(({ policy }) => mode === undefined || policy.mode === mode)
      .map(({ policy, statement }) => [policy.id, closedText(statement)]),
  );

/** The entities that conditions name. */
function namedIn(policies: Iterable<Policy>, compiled: Loaded['compiled']): readonly EntityUid[] {
  const named = new Map<string, EntityUid>();
  for (const { id, principal } of policies) {
    for (const constant of compiled[principal].get(id)?.constants ?? []) for (const one of namesIn(constant)) named.set(one.key, one);
  }
  return [...named.values()];
}
