// Grants, and the requests they answer, in SQL that SQLite and PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import type { GrantRow, GrantRows } from './grant-port.ts';
import { pageSize, type Tables } from './schema.ts';

const grant = (row: Selectable<Tables['grant_request']>): GrantRow => ({
  id: row.id,
  digest: row.digest,
  agent: row.agent,
  action: row.action,
  resource: row.resource,
  request: new Uint8Array(row.request),
  decision: row.decision,
  approver: row.approver,
  policies: row.policies.split(' '),
  reason: row.reason,
  askedAt: row.asked_at,
  times: row.times,
  state: row.state,
  until: row.until,
  uses: row.uses,
  used: row.used,
  ...(row.answered_by === null ? {} : { answeredBy: row.answered_by }),
  ...(row.answered_at === null ? {} : { answeredAt: row.answered_at }),
  ...(row.comment === null ? {} : { comment: row.comment }),
});

const columns = (row: GrantRow): Tables['grant_request'] => ({
  id: row.id,
  digest: row.digest,
  agent: row.agent,
  action: row.action,
  resource: row.resource,
  request: row.request,
  decision: row.decision,
  approver: row.approver,
  policies: row.policies.join(' '),
  reason: row.reason,
  asked_at: row.askedAt,
  times: row.times,
  state: row.state,
  until: row.until,
  uses: row.uses,
  used: row.used,
  answered_by: row.answeredBy ?? null,
  answered_at: row.answeredAt ?? null,
  comment: row.comment ?? null,
});

export const grants = (db: Kysely<Tables>): GrantRows => ({
  async putGrant(row) {
    const values = columns(row);
    await db
      .insertInto('grant_request')
      .values(values)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
      .execute();
  },

  async grant(id) {
    const row = await db.selectFrom('grant_request').selectAll().where('id', '=', id).executeTakeFirst();
    return row && grant(row);
  },

  async grants(limit) {
    const rows = await db
      .selectFrom('grant_request')
      .selectAll()
      .orderBy('asked_at', 'desc')
      .orderBy('id')
      .limit(pageSize(limit))
      .execute();
    return rows.map(grant);
  },

  async closeGrants(at) {
    const { numUpdatedRows } = await db
      .updateTable('grant_request')
      .set({ state: 'expired', until: at })
      .where('state', 'in', ['asked', 'approved'])
      .executeTakeFirstOrThrow();
    return Number(numUpdatedRows);
  },
});
