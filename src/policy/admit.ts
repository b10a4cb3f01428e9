// Admission: policy text becomes a policy set, or one refusal that says what to mend, with file, line and caret.
// Bounded before the engine sees it → parsed → identified (identify.ts) → validated strictly against the tools of the world → prepared.
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { MAX_SOURCE } from './bounds.ts';
import { type Catalog, catalogOf, isCovered } from './catalog.ts';
import { decide } from './decide.ts';
import { Engine } from './engine.ts';
import { explain } from './explain.ts';
import { type Finding, refuseAny } from './findings.ts';
import { GUARDRAILS } from './guardrails.ts';
import { codeWarnings, type Identified, identify } from './identify.ts';
import { type Loaded, SETS } from './loaded.ts';
import { outlineOf, visibleTools } from './outline.ts';
import type { PolicySet, PolicySource, PolicyWarning } from './policy-set.ts';
import { schemaOf } from './schema.ts';
import { type Statement, statementsOf } from './statements.ts';

/**
 * The policy set of these sources, validated against the tools of `world`. `digest` makes the set's hash of a text (hex SHA-256).
 * @throws Refusal CORDON-9006 with every problem found: `file:line:col: message`, the line, a caret, the engine's help;
 * CORDON-9007 when there is no policy besides the guardrails: an empty set would deny everything without a word
 */
export function admit(sources: readonly PolicySource[], world: World, version: number, digest: (text: string) => string): PolicySet {
  try {
    const engine = new Engine();
    const identified = identify(read(sources), engine);
    const catalog = catalogOf(world);
    const warnings = [...codeWarnings(identified), ...validated(engine, identified, catalog)];
    const policies = new Map(identified.map(({ policy }) => [policy.id, policy]));
    engine.prepare(SETS.policies, Object.fromEntries([...policies].map(([id, { text }]) => [id, text])));
    engine.prepare(SETS.outline, outlineOf(policies.values()));
    const hash = digest(JSON.stringify([GUARDRAILS, ...sources].map(({ path, text }) => [path, text])));
    return policySet({ engine, version, catalog, policies }, hash, warnings);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const observed = error instanceof Error ? error.message.slice(0, 300) : '';
    throw new Refusal('CORDON-9006', 'the policy engine cannot take this policy set', { observed, cause: error });
  }
}

function read(sources: readonly PolicySource[]): readonly Statement[] {
  const size = sources.reduce((sum, { text }) => sum + text.length, 0);
  if (size > MAX_SOURCE) {
    throw new Refusal('CORDON-9006', 'the policies are too large', {
      observed: `${size} characters`,
      expected: `at most ${MAX_SOURCE}`,
    });
  }
  const cuts = sources.map(statementsOf);
  refuseAny(cuts.flatMap(({ findings }) => findings));
  const statements = cuts.flatMap((cut) => cut.statements);
  if (statements.length === 0) throw new Refusal('CORDON-9007', 'there is no policy', { observed: `${sources.length} files without one` });
  return [...statementsOf(GUARDRAILS).statements, ...statements];
}

/** Strict validation: what errors refuses the set, what warns is returned. */
function validated(engine: Engine, identified: readonly Identified[], catalog: Catalog): readonly PolicyWarning[] {
  const byId = new Map(identified.map((one) => [one.policy.id, one]));
  const texts = Object.fromEntries(identified.map(({ policy }) => [policy.id, policy.text]));
  const { errors, warnings } = engine.validate(texts, schemaOf(catalog));
  const findings = new Map<string, Finding>();
  const kept: PolicyWarning[] = [];
  const find = (
    { statement: { source, at: start } }: Identified,
    at: number,
    length: number,
    message: string,
    help: string | undefined,
  ): void => {
    // a policy for many actions errs once for each: the first is enough
    const key = `${source.path} ${start + at}`;
    if (!findings.has(key)) findings.set(key, { source, at: start + at, length, message, help });
  };
  for (const { policy: id, at, length, message, help } of errors) {
    const one = byId.get(id);
    if (one !== undefined) find(one, at, length, message, help);
  }
  for (const { policy: id, at, message } of warnings) {
    const one = byId.get(id);
    // a forbid for certain actions that can never apply protects nothing: most likely a name in it is misspelt
    if (one?.policy.effect === 'forbid' && one.namesActions && message.startsWith('policy is impossible')) {
      find(one, at, 1, 'this forbid can never apply', 'compare the names in it with the schema of the tool');
    } else if (one !== undefined) kept.push({ policy: id, source: one.policy.source, message });
  }
  refuseAny([...findings.values()]);
  return kept;
}

function policySet(set: Loaded, hash: string, warnings: readonly PolicyWarning[]): PolicySet {
  return {
    version: set.version,
    hash,
    policies: [...set.policies.values()].map(({ id, effect, source, annotations }) => ({
      id,
      effect,
      source,
      annotations,
    })),
    warnings,
    covers: (world) => covers(set.catalog, catalogOf(world)),
    decide: (request, world) => decide(set, request, world),
    visibleTools: (agent, resource, world) => visibleTools(set, agent, resource, world),
    explain: (request, world) => explain(set, request, world),
  };
}

const covers = (admitted: Catalog, now: Catalog): boolean =>
  admitted === now || (admitted.size === now.size && [...now.keys()].every((id) => isCovered(admitted, now, id)));
