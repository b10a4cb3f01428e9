// The policy directory: `*.cedar` files, read whole, in name order.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../crypto/hash.ts';
import { Refusal } from '../domain/refusal.ts';
import type { World } from '../domain/registry.ts';
import { admit } from '../policy/admit.ts';
import type { PolicySet, PolicySource } from '../policy/policy-set.ts';

const MAX_FILES = 500;

/** @throws Refusal CORDON-9007 when the directory is missing, CORDON-9006 when there are too many files or one cannot be read */
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

/** A compiler of these sources for whatever tools are known when it runs. */
export const compilerOf =
  (sources: readonly PolicySource[]) =>
  (world: World, version: number): PolicySet =>
    admit(sources, world, version, sha256Hex);
