// What SQLite says, as refusals: one row per result code (https://sqlite.org/rescode.html). Messages name the file and what to do; they
// never hold a value of a row, because SQLite's own messages name tables and columns only.
import type { Code } from '../domain/codes.ts';
import { Refusal } from '../domain/refusal.ts';

interface ResultRow {
  readonly code: Code;
  readonly says: (place: string, message: string) => string;
  readonly fix: string;
}

const SPACE = 'free disk space or mend the disk, then retry; nothing of this write was kept';
const RESTORE =
  'stop Cordon, keep a copy of the file with its `-wal`, and restore a backup; the audit log is a file of its own and is not lost';

const result = (code: Code, says: ResultRow['says'], fix: string): ResultRow => ({ code, says, fix });

/** By primary result code: the low byte of the extended one. */
const RESULTS: Readonly<Record<number, ResultRow>> = {
  5: result(
    'CORDON-9004',
    (place) => `store \`${place}\` is locked by another process`,
    'end the other process that uses the data directory, then retry',
  ),
  8: result('CORDON-9004', (place) => `store \`${place}\` is read-only`, 'give this user the right to write the file and its directory'),
  10: result('CORDON-9004', (place) => `store \`${place}\` cannot be read or written`, SPACE),
  11: result('CORDON-9006', (place) => `store \`${place}\` is corrupt`, RESTORE),
  13: result('CORDON-9004', (place) => `store \`${place}\` is full`, SPACE),
  14: result(
    'CORDON-9006',
    (place) => `store \`${place}\` cannot be opened`,
    'check that the directory exists and that this user may write to it',
  ),
  19: result(
    'CORDON-9004',
    (place, message) => `store \`${place}\` refuses the row: ${message}`,
    'the row is there already or names one that is not; report this as a bug',
  ),
  26: result('CORDON-9006', (place) => `store \`${place}\` is not a database, or is corrupt`, RESTORE),
};

const UNKNOWN = result('CORDON-9004', (place) => `store \`${place}\` failed`, 'see the cause in the log of Cordon');
const CLOSED = result('CORDON-9004', (place) => `store \`${place}\` is closed`, 'start Cordon again');

/** Makes the function that turns whatever `node:sqlite` throws about `place` into a refusal; refusals stay as they are. */
export const sqliteRefusal =
  (place: string) =>
  (error: unknown): Refusal => {
    if (error instanceof Refusal) return error;
    const row = rowOf(error);
    const message = error instanceof Error ? error.message : String(error);
    return new Refusal(row.code, row.says(place, message), { fix: row.fix, cause: error });
  };

function rowOf(error: unknown): ResultRow {
  if (!(error instanceof Error)) return UNKNOWN;
  if ('code' in error && error.code === 'ERR_INVALID_STATE') return CLOSED;
  const extended = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
  return RESULTS[extended & 0xff] ?? UNKNOWN;
}
