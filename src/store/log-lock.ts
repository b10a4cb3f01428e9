// One writer per log directory. The lock is the operating system's record lock on the file `lock`, taken through SQLite because Node
// itself has no call for it. Promises: the kernel drops it when the process ends, however it ends, so there is no stale lock to judge
// and no process id to mistake.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Refusal } from '../domain/refusal.ts';
import { errorCode } from './log-tiles.ts';

export interface DirectoryLock {
  release(): void;
}

/** SQLite's result code when another connection holds the lock. */
const SQLITE_BUSY = 5;

/**
 * Makes the directory if need be and takes its lock, or refuses at once. Nothing else in this process may open and close the file
 * `lock`: POSIX would drop the lock.
 * @throws Refusal CORDON-9004 while another process, or this one, has the log open, or when the directory cannot be used
 */
export function lockDirectory(dir: string): DirectoryLock {
  const file = join(dir, 'lock');
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const held = (database = new DatabaseSync(file));
    held.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return { release: () => held.close() };
  } catch (cause) {
    database?.close();
    if (!isBusy(cause))
      throw new Refusal('CORDON-9004', 'log directory cannot be locked', {
        observed: `\`${file}\` ${errorCode(cause)}`,
        cause,
      });
    throw new Refusal('CORDON-9004', 'log is open in another process', {
      observed: `\`${file}\` is locked`,
      expected: 'one writer per log directory',
      fix: 'stop the other process, or give this one a data directory of its own',
      cause,
    });
  }
}

const isBusy = (error: unknown): boolean => error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
