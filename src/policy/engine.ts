// The official Cedar engine (`@cedar-policy/cedar-wasm` 4.13.0, language 4.5) behind what the rest of this folder needs of it.
//
// An instance of the WASM module keeps pre-parsed sets for ever and is poisoned by a stack overflow, so each `Engine` owns a fresh
// instance (the package is loaded once more, about 10 ms): it goes with its policy set, and after anything thrown it is dropped and
// loaded anew. JSON crosses the boundary in both directions: integers go in exact (`JSON.rawJSON`), and nothing that comes out is
// used as a number.
import { createRequire } from 'node:module';
import type {
  AuthorizationAnswer,
  CheckParseAnswer,
  DetailedError,
  PolicyJson,
  PolicyToJsonAnswer,
  SchemaJson,
  ValidationAnswer,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Facts } from './facts.ts';
import { recordToEngine } from './value.ts';

/** Policies by id, each the text of exactly one. */
export type PolicyTexts = Readonly<Record<string, string>>;

export interface Answer {
  readonly allowed: boolean;
  /** Ids of the policies that decided. */
  readonly reasons: readonly string[];
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** Ids of the policies that failed to evaluate. */
export const erroring = ({ errors }: Answer): readonly string[] => errors.map(({ policy }) => policy);

export interface EngineIssue {
  readonly policy: string;
  readonly message: string;
  readonly help: string | undefined;
  /** UTF-16 range in the text of the policy, if the engine gave one. */
  readonly at: number;
  readonly length: number;
}

/** The part of the package's interface that is used; `unknown` where JSON of our own making goes in. */
interface CedarWasm {
  preparsePolicySet(name: string, policies: { staticPolicies: PolicyTexts }): CheckParseAnswer;
  statefulIsAuthorized(call: object): AuthorizationAnswer;
  policyToJson(policy: string): PolicyToJsonAnswer;
  validate(call: {
    schema: SchemaJson<string>;
    policies: { staticPolicies: PolicyTexts };
    validationSettings: { mode: 'strict' };
  }): ValidationAnswer;
}

const isCedar = (loaded: unknown): loaded is CedarWasm => typeof loaded === 'object' && loaded !== null && 'statefulIsAuthorized' in loaded;

function freshInstance(): CedarWasm {
  const require = createRequire(import.meta.url); // one per instance: it remembers what it loaded, and would keep it alive
  const path = require.resolve('@cedar-policy/cedar-wasm/nodejs');
  delete require.cache[path];
  const instance: unknown = require('@cedar-policy/cedar-wasm/nodejs');
  delete require.cache[path];
  if (!isCedar(instance)) throw new Error(`\`${path}\` is not the engine`);
  return instance;
}

export class Engine {
  readonly #sets = new Map<string, PolicyTexts>();
  #instance: CedarWasm | undefined;

  /** Parses and keeps a set under `name`. @throws Error when it does not parse */
  prepare(name: string, policies: PolicyTexts): void {
    this.#call((cedar) => load(cedar, name, policies));
    this.#sets.set(name, policies);
  }

  isPrepared(name: string): boolean {
    return this.#sets.has(name);
  }

  /** @throws Error when the engine fails; the next call runs on a fresh instance */
  ask(name: string, { principal, action, resource, context, entities }: Facts): Answer {
    const call = {
      principal,
      action,
      resource,
      context: recordToEngine(context),
      entities: entities.map((one) => ({
        uid: one.uid,
        attrs: recordToEngine(one.attrs),
        parents: one.parents,
        tags: recordToEngine(one.tags),
      })),
      preparsedPolicySetId: name,
    };
    const answer = this.#call((cedar) => cedar.statefulIsAuthorized(call));
    if (answer.type === 'failure') throw new Error(`the policy engine refused the request: ${sentences(answer.errors)}`);
    const { decision, diagnostics } = answer.response;
    const errors = diagnostics.errors.map(({ policyId, error }) => ({ policy: policyId, message: withoutValues(error.message) }));
    return { allowed: decision === 'allow', reasons: diagnostics.reason, errors };
  }

  /** The parsed form of one policy (integers in it may be rounded), or why it does not parse. */
  parse(text: string): PolicyJson | readonly EngineIssue[] {
    const answer = this.#call((cedar) => cedar.policyToJson(text));
    return answer.type === 'success' ? answer.json : answer.errors.map((error) => issue('', error, text));
  }

  /** Strict validation. @throws Error when the engine fails or the schema is not one */
  validate(
    policies: PolicyTexts,
    schema: SchemaJson<string>,
  ): { readonly errors: readonly EngineIssue[]; readonly warnings: readonly EngineIssue[] } {
    const answer = this.#call((cedar) =>
      cedar.validate({ schema, policies: { staticPolicies: policies }, validationSettings: { mode: 'strict' } }),
    );
    if (answer.type === 'failure') throw new Error(sentences(answer.errors));
    const issues = (found: typeof answer.validationErrors): EngineIssue[] =>
      found.map(({ policyId, error }) => issue(policyId, error, policies[policyId] ?? ''));
    return { errors: issues(answer.validationErrors), warnings: issues(answer.validationWarnings) };
  }

  #call<T>(use: (cedar: CedarWasm) => T): T {
    try {
      this.#instance ??= this.#reloaded();
      return use(this.#instance);
    } catch (cause) {
      this.#instance = undefined; // INVARIANT I1: whatever was thrown, this instance is not believed again
      throw new Error(`the policy engine failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }

  #reloaded(): CedarWasm {
    const instance = freshInstance();
    for (const [name, policies] of this.#sets) load(instance, name, policies);
    return instance;
  }
}

function load(cedar: CedarWasm, name: string, policies: PolicyTexts): void {
  const answer = cedar.preparsePolicySet(name, { staticPolicies: policies });
  if (answer.type === 'failure') throw new Error(sentences(answer.errors));
}

function issue(policy: string, { message, help, sourceLocations }: DetailedError, text: string): EngineIssue {
  const [place = { start: 0, end: 0 }] = sourceLocations ?? [];
  const at = unitsBefore(text, place.start);
  return { policy, message: bare(message), help: help ?? undefined, at, length: unitsBefore(text, place.end) - at };
}

/** An evaluation error quotes the values it met, and values of arguments stay out of records (INVARIANT I8). */
const withoutValues = (message: string): string => bare(message).replace(/`.*`/s, '`…`').slice(0, 300);

const sentences = (errors: readonly DetailedError[]): string => errors.map(({ message }) => message).join('; ');

/** The engine counts UTF-8 bytes. */
const unitsBefore = (text: string, bytes: number): number =>
  new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, bytes)).length;

/** The engine's sentence without the policy's id, which stands beside it. */
const bare = (message: string): string =>
  message.replace(/^(?:for policy `[^`]*`, |failed to parse policy (?:with id `[^`]*` )?from string: )/, '');
