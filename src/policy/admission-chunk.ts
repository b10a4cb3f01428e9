// Some policies of a set, parsed and validated by the official engine: what the worker of admission does.
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { EstPolicy } from './cedar/est.ts';
import { EngineTrap, Official, type PolicyIssue } from './cedar/official.ts';
import { isIssues, type OfficialIssue } from './cedar/official-issues.ts';
import { writeExact } from './cedar/official-json.ts';
import { SchemaSlices, type Slice } from './cedar/official-slices.ts';

/** Characters of one policy. */
export const MAX_POLICY = 65_536;

export interface Chunk {
  readonly texts: readonly string[];
  /** In Cedar's JSON form, as text: the same for every chunk of a set. */
  readonly schema: string;
}

export const isChunk = (asked: unknown): asked is Chunk => typeof asked === 'object' && asked !== null && 'texts' in asked;

/** Policies go by their index in the chunk. */
export interface CheckedChunk {
  /** The parsed form as JSON text, which costs the receiver least, or why there is none. */
  readonly policies: readonly (string | readonly OfficialIssue[])[];
  readonly errors: readonly IssueAt[];
  readonly warnings: readonly IssueAt[];
}

export interface IssueAt extends OfficialIssue {
  readonly policy: number;
}

interface Draft {
  readonly id: string;
  readonly text: string;
  readonly est: EstPolicy;
}

interface Found {
  readonly errors: readonly PolicyIssue[];
  readonly warnings: readonly PolicyIssue[];
}

export class ChunkChecker {
  readonly #official = new Official();
  #known: { readonly schema: string; readonly slices: SchemaSlices } | undefined;

  /** @throws Error when the schema is none */
  check({ texts, schema }: Chunk): CheckedChunk {
    const parsed = texts.map((text) => this.#parsed(text));
    const drafts = parsed.flatMap((one, at) => (isIssues(one) ? [] : [{ id: String(at), text: texts[at] ?? '', est: one }]));
    const found = this.#slices(schema)
      .slices(drafts)
      .map((slice) => this.#validated(slice));
    return {
      policies: parsed.map((one) => (isIssues(one) ? one : writeExact(one))),
      errors: found.flatMap(({ errors }) => errors.map(byIndex)),
      warnings: found.flatMap(({ warnings }) => warnings.map(byIndex)),
    };
  }

  #parsed(text: string): EstPolicy | readonly OfficialIssue[] {
    if (text.length > MAX_POLICY) return [{ ...UNTAKEN, message: `the policy has more than ${MAX_POLICY} characters` }];
    try {
      return this.#official.parsePolicy(text);
    } catch (error) {
      if (error instanceof EngineTrap) return [UNTAKEN];
      throw error;
    }
  }

  /** A policy that the engine cannot take is found by halving, so that the others are judged all the same. */
  #validated({ policies, schema }: Slice<Draft>): Found {
    try {
      return this.#official.validate({ static: new Map(policies.map(({ id, text }) => [id, text])) }, schema);
    } catch (error) {
      if (!(error instanceof EngineTrap)) throw error;
      if (policies.length < 2) return { errors: policies.map(({ id }) => ({ policy: id, ...UNTAKEN })), warnings: [] };
      const half = Math.ceil(policies.length / 2);
      const halves = [policies.slice(0, half), policies.slice(half)].map((part) => this.#validated({ policies: part, schema }));
      return { errors: halves.flatMap(({ errors }) => errors), warnings: halves.flatMap(({ warnings }) => warnings) };
    }
  }

  #slices(schema: string): SchemaSlices {
    if (this.#known?.schema !== schema) this.#known = { schema, slices: new SchemaSlices(schemaIn(schema)) };
    return this.#known.slices;
  }
}

const UNTAKEN: OfficialIssue = {
  message: 'the policy is too much for the policy engine',
  help: 'write it as several policies',
  at: 0,
  length: 1,
};

const byIndex = ({ policy, ...issue }: PolicyIssue): IssueAt => ({ ...issue, policy: Number(policy) });

function schemaIn(text: string): SchemaJson<string> {
  const schema: unknown = JSON.parse(text);
  if (!isSchema(schema)) throw new Error('the schema is no object');
  return schema;
}

/** Whether it is one inside, the engine says. */
const isSchema = (json: unknown): json is SchemaJson<string> =>
  typeof json === 'object' &&
  json !== null &&
  Object.values(json).every((namespace: unknown) => typeof namespace === 'object' && namespace !== null && 'actions' in namespace);
