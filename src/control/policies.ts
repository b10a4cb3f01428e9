// Policy sources: where they come from, how they are named by digest, and the one place where they become a policy set.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../crypto/hash.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { admit } from '../policy/admit.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';

const MAX_FILES = 500;

/**
 * The `*.cedar` files of a directory, in name order.
 * @throws Refusal CORDON-9007 when the directory is missing, CORDON-9006 when there are too many files or one cannot be read
 */
export async function readPolicies(directory: string): Promise<readonly PolicySource[]> {
  let names: string[];
  try {
    names = (await readdir(directory)).filter((name) => name.endsWith('.cedar')).toSorted();
  } catch (cause) {
    throw new Refusal('CORDON-9007', `no policy directory \`${directory}\``, { cause });
  }
  if (names.length > MAX_FILES) throw new Refusal('CORDON-9006', `more than ${MAX_FILES} policy files`);
  return Promise.all(names.map((path) => readPolicy(directory, path)));
}

async function readPolicy(directory: string, path: string): Promise<PolicySource> {
  try {
    return { path, text: await readFile(join(directory, path), 'utf8') };
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read the policy file \`${join(directory, path)}\``, { cause });
  }
}

/** As `readPolicies`, but a directory that is gone holds no policy: an order like any other, and it denies everything. */
export async function readPoliciesOrNone(directory: string): Promise<readonly PolicySource[]> {
  try {
    return await readPolicies(directory);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'CORDON-9007') return [];
    throw error;
  }
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
