// Agents and registration entries that were made over the API, tokens for remote hosts, and postures of runs, in SQL that SQLite and
// PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import { isJsonArray, isJsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { AgentRow, AgentTokenRow, Entries, EntryRow, PostureRow } from './ports.ts';
import { readStoredJson, storedJson, type Tables } from './schema.ts';

const agent = (row: Selectable<Tables['registered_agent']>): AgentRow => ({
  name: row.name,
  segment: row.segment,
  owner: row.owner,
  purpose: row.purpose,
  createdBy: row.created_by,
  createdAt: row.created_at,
});

const entry = (row: Selectable<Tables['entry']>): EntryRow => ({
  id: row.id,
  kind: row.kind,
  name: row.name,
  selectors: textsOf(row.selectors),
  ...(row.ttl === null ? {} : { ttl: row.ttl }),
  owner: row.owner,
  purpose: row.purpose,
  composition: digestsOf(row.composition),
  createdBy: row.created_by,
  createdAt: row.created_at,
});

const posture = (row: Selectable<Tables['posture']>): PostureRow => ({
  runId: row.run_id,
  attestor: row.attestor,
  ...(row.entry_id === null ? {} : { entryId: row.entry_id }),
  selectors: textsOf(row.selectors),
  owner: row.owner,
  purpose: row.purpose,
  composition: digestsOf(row.composition),
  drift: textsOf(row.drift),
  at: row.at,
});

function textsOf(stored: string): readonly string[] {
  const json = readStoredJson(stored);
  if (isJsonArray(json) && json.every((text) => typeof text === 'string')) return json;
  throw corrupt();
}

function digestsOf(stored: string): Readonly<Record<string, string>> {
  const json = readStoredJson(stored);
  if (!isJsonObject(json)) throw corrupt();
  return Object.fromEntries(Object.entries(json).map(([part, digest]) => [part, typeof digest === 'string' ? digest : '']));
}

const corrupt = (): Refusal =>
  new Refusal('CORDON-9006', 'a registration in the store is damaged', { fix: 'restore a backup of the store' });

export const entries = (db: Kysely<Tables>): Entries => ({
  async putAgent({ name, segment, owner, purpose, createdBy, createdAt }) {
    const row = {
      name,
      segment,
      owner,
      purpose,
      created_by: createdBy,
      created_at: createdAt,
    };
    await db
      .insertInto('registered_agent')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
  },

  async registeredAgents() {
    return (await db.selectFrom('registered_agent').selectAll().orderBy('name').execute()).map(agent);
  },

  removeAgent: (name) =>
    db.transaction().execute(async (on) => {
      await on.deleteFrom('entry').where('kind', '=', 'agent').where('name', '=', name).execute();
      await on.deleteFrom('agent_token').where('kind', '=', 'agent').where('name', '=', name).execute();
      const { numDeletedRows } = await on.deleteFrom('registered_agent').where('name', '=', name).executeTakeFirstOrThrow();
      return numDeletedRows > 0n;
    }),

  async putEntry({ id, kind, name, selectors, ttl, owner, purpose, composition, createdBy, createdAt }) {
    const row = {
      id,
      kind,
      name,
      selectors: storedJson(selectors),
      ttl: ttl ?? null,
      owner,
      purpose,
      composition: storedJson(composition),
      created_by: createdBy,
      created_at: createdAt,
    };
    await db
      .insertInto('entry')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute();
  },

  async entries() {
    return (await db.selectFrom('entry').selectAll().orderBy('created_at').orderBy('id').execute()).map(entry);
  },

  async removeEntry(id) {
    const { numDeletedRows } = await db.deleteFrom('entry').where('id', '=', id).executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  },

  async addAgentToken({ tokenHash, id, kind, name, expiresAt, createdBy }) {
    await db
      .insertInto('agent_token')
      .values({ token_hash: tokenHash, id, kind, name, expires_at: expiresAt, created_by: createdBy })
      .execute();
  },

  // INVARIANT I5: one statement reads and takes
  async takeAgentToken(tokenHash, now): Promise<AgentTokenRow | undefined> {
    const row = await db.deleteFrom('agent_token').where('token_hash', '=', tokenHash).returningAll().executeTakeFirst();
    if (row === undefined || row.expires_at <= now) return undefined;
    const { id, kind, name, expires_at: expiresAt, created_by: createdBy } = row;
    return { tokenHash, id, kind, name, expiresAt, createdBy };
  },

  async putPosture({ runId, attestor, entryId, selectors, owner, purpose, composition, drift, at }) {
    const row = {
      run_id: runId,
      attestor,
      entry_id: entryId ?? null,
      selectors: storedJson(selectors),
      owner,
      purpose,
      composition: storedJson(composition),
      drift: storedJson(drift),
      at,
    };
    await db
      .insertInto('posture')
      .values(row)
      .onConflict((conflict) => conflict.column('run_id').doUpdateSet(row))
      .execute();
  },

  async postures() {
    const rows = await db
      .selectFrom('posture')
      .selectAll('posture')
      .innerJoin('run', 'run.id', 'posture.run_id')
      .where('run.ended_at', 'is', null)
      .execute();
    return rows.map(posture);
  },
});
