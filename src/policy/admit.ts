// Admission: policy text becomes a policy set, or one refusal that says what to mend, with file, line and caret.
// Bounded before the engine sees it → parsed and validated strictly against the tools of the world, in a worker (admission.ts) →
// identified (identify.ts) → compiled.
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { type Checked, checkPolicies, type Issue } from './admission.ts';
import { MAX_SOURCE } from './bounds.ts';
import { catalogOf } from './catalog.ts';
import { CompiledSet } from './cedar/compiled-set.ts';
import type { EntityUid } from './cedar/value.ts';
import { type Finding, refuseAny } from './findings.ts';
import { GUARDRAILS } from './guardrails.ts';
import { codeWarnings, type Identified, identify, type Parsed } from './identify.ts';
import type { Loaded, Policy } from './loaded.ts';
import { namesIn, Oversight } from './oversight.ts';
import type { PolicySet, PolicySource, PolicyWarning } from './policy-set.ts';
import { schemaOf } from './schema.ts';
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
  const turns = new Turns();
  const statements = await read(sources, turns);
  const catalog = catalogOf(world);
  const checked = await checkPolicies(
    statements.map(({ text }) => text),
    schemaOf(catalog),
  );
  const identified = await identify(parsed(statements, checked), turns);
  const warnings = [...codeWarnings(identified), ...validated(identified, checked)];
  const policies = new Map(identified.map(({ policy }) => [policy.id, policy]));
  const set = await compiled(identified, turns);
  const loaded: Loaded = {
    version,
    catalog,
    policies,
    compiled: set,
    oversight: new Oversight(version, textsOf(policies), textsOf(policies, 'enforce'), namedIn(identified, set)),
    shadows: identified.some(({ policy }) => policy.mode === 'shadow'),
  };
  return setOf(loaded, digest(JSON.stringify([GUARDRAILS, ...sources].map(({ path, text }) => [path, text]))), warnings);
}

async function read(sources: readonly PolicySource[], turns: Turns): Promise<readonly Statement[]> {
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

function parsed(statements: readonly Statement[], { policies }: Checked): readonly Parsed[] {
  const findings: Finding[] = [];
  const out: Parsed[] = [];
  for (const [at, statement] of statements.entries()) {
    const one = policies[at];
    if (one === undefined) throw new Refusal('CORDON-9006', 'the policy engine lost a policy');
    if ('issues' in one) findings.push(...one.issues.map((issue) => findingOf(statement, issue)));
    else out.push({ statement, est: one.est });
  }
  refuseAny(findings);
  return out;
}

/** Strict validation: what errors refuses the set, what warns is returned. */
function validated(identified: readonly Identified[], { errors, warnings }: Checked): readonly PolicyWarning[] {
  const findings = new Map<string, Finding>();
  const kept: PolicyWarning[] = [];
  const find = ({ statement }: Identified, issue: Issue): void => {
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

async function compiled(identified: readonly Identified[], turns: Turns): Promise<CompiledSet> {
  const set = new CompiledSet();
  for (const { policy, est } of identified) {
    set.add(policy.id, est);
    await turns.next();
  }
  return set;
}

const textsOf = (policies: ReadonlyMap<string, Policy>, mode?: Policy['mode']): ReadonlyMap<string, string> =>
  new Map([...policies.values()].filter((policy) => mode === undefined || policy.mode === mode).map(({ id, text }) => [id, text]));

/** The entities that conditions name. */
function namedIn(identified: readonly Identified[], set: CompiledSet): readonly EntityUid[] {
  const named = new Map<string, EntityUid>();
  for (const { policy } of identified) {
    for (const constant of set.get(policy.id)?.constants ?? []) for (const one of namesIn(constant)) named.set(one.key, one);
  }
  return [...named.values()];
}
