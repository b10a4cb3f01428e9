// The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so a resolved write survives a crash of process and machine.
// Promises: mode 0600; nothing is written into a damaged, foreign or newer file; no call waits longer than `BUSY_MS` for a lock.
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { Refusal } from '../domain/refusal.ts';
import { migrate } from './migrations.ts';
import type { Store } from './ports.ts';
import { SQLITE_TYPES, type Tables } from './schema.ts';
import { insertUnsynced, type InsertDecisions } from './sql-decisions.ts';
import { sqlStore } from './sql-store.ts';
import { DecisionWriter } from './sqlite-beside.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { sqliteRefusal } from './sqlite-errors.ts';
import { LOG_KEPT, SAFE } from './sqlite-pragmas.ts';

// the wait blocks the event loop, so it is short; another process holds the lock for one transaction of milliseconds
const BUSY_MS = 1000;
const OWNER_ONLY = 0o600;
/** `PRAGMA application_id`: "CRDN", so that no other program's database is taken for ours. */
const APPLICATION_ID = 0x43_52_44_4e;
const MEMORY = ':memory:';
/** The log may become this long before a writer on the calling thread checkpoints: 64 MiB, for when the thread beside cannot keep up. */
const BACKSTOP_PAGES = 16_384;
const UNSYNCED = { begin: 'pragma synchronous=normal', end: 'pragma synchronous=full' };

/**
 * Opens the store at `path`, creating the file (not its directory) when there is none; `:memory:` for one that nobody keeps.
 * Two processes may have the same file open: every statement and transaction is atomic between them. `beside` is for a process that
 * answers calls meanwhile: a thread writes decisions and moves the write-ahead log into the file.
 * @throws Refusal CORDON-9006 when the file is damaged, another program's, of a newer Cordon or out of reach; CORDON-9004 when it is locked
 */
export async function openSqliteStore(path: string, { beside = false }: { beside?: boolean } = {}): Promise<Store> {
  const place = path === MEMORY ? MEMORY : resolve(path);
  const refuse = sqliteRefusal(place);
  if (place !== MEMORY) claimFile(place);
  const database = openDatabase(place, refuse);
  const db = new Kysely<Tables>({ dialect: sqliteDialect(database, refuse) });
  try {
    await migrate(db, SQLITE_TYPES, place);
  } catch (error) {
    database.close();
    throw error;
  }
  const insert: InsertDecisions = (rows) => insertUnsynced(db, UNSYNCED, rows);
  if (!beside) return sqlStore(db, insert, () => closeInTurn(db, database));
  database.exec(`pragma wal_autocheckpoint=${BACKSTOP_PAGES}; ${LOG_KEPT}`);
  const writer = new DecisionWriter(place);
  const close = async (): Promise<void> => {
    await writer.close();
    await closeInTurn(db, database);
  };
  return sqlStore(db, (rows) => (writer.alive ? writer.write(rows) : insert(rows)), close);
}

/** Takes its turn behind the calls already made, then closes; later calls are refused by the closed database. */
const closeInTurn = (db: Kysely<Tables>, database: DatabaseSync): Promise<void> =>
  db.connection().execute(async () => {
    if (database.isOpen) database.close();
  });

/** Makes the file ours alone before SQLite opens it: `-wal` and `-shm` take over its mode. */
function claimFile(path: string): void {
  try {
    closeSync(openSync(path, 'a', OWNER_ONLY));
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      if (statSync(file, { throwIfNoEntry: false })) chmodSync(file, OWNER_ONLY);
    }
  } catch (error) {
    const fix = 'check that the directory exists and that this user may write to it';
    throw new Refusal('CORDON-9006', `store \`${path}\` cannot be opened`, { fix, cause: error });
  }
  // SQLite would take an empty file for a new database and delete the log beside it
  if (statSync(path).size === 0 && (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw new Refusal('CORDON-9006', `store \`${path}\` was truncated`, {
      observed: '0 bytes beside a write-ahead log',
      fix: 'restore a backup of the file',
    });
  }
}

function openDatabase(place: string, refuse: (error: unknown) => Refusal): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(place, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    checkOwner(database, place);
    prepareConnection(database, place);
    return database;
  } catch (error) {
    database?.close();
    throw refuse(error);
  }
}

/** Only an empty database or one of ours is written to. */
function checkOwner(database: DatabaseSync, place: string): void {
  // in this order: another process of ours may be making the file, and writes its id before its tables
  const { tables } = database.prepare('select count(*) as tables from sqlite_schema').get() ?? {};
  const id = pragma(database, 'application_id');
  if (id === APPLICATION_ID) return;
  if (id === 0 && tables === 0) return;
  throw new Refusal('CORDON-9006', `\`${place}\` is a database of another program`, {
    fix: 'name a file that Cordon made, or one that does not exist yet',
  });
}

function prepareConnection(database: DatabaseSync, place: string): void {
  const mode = pragma(database, 'journal_mode=wal');
  if (mode !== 'wal' && place !== MEMORY) {
    throw new Refusal('CORDON-9006', `the file system of \`${place}\` cannot hold a write-ahead log`, {
      observed: String(mode),
      expected: 'wal',
      fix: 'put the data directory on a local disk',
    });
  }
  database.exec(`pragma synchronous=full; ${SAFE}`);
  if (pragma(database, 'application_id') !== APPLICATION_ID) database.exec(`pragma application_id=${APPLICATION_ID}`);
}

const pragma = (database: DatabaseSync, text: string): unknown => Object.values(database.prepare(`pragma ${text}`).get() ?? {})[0];
