// Runs, join tokens and certificates in SQL that SQLite and PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import type { CertificateRow, Certificates, JoinTokens, Run, Runs } from './ports.ts';
import { pageSize, type Tables } from './schema.ts';

const run = (row: Selectable<Tables['run']>): Run => ({
  id: row.id,
  kind: row.kind,
  name: row.name,
  createdAt: row.created_at,
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  ...(row.task === null ? {} : { task: row.task }),
});

export const runs = (db: Kysely<Tables>): Runs => ({
  async addRun({ id, kind, name, createdAt, endedAt, task }) {
    await db
      .insertInto('run')
      .values({ id, kind, name, created_at: createdAt, ended_at: endedAt ?? null, task: task ?? null })
      .execute();
  },

  async getRun(id) {
    const row = await db.selectFrom('run').selectAll().where('id', '=', id).executeTakeFirst();
    return row && run(row);
  },

  async activeRuns() {
    const rows = await db.selectFrom('run').selectAll().where('ended_at', 'is', null).orderBy('created_at').orderBy('id').execute();
    return rows.map(run);
  },

  async endRun(id, at) {
    const { numUpdatedRows } = await db
      .updateTable('run')
      .set({ ended_at: at })
      .where('id', '=', id)
      .where('ended_at', 'is', null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  },
});

export const joinTokens = (db: Kysely<Tables>): JoinTokens => ({
  async addToken({ tokenHash, runId, expiresAt }) {
    await db.insertInto('join_token').values({ token_hash: tokenHash, run_id: runId, expires_at: expiresAt }).execute();
  },

  // INVARIANT I5: one statement reads and takes, so no two callers, of one process or of many, get the same token
  async takeToken(tokenHash, now) {
    const row = await db.deleteFrom('join_token').where('token_hash', '=', tokenHash).returningAll().executeTakeFirst();
    if (row === undefined || row.expires_at <= now) return undefined;
    return { tokenHash: row.token_hash, runId: row.run_id, expiresAt: row.expires_at };
  },
});

const certificate = (row: Selectable<Tables['certificate']>): CertificateRow => ({
  serial: row.serial,
  runId: row.run_id,
  spiffeId: row.spiffe_id,
  notBefore: row.not_before,
  notAfter: row.not_after,
});

export const certificates = (db: Kysely<Tables>): Certificates => ({
  async addCertificate({ serial, runId, spiffeId, notBefore, notAfter }) {
    await db
      .insertInto('certificate')
      .values({ serial, run_id: runId, spiffe_id: spiffeId, not_before: notBefore, not_after: notAfter })
      .execute();
  },

  async certificate(serial) {
    const row = await db.selectFrom('certificate').selectAll().where('serial', '=', serial).executeTakeFirst();
    return row && certificate(row);
  },

  async certificatesOf(runId, limit) {
    const rows = await db
      .selectFrom('certificate')
      .selectAll()
      .where('run_id', '=', runId)
      .orderBy('not_before', 'desc')
      .orderBy('serial', 'desc')
      .limit(pageSize(limit))
      .execute();
    return rows.map(certificate);
  },
});
