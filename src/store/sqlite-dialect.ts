// Kysely over `node:sqlite`: one connection, prepared statements kept, errors as refusals. Calls are synchronous underneath, so a
// statement is whole before anything else runs; Kysely's mutex keeps a transaction's statements together.
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';
import type { Refusal } from '../domain/refusal.ts';
import { storableText } from './schema.ts';

type Refuse = (error: unknown) => Refusal;

/** A dialect over an open database, which stays the caller's to close. */
export const sqliteDialect = (database: DatabaseSync, refuse: Refuse): Dialect => ({
  createAdapter: () => new TransactionalAdapter(),
  createDriver: () => new SqliteDriver(new SqliteConnection(database, refuse)),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
});

class TransactionalAdapter extends SqliteAdapter {
  // SQLite rolls DDL back like anything else; with this, migrations run all or none
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

// at most: one per query of `sql-*.ts` and one per length of a last chunk of decisions
const STATEMENTS_MAX = 256;

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #refuse: Refuse;
  readonly #prepared = new Map<string, Prepared>();

  constructor(database: DatabaseSync, refuse: Refuse) {
    this.#database = database;
    this.#refuse = refuse;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const bound = parameters.map(bindable);
    try {
      const { statement, returnsRows } = this.#prepare(sql);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Kysely's contract: who wrote the query knows the shape of its rows
      if (returnsRows) return { rows: statement.all(...bound) as R[] };
      return { rows: [], numAffectedRows: BigInt(statement.run(...bound).changes) };
    } catch (error) {
      throw this.#refuse(error);
    }
  }

  /** Part of Kysely's contract; rows come in one piece, since no query of Cordon is unbounded. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }

  async run(sql: 'begin immediate' | 'commit' | 'rollback'): Promise<void> {
    // a full disk has rolled back already, and a second rollback would hide the first error
    if (sql === 'rollback' && !this.#database.isTransaction) return;
    try {
      this.#database.exec(sql);
    } catch (error) {
      throw this.#refuse(error);
    }
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    const prepared = { statement, returnsRows: statement.columns().length > 0 };
    const [oldest] = this.#prepared.keys();
    if (oldest !== undefined && this.#prepared.size >= STATEMENTS_MAX) this.#prepared.delete(oldest);
    this.#prepared.set(sql, prepared);
    return prepared;
  }
}

function bindable(value: unknown): SQLInputValue {
  if (typeof value === 'string') return storableText(value);
  if (value === null || typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint8Array) return value;
  throw new TypeError(`a ${typeof value} cannot be bound`);
}

class SqliteDriver implements Driver {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  async init(): Promise<void> {}

  acquireConnection(): Promise<SqliteConnection> {
    return Promise.resolve(this.#connection);
  }

  // immediate, because every transaction of ours writes: a lock taken half way could not be waited for (SQLITE_BUSY_SNAPSHOT)
  beginTransaction(connection: SqliteConnection): Promise<void> {
    return connection.run('begin immediate');
  }

  commitTransaction(connection: SqliteConnection): Promise<void> {
    return connection.run('commit');
  }

  rollbackTransaction(connection: SqliteConnection): Promise<void> {
    return connection.run('rollback');
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}
