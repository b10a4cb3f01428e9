// The store of one application, from its files: a Cedar schema, policies that are strictly validated against it, entities that are of its
// types, and the obligations that policies name. Read whole or refused whole.
import { sha256Hex } from '../../crypto/hash.ts';
import { isJsonObject, type Json, parseJson } from '../../domain/json.ts';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import { type Checked, checkPolicies } from '../../policy/admission.ts';
import { CompiledSet } from '../../policy/cedar/compiled-set.ts';
import type { Entities } from '../../policy/cedar/entities.ts';
import { CedarInputError } from '../../policy/cedar/input-error.ts';
import { Official } from '../../policy/cedar/official.ts';
import { type ActionType, type EntityType, readSchema, type SchemaParts } from '../../policy/cedar/schema-json.ts';
import { CedarSchema } from '../../policy/cedar/schema-types.ts';
import { refuseAny } from '../../policy/findings.ts';
import { type Identified, identify } from '../../policy/identify.ts';
import type { Policy } from '../../policy/loaded.ts';
import type { PolicySource } from '../../policy/policy-set.ts';
import { type Statement, statementsOf } from '../../policy/statements.ts';
import { type Obligation, obligationIn } from './obligations.ts';

/** A file: as messages name it, and what it says. */
export type Source = PolicySource;

export interface ApplicationSources {
  readonly policies: readonly Source[];
  /** In Cedar's own syntax. */
  readonly schema: Source;
  /** In Cedar's JSON form. */
  readonly entities: Source;
  /** By name: `{"tell-owner": {"type": "notification", "properties": {"to": "…", "body": "…"}}}`. */
  readonly obligations?: Source;
}

export interface Application {
  /** Digest of everything it was read from. */
  readonly hash: string;
  readonly schema: CedarSchema;
  readonly types: ReadonlyMap<string, EntityType>;
  readonly actions: ReadonlyMap<string, ActionType>;
  readonly set: CompiledSet;
  /** By id, in order. */
  readonly policies: ReadonlyMap<string, ApplicationPolicy>;
  readonly entities: Entities;
}

export interface ApplicationPolicy extends Policy {
  /** Of `@obligation("tell-owner step-up")`. */
  readonly obligations: readonly Obligation[];
}

/** Bytes and levels of nesting. */
const BOUNDS = { maxBytes: 16_777_216, maxDepth: 64 };

/** @throws Refusal CORDON-9006 naming file and place, CORDON-9007 when there is no policy */
export async function loadApplication(sources: ApplicationSources): Promise<Application> {
  const schemaJson = schemaIn(sources.schema);
  const { schema, types, actions } = compiled(schemaJson, sources.schema);
  const identified = await policiesIn(sources.policies, schemaJson);
  const obligations = obligationsIn(sources.obligations);
  const set = new CompiledSet();
  for (const { policy, est } of identified) set.add(policy.id, est);
  return {
    hash: sha256Hex(JSON.stringify(sources)),
    schema,
    types: new Map(types.map((type) => [type.name, type])),
    actions: byName(actions, sources.schema),
    set,
    policies: new Map(identified.map(({ policy }) => [policy.id, { ...policy, obligations: obligationsOf(policy, obligations) }])),
    entities: entitiesIn(sources.entities, schema),
  };
}

type SchemaJson = Parameters<typeof checkPolicies>[1];
type SchemaAnswer = ReturnType<Official['schemaToJsonWithResolvedTypes']>;

const isIssues = (answer: SchemaAnswer): answer is Exclude<SchemaAnswer, SchemaJson> => Array.isArray(answer);

function schemaIn(source: Source): SchemaJson {
  const answer = new Official().schemaToJsonWithResolvedTypes(source.text);
  if (!isIssues(answer)) return answer;
  refuseAny(answer.map((issue) => ({ source, ...issue })));
  throw new Refusal('CORDON-9006', `\`${source.path}\`: not a schema`);
}

/** What the official engine takes and ours does not (open records) is refused too. */
function compiled(json: SchemaJson, { path }: Source): SchemaParts & { readonly schema: CedarSchema } {
  try {
    return { schema: new CedarSchema(json), ...readSchema(json) };
  } catch (cause) {
    throw new Refusal('CORDON-9006', `\`${path}\`: ${cause instanceof Error ? cause.message : 'not a schema'}`, { cause });
  }
}

