// Policy sources and their table tests: where they come from, how they are named by digest, and the one place where they become a policy set.
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../crypto/hash.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { admit } from '../policy/admit.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';

const MAX_FILES = 500;
const TESTS = '.test.yaml';
/** Bytes of the table tests of one set together. */
export const MAX_TESTS = 1_048_576;

/**
 * The `*.cedar` files of a directory, in name order.
 * @throws Refusal CORDON-9007 when the directory is missing, CORDON-9006 when there are too many files or one cannot be read
 */
export async function readPolicies(directory: string): Promise<readonly PolicySource[]> {
  const names = await namesIn(directory, '.cedar');
  return Promise.all(names.map((path) => readOne(directory, path)));
}

/**
 * The `*.test.yaml` files of a directory, in name order; none when it is gone.
 * @throws Refusal CORDON-9006 when there are too many files, they are too large or one cannot be read
 */
export async function readTests(directory: string): Promise<readonly PolicySource[]> {
  const names = await namesIn(directory, TESTS).catch((error: unknown) => noneIfGone(error));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name)).catch(() => undefined))?.size ?? 0));
  refuseLarge(sizes.reduce((sum, size) => sum + size, 0));
  return Promise.all(names.map((path) => readOne(directory, path)));
}

/** @throws Refusal CORDON-9006 when tests of so many bytes are not read */
export function refuseLarge(bytes: number): void {
  if (bytes <= MAX_TESTS) return;
  throw new Refusal('CORDON-9006', 'the tests are too large', { observed: `${bytes} bytes`, expected: `at most ${MAX_TESTS}` });
}

async function namesIn(directory: string, suffix: string): Promise<readonly string[]> {
  let names: string[];
  try {
    names = (await readdir(directory)).filter((name) => name.endsWith(suffix)).toSorted();
  } catch (cause) {
    throw new Refusal('CORDON-9007', `no policy directory \`${directory}\``, { cause });
  }
  if (names.length > MAX_FILES) throw new Refusal('CORDON-9006', `more than ${MAX_FILES} files \`*${suffix}\``);
  return names;
}

async function readOne(directory: string, path: string): Promise<PolicySource> {
  try {
    return { path, text: await readFile(join(directory, path), 'utf8') };
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read the policy file \`${join(directory, path)}\``, { cause });
  }
}

/** As `readPolicies`, but a directory that is gone holds no policy: an order like any other, and it denies everything. */
export const readPoliciesOrNone = (directory: string): Promise<readonly PolicySource[]> =>
  readPolicies(directory).catch((error: unknown) => noneIfGone(error));

function noneIfGone(error: unknown): readonly never[] {
  if (error instanceof Refusal && error.code === 'CORDON-9007') return [];
  throw error;
}

/** Hex SHA-256 of sources: of names and texts in their order. */
export const hashOf = (sources: readonly PolicySource[]): string =>
  sha256Hex(JSON.stringify(sources.map(({ path, text }) => [path, text])));

/** The policy set of these sources against the tools of this world, or why there is none. INVARIANT I1: what is not admitted allows nothing */
export async function admitted(sources: readonly PolicySource[], version: number, world: World): Promise<PolicySet | Refusal> {
  try {
    return await admit(sources, world, version, sha256Hex);
  } catch (error) {
    return asRefusal(error, 'CORDON-9006', 'the policy set is not admitted');
  }
}
