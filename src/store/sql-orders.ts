// Orders that wait for a second person, and broken glass, in SQL that SQLite and PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import type { BreakGlassRow, OrderRow, Orders } from './ports.ts';
import { pageSize, type Tables } from './schema.ts';

const order = (row: Selectable<Tables['held_order']>): OrderRow => ({
  id: row.id,
  rule: row.rule,
  route: row.route,
  input: new Uint8Array(row.input),
  digest: row.digest,
  actor: row.actor,
  at: row.at,
  expiresAt: row.expires_at,
  state: row.state,
  ...(row.decided_by === null ? {} : { decidedBy: row.decided_by }),
  ...(row.decided_at === null ? {} : { decidedAt: row.decided_at }),
});

const breakGlass = (row: Selectable<Tables['break_glass']>): BreakGlassRow => ({
  id: row.id,
  operator: row.operator,
  at: row.at,
  until: row.until,
  reason: row.reason,
  ...(row.reviewed_by === null ? {} : { reviewedBy: row.reviewed_by }),
  ...(row.reviewed_at === null ? {} : { reviewedAt: row.reviewed_at }),
});

export const orders = (db: Kysely<Tables>): Orders => ({
  async addOrder({ id, rule, route, input, digest, actor, at, expiresAt, state }) {
    await db
      .insertInto('held_order')
      .values({ id, rule, route, input, digest, actor, at, expires_at: expiresAt, state, decided_by: null, decided_at: null })
      .execute();
  },

  async order(id) {
    const row = await db.selectFrom('held_order').selectAll().where('id', '=', id).executeTakeFirst();
    return row && order(row);
  },

  async orders(limit) {
    const rows = await db.selectFrom('held_order').selectAll().orderBy('at', 'desc').orderBy('id').limit(pageSize(limit)).execute();
    return rows.map(order);
  },

  async decideOrder(id, state, by, at) {
    const { numUpdatedRows } = await db
      .updateTable('held_order')
      .set({ state, decided_by: by, decided_at: at })
      .where('id', '=', id)
      .where('state', '=', 'waiting')
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  },

  async addBreakGlass({ id, operator, at, until, reason }) {
    await db.insertInto('break_glass').values({ id, operator, at, until, reason, reviewed_by: null, reviewed_at: null }).execute();
  },

  async openBreakGlass(now) {
    const rows = await db
      .selectFrom('break_glass')
      .selectAll()
      .where((where) => where.or([where('until', '>', now), where('reviewed_at', 'is', null)]))
      .orderBy('at', 'desc')
      .orderBy('id')
      .execute();
    return rows.map(breakGlass);
  },

  async reviewBreakGlass(id, by, at) {
    const { numUpdatedRows } = await db
      .updateTable('break_glass')
      .set({ reviewed_by: by, reviewed_at: at })
      .where('id', '=', id)
      .where('reviewed_at', 'is', null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  },
});