/** An action is asked for by its name alone. */
function byName(actions: readonly ActionType[], { path }: Source): ReadonlyMap<string, ActionType> {
  const named = new Map(actions.map((action) => [action.uid.id, action]));
  if (named.size < actions.length) throw new Refusal('CORDON-9006', `\`${path}\`: two actions of different namespaces have one name`);
  return named;
}

async function policiesIn(sources: readonly Source[], schema: SchemaJson): Promise<readonly Identified[]> {
  const cuts = sources.map(statementsOf);
  refuseAny(cuts.flatMap(({ findings }) => findings));
  const statements = cuts.flatMap((cut) => cut.statements);
  if (statements.length === 0) throw new Refusal('CORDON-9007', 'there is no policy', { observed: `${sources.length} files without one` });
  const checked = await checkPolicies(
    statements.map(({ text }) => text),
    schema,
  );
  refuseAny([...checked.policies.flatMap(issuesOf), ...checked.errors].map((issue) => findingOf(statements, issue)));
  return identify(statements.flatMap((statement, at) => parsedOf(statement, checked.policies[at])));
}

type CheckedPolicy = Checked['policies'][number];
type IssueAt = Checked['errors'][number];

const issuesOf = (one: CheckedPolicy, policy: number): readonly IssueAt[] =>
  'issues' in one ? one.issues.map((issue) => ({ ...issue, policy })) : [];

const parsedOf = (statement: Statement, one: CheckedPolicy | undefined): Parameters<typeof identify>[0] =>
  one === undefined || 'issues' in one ? [] : [{ statement, est: one.est }];

function findingOf(statements: readonly Statement[], { policy, ...issue }: IssueAt): Parameters<typeof refuseAny>[0][number] {
  const statement = statements[policy];
  if (statement === undefined) throw new Refusal('CORDON-9006', 'the policy engine lost a policy');
  return { ...issue, source: statement.source, at: statement.at + issue.at };
}

function entitiesIn(source: Source, schema: CedarSchema): Entities {
  try {
    return schema.entitiesFromJson(jsonIn(source));
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    const why = cause instanceof CedarInputError || cause instanceof Error ? cause.message : 'not entities';
    throw new Refusal('CORDON-9006', `\`${source.path}\`: ${why}`, { cause });
  }
}

function obligationsIn(source: Source | undefined): ReadonlyMap<string, Obligation> {
  if (source === undefined) return new Map();
  const json = jsonIn(source);
  if (!isJsonObject(json)) throw new Refusal('CORDON-9006', `\`${source.path}\`: not an object of obligations`);
  return new Map(Object.entries(json).map(([id, obligation]) => [id, readObligation(source, id, obligation)]));
}

function readObligation({ path }: Source, id: string, json: Json): Obligation {
  try {
    return obligationIn(isJsonObject(json) ? { ...json, id } : json).obligation;
  } catch (cause) {
    throw new Refusal('CORDON-9006', `\`${path}\`: \`${id}\`: ${asRefusal(cause, 'CORDON-9006', 'no obligation').message}`, { cause });
  }
}

function obligationsOf({ annotations, source }: Policy, known: ReadonlyMap<string, Obligation>): readonly Obligation[] {
  const names = (annotations['obligation'] ?? '').split(/\s+/).filter((name) => name !== '');
  return names.map((name) => {
    const obligation = known.get(name);
    // an obligation that is misspelt would be none
    if (obligation === undefined) throw new Refusal('CORDON-9006', `${source}: there is no obligation \`${name}\``);
    return obligation;
  });
}

function jsonIn({ path, text }: Source): Json {
  try {
    return parseJson(Buffer.from(text), BOUNDS);
  } catch (cause) {
    const { message, observed } = asRefusal(cause, 'CORDON-9006', 'no JSON');
    throw new Refusal('CORDON-9006', `\`${path}\`: ${message}${observed === undefined ? '' : `, ${observed}`}`, { cause });
  }
}
