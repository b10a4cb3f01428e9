// Files that hold a secret: for their owner alone, and never made anew over data that another one sealed.
import { readFile, stat } from 'node:fs/promises';
import { Refusal } from '../domain/refusal.ts';
import type { DataDir } from './data-dir.ts';

/** A key made now would open nothing of what is there. @throws Refusal CORDON-9006 */
export async function refuseOverData(data: DataDir, missing: string): Promise<void> {
  if (!(await isThere(data.database))) return;
  throw new Refusal('CORDON-9006', 'the seal key is missing', {
    observed: `\`${data.database}\` is there, \`${missing}\` is not`,
    fix: `restore \`${missing}\` from its backup, or say in CORDON_SEAL_KEY where the key is`,
  });
}

/** The text of a file that only its owner may read. `what`: as a message calls it. @throws Refusal CORDON-9006 */
export async function readSecret(path: string, what: string): Promise<string> {
  let mode: number;
  let text: string;
  try {
    [{ mode }, text] = await Promise.all([stat(path), readFile(path, 'utf8')]);
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read ${what} \`${path}\``, { cause, fix: 'mend the path, or whose file it is' });
  }
  if ((mode & 0o077) === 0) return text;
  throw new Refusal('CORDON-9006', `${what} \`${path}\` can be read by others`, {
    observed: `mode ${(mode & 0o777).toString(8)}`,
    expected: 'mode 600',
    fix: `chmod 600 ${path}`,
  });
}

export const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
