// The official Cedar engine (`@cedar-policy/cedar-wasm` 4.13.0, language 4.5), wrapped against what is known of it: it rounds integers
// (official-json.ts), a stack overflow poisons its instance for good, and it cannot forget a set that was prepared.
//
// Each `Official` owns one instance, made at its first use. After anything thrown the instance is dropped, and the next use makes
// another and prepares again what was prepared. INVARIANT: an answer comes only from an instance in which nothing was ever thrown.
import type { DetailedError, SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { EstPolicy } from './est.ts';
import { type CedarWasm, type EstAnswer, newInstance, type SchemaAnswer } from './official-glue.ts';
import { issueOf, type OfficialIssue, sentences, withoutValues } from './official-issues.ts';
import { JsonText } from './official-json.ts';

export interface OfficialUid {
  readonly type: string;
  readonly id: string;
}

/** Policies by id, each the text of exactly one. */
export type PolicyTexts = ReadonlyMap<string, string>;
/** In Cedar's JSON form, or as Cedar text. */
export type OfficialSchema = SchemaJson<string> | string;

export interface TemplateLink {
  readonly template: string;
  /** The id of the policy that it makes. */
  readonly id: string;
  /** By slot: `?principal`, `?resource`. */
  readonly values: ReadonlyMap<string, OfficialUid>;
}

export interface OfficialPolicies {
  readonly static: PolicyTexts;
  readonly templates?: PolicyTexts;
  readonly links?: readonly TemplateLink[];
}

export interface OfficialRequest {
  readonly principal: OfficialUid;
  readonly action: OfficialUid;
  readonly resource: OfficialUid;
  /** Cedar JSON; integers as numbers or bigints, records as objects or maps. */
  readonly context: object;
}

export interface OfficialEntity {
  readonly uid: OfficialUid;
  readonly attrs: object;
  readonly parents: readonly OfficialUid[];
  readonly tags?: object;
}

export interface OfficialAnswer {
  readonly allowed: boolean;
  /** Ids of the policies that decided, in no order. */
  readonly reasons: readonly string[];
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

export interface PolicyIssue extends OfficialIssue {
  readonly policy: string;
}

/** The engine threw: its instance is gone. */
export class EngineTrap extends Error {
  override readonly name = 'EngineTrap';
}

interface Prepared {
  /** The engine's name for the set: given to another set when this one is forgotten. */
  readonly slot: string;
  readonly policies: JsonText;
  readonly schema: JsonText | undefined;
}

export class Official {
  readonly #sets = new Map<string, Prepared>();
  readonly #free: string[] = [];
  #instance: CedarWasm | undefined;

  /** The parsed form of one policy that is no template, or why it has none. @throws EngineTrap */
  parsePolicy(text: string): EstPolicy | readonly OfficialIssue[] {
    return this.#parsed(text, (cedar, given) => cedar.policyToJson(given));
  }

  /** @throws EngineTrap */
  parseTemplate(text: string): EstPolicy | readonly OfficialIssue[] {
    return this.#parsed(text, (cedar, given) => cedar.templateToJson(given));
  }

  /** Strict validation. @throws Error for a schema that is none or a policy that does not parse; EngineTrap */
  validate(
    policies: OfficialPolicies,
    schema: OfficialSchema,
  ): { readonly errors: readonly PolicyIssue[]; readonly warnings: readonly PolicyIssue[] } {
    const call = JsonText.of({ schema, policies: setOf(policies), validationSettings: { mode: 'strict' } });
    const answer = this.#call((cedar) => cedar.validate(call));
    if (answer.type === 'failure') throw new Error(sentences(answer.errors));
    const issues = (found: typeof answer.validationErrors): readonly PolicyIssue[] =>
      found.map(({ policyId, error }) => ({
        policy: policyId,
        ...issueOf(error, policies.static.get(policyId) ?? policies.templates?.get(policyId) ?? ''),
      }));
    return { errors: issues(answer.validationErrors), warnings: issues(answer.validationWarnings) };
  }

  /** The policies laid out as the official formatter does, comments kept; or why they do not parse. @throws EngineTrap */
  format(text: string): string | readonly OfficialIssue[] {
    if (!text.isWellFormed()) return [MALFORMED];
    const call = JsonText.of({ policyText: text });
    const answer = this.#call((cedar) => cedar.formatPolicies(call));
    return answer.type === 'success' ? answer.formatted_policy : issuesIn(answer.errors, text);
  }

  /** A schema in Cedar text as JSON. @throws EngineTrap */
  schemaToJson(text: string): SchemaJson<string> | readonly OfficialIssue[] {
    return this.#schema(text, (cedar) => cedar.schemaToJson(JsonText.of(text)));
  }

  /** The same with every name told apart: an entity type, or a common type. @throws EngineTrap */
  schemaToJsonWithResolvedTypes(text: string): SchemaJson<string> | readonly OfficialIssue[] {
    return this.#schema(text, (cedar) => cedar.schemaToJsonWithResolvedTypes(text));
  }

  /**
   * Parses and keeps a set under `name`, in place of one that had it. With a schema, requests and entities are read by it.
   * @throws Error when it does not parse; EngineTrap. The set that had the name is then as it was.
   */
  prepare(name: string, policies: OfficialPolicies, schema?: OfficialSchema): void {
    const slot = this.#sets.get(name)?.slot ?? this.#free.pop() ?? `set-${this.#sets.size}`;
    const prepared = { slot, policies: JsonText.of(setOf(policies)), schema: schema === undefined ? undefined : JsonText.of(schema) };
    try {
      const refused = this.#call((cedar) => load(cedar, prepared));
      if (refused !== undefined) throw new Error(refused);
      this.#sets.set(name, prepared);
    } catch (error) {
      this.#instance = undefined; // the slot may hold the new policies with the schema of before
      if (!this.#sets.has(name)) this.#free.push(slot);
      throw error;
    }
  }

  isPrepared(name: string): boolean {
    return this.#sets.has(name);
  }

  /** Frees the memory of a set. The engine has no delete: an empty set takes its place until the next one. */
  forget(name: string): void {
    const forgotten = this.#sets.get(name);
    if (forgotten === undefined) return;
    this.#sets.delete(name);
    this.#free.push(forgotten.slot);
    if (this.#instance !== undefined) this.#call((cedar) => load(cedar, { ...forgotten, policies: EMPTY, schema: EMPTY }));
  }

  /**
   * Decides by the set prepared under `name`. A request or entities that are sent often can be given as text made once.
   * @throws Error when the engine refuses the request or there is no such set; EngineTrap
   */
  authorize(name: string, request: OfficialRequest | JsonText, entities: readonly OfficialEntity[] | JsonText): OfficialAnswer {
    const prepared = this.#sets.get(name);
    if (prepared === undefined) throw new Error(`no policy set \`${name}\` is prepared`);
    const call = callOf(prepared, textOf(request), textOf(entities));
    const answer = this.#call((cedar) => cedar.statefulIsAuthorized(call));
    if (answer.type === 'failure') throw new Error(`the engine refused the request: ${withoutValues(sentences(answer.errors))}`);
    const { decision, diagnostics } = answer.response;
    const errors = diagnostics.errors.map(({ policyId, error }) => ({ policy: policyId, message: withoutValues(error.message) }));
    return { allowed: decision === 'allow', reasons: diagnostics.reason, errors };
  }

  #parsed(text: string, parse: (cedar: CedarWasm, text: JsonText) => EstAnswer): EstPolicy | readonly OfficialIssue[] {
    if (!text.isWellFormed()) return [MALFORMED];
    const answer = this.#call((cedar) => parse(cedar, JsonText.of(text)));
    return answer.type === 'success' ? answer.json : issuesIn(answer.errors, text);
  }

  #schema(text: string, read: (cedar: CedarWasm) => SchemaAnswer): SchemaJson<string> | readonly OfficialIssue[] {
    if (!text.isWellFormed()) return [MALFORMED];
    const answer = this.#call(read);
    return answer.type === 'success' ? answer.json : issuesIn(answer.errors, text);
  }

  #call<T>(use: (cedar: CedarWasm) => T): T {
    try {
      this.#instance ??= this.#reloaded();
      return use(this.#instance);
    } catch (cause) {
      this.#instance = undefined; // INVARIANT I1: whatever was thrown, this instance is not believed again
      throw new EngineTrap(`the policy engine failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }

  #reloaded(): CedarWasm {
    const instance = newInstance();
    for (const prepared of this.#sets.values()) {
      const refused = load(instance, prepared);
      if (refused !== undefined) throw new Error(refused);
    }
    return instance;
  }
}

const EMPTY = JsonText.of({});
const MALFORMED: OfficialIssue = { message: 'the text holds half of a surrogate pair', help: 'save the file as UTF-8', at: 0, length: 0 };

const issuesIn = (errors: readonly DetailedError[], text: string): readonly OfficialIssue[] => errors.map((error) => issueOf(error, text));

const textOf = (value: object): JsonText => (value instanceof JsonText ? value : JsonText.of(value));

const setOf = ({ static: staticPolicies, templates = new Map(), links = [] }: OfficialPolicies): object => ({
  staticPolicies,
  templates,
  templateLinks: links.map(({ template, id, values }) => ({ templateId: template, newId: id, values })),
});

/** Why the engine does not take it, if it does not. */
function load(cedar: CedarWasm, { slot, policies, schema }: Prepared): string | undefined {
  for (const answer of [cedar.preparsePolicySet(slot, policies), schema && cedar.preparseSchema(slot, schema)]) {
    if (answer?.type === 'failure') return sentences(answer.errors);
  }
  return undefined;
}

/** `request` is the text of an object that has members. */
function callOf({ slot, schema }: Prepared, request: JsonText, entities: JsonText): JsonText {
  const by = { preparsedPolicySetId: slot, ...(schema === undefined ? {} : { preparsedSchemaName: slot, validateRequest: true }) };
  return JsonText.from(`${JSON.stringify(by).slice(0, -1)},"entities":${entities.text},${request.text.slice(1)}`);
}
