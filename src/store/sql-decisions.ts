// Decisions for `cordon why` and the console, in SQL that SQLite and PostgreSQL both speak.
import { type Kysely, type Selectable, sql } from 'kysely';
import type { DecisionRow, Decisions } from './ports.ts';
import { pageSize, readStoredJson, storedJson, type DecisionTable, type Tables } from './schema.ts';

// full chunks share one statement text, which the database has prepared already; 1,100 parameters are far below any database's limit
const CHUNK = 100;

const toTable = (row: DecisionRow): DecisionTable => ({
  id: row.id,
  at: row.at,
  agent: row.agent,
  verdict: row.verdict,
  code: row.code ?? null,
  seq: row.seq,
  record: storedJson(row.record),
  inputs: row.inputs ?? null,
  explanation: row.explanation === undefined ? null : storedJson(row.explanation),
  shadow_version: row.shadow?.version ?? null,
  shadow_verdict: row.shadow?.verdict ?? null,
});

const fromTable = (row: Selectable<DecisionTable>): DecisionRow => ({
  id: row.id,
  at: row.at,
  agent: row.agent,
  verdict: row.verdict,
  ...(row.code === null ? {} : { code: row.code }),
  seq: row.seq,
  record: readStoredJson(row.record),
  ...(row.inputs === null ? {} : { inputs: row.inputs }),
  ...(row.explanation === null ? {} : { explanation: readStoredJson(row.explanation) }),
  ...(row.shadow_version === null || row.shadow_verdict === null
    ? {}
    : { shadow: { version: row.shadow_version, verdict: row.shadow_verdict } }),
});

const REPLACED = [
  'at',
  'agent',
  'verdict',
  'code',
  'seq',
  'record',
  'inputs',
  'explanation',
  'shadow_version',
  'shadow_verdict',
] as const satisfies readonly (keyof DecisionTable)[];

const putChunk = (db: Kysely<Tables>, rows: readonly DecisionTable[]): Promise<unknown> =>
  db
    .insertInto('decision')
    .values(rows)
    .onConflict((on) =>
      on.column('id').doUpdateSet((eb) => Object.fromEntries(REPLACED.map((column) => [column, eb.ref(`excluded.${column}`)]))),
    )
    .execute();

/**
 * Statements that stand around what need not be on the disk when it is answered: the log has each decision, and a crash of the machine may
 * take the last of these rows with it.
 */
export interface Unsynced {
  readonly begin: string;
  readonly end: string;
}

export type InsertDecisions = (rows: readonly DecisionTable[]) => Promise<void>;

/** Writes rows, all or none, in the calling thread. @throws Refusal as the database's */
export const insertDecisions = (db: Kysely<Tables>, rows: readonly DecisionTable[]): Promise<void> =>
  db.transaction().execute(async (transaction) => {
    for (let at = 0; at < rows.length; at += CHUNK) await putChunk(transaction, rows.slice(at, at + CHUNK));
  });

/** As `insertDecisions`, between the statements of `unsynced`. */
export const insertUnsynced = (db: Kysely<Tables>, unsynced: Unsynced, rows: readonly DecisionTable[]): Promise<void> =>
  db.connection().execute(async (connection) => {
    await sql.raw(unsynced.begin).execute(connection);
    try {
      await insertDecisions(connection, rows);
    } finally {
      await sql.raw(unsynced.end).execute(connection);
    }
  });

export const decisions = (db: Kysely<Tables>, insert: InsertDecisions): Decisions => ({
  async putDecisions(given) {
    // the last one of an id wins; PostgreSQL refuses a statement that would replace a row twice
    const rows = [...new Map(given.map((row) => [row.id, toTable(row)])).values()];
    if (rows.length > 0) await insert(rows);
  },

  async getDecision(id) {
    const row = await db.selectFrom('decision').selectAll().where('id', '=', id).executeTakeFirst();
    return row && fromTable(row);
  },

  async listDecisions({ agent, verdict, before, limit }) {
    let query = db.selectFrom('decision').selectAll().orderBy('seq', 'desc').orderBy('id', 'desc').limit(pageSize(limit));
    if (agent !== undefined) query = query.where('agent', '=', agent);
    if (verdict !== undefined) query = query.where('verdict', '=', verdict);
    if (before !== undefined) query = query.where('seq', '<', before);
    const rows = await query.execute();
    return rows.map(fromTable);
  },

  async countShadow(version, after) {
    const { seen } = await db
      .selectFrom('decision')
      .select(({ fn }) => fn.countAll<number>().as('seen'))
      .where('agent', '>', '') // not `<>`: as a range it is answered from the index alone
      .where('seq', '>', after)
      .executeTakeFirstOrThrow();
    const rows = await db
      .selectFrom('decision')
      .select(['verdict', 'shadow_verdict'])
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('shadow_version', '=', version)
      .where('seq', '>', after)
      .groupBy(['verdict', 'shadow_verdict'])
      .orderBy('verdict')
      .orderBy('shadow_verdict')
      .execute();
    return { seen, differing: rows.map(({ verdict, shadow_verdict: shadow, count }) => ({ verdict, shadow: shadow ?? '', count })) };
  },
});
