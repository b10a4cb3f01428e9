// What was revoked and could still matter, in SQL that SQLite and PostgreSQL both speak.
import type { Kysely } from 'kysely';
import type { Revocations } from './ports.ts';
import type { Tables } from './schema.ts';

export const revocations = (db: Kysely<Tables>): Revocations => ({
  async addRevocation({ kind, id, at, until, actor, reason }) {
    await db.deleteFrom('revocation').where('until', '<=', at).execute();
    await db
      .insertInto('revocation')
      .values({ kind, id, at, until, actor, reason })
      .onConflict((on) => on.columns(['kind', 'id']).doUpdateSet({ until }).where('revocation.until', '<', until))
      .execute();
  },

  async activeRevocations(now) {
    const rows = await db
      .selectFrom('revocation')
      .selectAll()
      .where('until', '>', now)
      .orderBy('at')
      .orderBy('kind')
      .orderBy('id')
      .execute();
    return rows.map((row) => ({ ...row }));
  },
});
