// Levels, sealed bytes and pins in SQL that SQLite and PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import type { LevelChange, Levels, Pins, Sealed } from './ports.ts';
import { pageSize, readStoredJson, storedJson, type Tables } from './schema.ts';

const change = ({ agent, level, at, actor, reason }: Selectable<Tables['level_change']>): LevelChange => ({
  agent,
  level,
  at,
  actor,
  reason,
});

export const levels = (db: Kysely<Tables>): Levels => ({
  async addLevel({ agent, level, at, actor, reason }) {
    await db.insertInto('level_change').values({ agent, level, at, actor, reason }).execute();
  },

  async currentLevels() {
    const last = db
      .selectFrom('level_change')
      .select(({ fn }) => fn.max('seq').as('seq'))
      .groupBy('agent');
    const rows = await db.selectFrom('level_change').selectAll().where('seq', 'in', last).orderBy('agent').execute();
    return rows.map(change);
  },

  async levelHistory(agent, limit) {
    const rows = await db
      .selectFrom('level_change')
      .selectAll()
      .where('agent', '=', agent)
      .orderBy('seq', 'desc')
      .limit(pageSize(limit))
      .execute();
    return rows.map(change);
  },
});

export const sealedBytes = (db: Kysely<Tables>): Sealed => ({
  async putSealed(name, sealed) {
    await db
      .insertInto('sealed')
      .values({ name, sealed })
      .onConflict((on) => on.column('name').doUpdateSet({ sealed }))
      .execute();
  },

  async getSealed(name) {
    const row = await db.selectFrom('sealed').select('sealed').where('name', '=', name).executeTakeFirst();
    return row?.sealed;
  },
});

export const pins = (db: Kysely<Tables>): Pins => ({
  async putPin(resource, digest, definitions) {
    const tools = storedJson(definitions);
    await db
      .insertInto('pin')
      .values({ resource, digest, tools })
      .onConflict((on) => on.column('resource').doUpdateSet({ digest, tools }))
      .execute();
  },

  async getPin(resource) {
    const row = await db.selectFrom('pin').select(['digest', 'tools']).where('resource', '=', resource).executeTakeFirst();
    return row && { digest: row.digest, tools: readStoredJson(row.tools) };
  },
});
