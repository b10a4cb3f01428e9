// The thread of `sqlite-beside.ts`: a connection of its own, which writes decisions and checkpoints the write-ahead log.
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { Kysely } from 'kysely';
import type { Refusal } from '../domain/refusal.ts';
import type { Tables } from './schema.ts';
import { insertDecisions } from './sql-decisions.ts';
import type { Asked, Reply } from './sqlite-beside-words.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { sqliteRefusal } from './sqlite-errors.ts';
import { LOG_KEPT, SAFE } from './sqlite-pragmas.ts';

/** Milliseconds. A checkpoint lets the log begin anew, which costs the next writer one `fsync`: rather every few seconds than every batch. */
const CHECKPOINT_MS = 4000;
/** Writes of others come in while a checkpoint runs; the log begins anew only when one has caught up with them. */
const TRIES = 20;
/** A lock is held for one transaction of the other thread. Milliseconds. */
const BUSY_MS = 5000;

const path = String(workerData);
const refuse = sqliteRefusal(path);
const database = new DatabaseSync(path, { timeout: BUSY_MS });
// not durable when it is answered, but for a checkpoint: the log has each decision, and a crash of the machine may take the last rows
database.exec(`pragma synchronous=normal; pragma wal_autocheckpoint=0; ${SAFE}; ${LOG_KEPT}`);
const checkpoint = database.prepare('pragma wal_checkpoint(passive)');
const db = new Kysely<Tables>({ dialect: sqliteDialect(database, refuse) });

const timer = setInterval(catchUp, CHECKPOINT_MS);

parentPort?.on('message', (asked: Asked) => {
  if (asked === 'close') return close();
  void insertDecisions(db, asked).then(
    () => answer(undefined),
    (error: unknown) => answer(replyOf(refuse(error))),
  );
});

function close(): void {
  clearInterval(timer);
  database.close();
  answer(undefined);
  parentPort?.close();
}

function catchUp(): void {
  try {
    for (let left = TRIES; left > 0; left--) {
      const { log, checkpointed } = checkpoint.get() ?? {};
      if (log === checkpointed) return;
    }
  } catch {
    // a full disk, a lock: the next round tries again, and whoever writes is told
  }
}

const answer = (reply: Reply): void => parentPort?.postMessage(reply, []);

const replyOf = ({ code, message, fix }: Refusal): Reply => ({ code, message, fix });
