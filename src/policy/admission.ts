// Policies parsed and strictly validated by the official engine, in a worker: decisions go on meanwhile. A large set comes back in
// chunks, each a few milliseconds of this thread.
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { Refusal } from '../domain/refusal.ts';
import type { CheckedChunk, Chunk, IssueAt } from './admission-chunk.ts';
import type { EstPolicy } from './cedar/est.ts';
import type { OfficialIssue as Issue } from './cedar/official-issues.ts';
import { parseExact } from './cedar/official-json.ts';
import { OfficialThread } from './cedar/official-thread.ts';

export type { Issue };

/** A policy as it was parsed, or why it was not. */
export type CheckedPolicy = { readonly est: EstPolicy } | { readonly issues: readonly Issue[] };

/** Of strict validation, for the policies that parse. Policies go by their index among the texts. */
export interface Validation {
  readonly errors: readonly IssueAt[];
  readonly warnings: readonly IssueAt[];
}

export interface Checked extends Validation {
  readonly policies: readonly CheckedPolicy[];
}

const CHUNK = { policies: 50, characters: 50_000 };
/** From here on two threads share the work. */
const MANY = 1000;

const newThread = (): OfficialThread =>
  new OfficialThread(new URL('./admission-worker.ts', import.meta.url), { limitMs: 30_000, heapMb: 512, holds: true });

let resident: OfficialThread | undefined;

/** Every text as one policy, parsed and validated; all of them kept. @throws Refusal as `checkEach` */
export async function checkPolicies(texts: readonly string[], schema: SchemaJson<string> | string): Promise<Checked> {
  const policies: CheckedPolicy[] = [];
  const validation = await checkEach(texts, schema, (at, policy) => {
    policies[at] = policy;
  });
  return { policies, ...validation };
}

/**
 * Every text as one policy, parsed, validated (by a schema in Cedar's JSON form, as an object or its text) and handed to `take` with its index, in any order: what is not kept there is kept nowhere,
 * so that a large set is never in memory as a whole. A policy that does not parse, or is too much for the engine, has issues and spoils
 * no other.
 * @throws Refusal CORDON-9006 when the engine cannot take the schema, or a thread of it ends or exceeds its time; whatever `take` throws
 */
export async function checkEach(
  texts: readonly string[],
  schema: SchemaJson<string> | string,
  take: (at: number, policy: CheckedPolicy) => void,
): Promise<Validation> {
  resident ??= newThread();
  const second = texts.length < MANY ? [] : [newThread()];
  const chunks = chunksOf(texts, typeof schema === 'string' ? schema : JSON.stringify(schema));
  const found: Found = { take, errors: [], warnings: [] };
  try {
    await Promise.all([resident, ...second].map((thread) => checkAll(thread, chunks, found)));
    return { errors: found.errors.sort(inOrder), warnings: found.warnings.sort(inOrder) };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal('CORDON-9006', 'the policy engine cannot take this policy set', {
      observed: error instanceof Error ? error.message.slice(0, 300) : '',
      cause: error,
    });
  } finally {
    await Promise.all(second.map((thread) => thread.close()));
  }
}

/** Ends the thread that waits for the next policies. */
export async function closeAdmission(): Promise<void> {
  const thread = resident;
  resident = undefined;
  await thread?.close();
}

const inOrder = (a: IssueAt, b: IssueAt): number => a.policy - b.policy || a.at - b.at;

interface Found {
  readonly take: (at: number, policy: CheckedPolicy) => void;
  readonly errors: IssueAt[];
  readonly warnings: IssueAt[];
}

/** Threads share `chunks`: what ends this loop by an error ends the others after the chunk they have. */
async function checkAll(thread: OfficialThread, chunks: Iterable<readonly [number, Chunk]>, found: Found): Promise<void> {
  for (const [from, chunk] of chunks) {
    const answer = await thread.ask(chunk);
    if (!isChecked(answer)) throw new Error('the worker gave no answer');
    for (const [at, one] of answer.policies.entries()) found.take(from + at, typeof one === 'string' ? estIn(one) : { issues: one });
    const moved = (issue: IssueAt): IssueAt => ({ ...issue, policy: from + issue.policy });
    found.errors.push(...answer.errors.map(moved));
    found.warnings.push(...answer.warnings.map(moved));
  }
}

/** With the index of its first text. */
function* chunksOf(texts: readonly string[], schema: string): Generator<readonly [number, Chunk]> {
  for (let from = 0, to = 0; from < texts.length; from = to) {
    for (let size = 0; to < texts.length && to - from < CHUNK.policies; to++) {
      size += texts[to]?.length ?? 0;
      if (size > CHUNK.characters && to > from) break;
    }
    yield [from, { texts: texts.slice(from, to), schema }];
  }
}

const isChecked = (answer: unknown): answer is CheckedChunk => typeof answer === 'object' && answer !== null && 'policies' in answer;

function estIn(text: string): { readonly est: EstPolicy } {
  const est = parseExact(text);
  if (!isEst(est)) throw new Error('the worker gave no policy');
  return { est };
}

const isEst = (json: unknown): json is EstPolicy => typeof json === 'object' && json !== null && 'effect' in json;
