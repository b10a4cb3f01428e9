// One writer per log directory. The lock is the operating system's record lock on the file `lock`, taken through SQLite because Node
// itself has no call for it. Promises: the kernel drops it when the process ends, however it ends, so there is no stale lock to judge
// and no process id to mistake.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Refusal } from '../domain/refusal.ts';

export interface DirectoryLock {
  release(): void;
}

/**
 * Takes the lock or refuses at once. Nothing else in this process may open and close the file `lock`: POSIX would drop the lock.
 * @throws Refusal CORDON-9004 while another process, or this one, has the log open
 */
export function lockDirectory(dir: string): DirectoryLock {
  const database = new DatabaseSync(join(dir, 'lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new Refusal('CORDON-9004', 'log is open in another process', {
      observed: `\`${join(dir, 'lock')}\` is locked`,
      expected: 'one writer per log directory',
      fix: 'stop the other process, or give this one a data directory of its own',
      cause,
    });
  }
  return { release: () => database.close() };
}
