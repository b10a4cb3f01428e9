// Policy versions and their history in SQL that SQLite and PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import type { PolicyVersionRow, PolicyVersions } from './ports.ts';
import { pageSize, readStoredJson, storedJson, type PolicyVersionTable, type Tables } from './schema.ts';
import { sealedBytes } from './sql-state.ts';

const toTable = (row: PolicyVersionRow): PolicyVersionTable => ({ ...row, sources: storedJson(row.sources) });
const fromTable = (row: Selectable<PolicyVersionTable>): PolicyVersionRow => ({ ...row, sources: readStoredJson(row.sources) });

export const policyVersions = (db: Kysely<Tables>): PolicyVersions => ({
  async addPolicyChange({ seq, statement, signature }, last, added) {
    await db.transaction().execute(async (transaction) => {
      if (added !== undefined) await transaction.insertInto('policy_version').values(toTable(added)).execute();
      await transaction.insertInto('policy_change').values({ seq, statement, signature }).execute();
      await sealedBytes(transaction).putSealed(last.name, last.sealed);
    });
  },

  async policyVersion(version) {
    const row = await db.selectFrom('policy_version').selectAll().where('version', '=', version).executeTakeFirst();
    return row && fromTable(row);
  },

  async policyHashes() {
    const rows = await db.selectFrom('policy_version').select(['version', 'hash']).orderBy('version', 'desc').execute();
    return rows.map(({ version, hash }) => ({ version, hash }));
  },

  async policyChanges(limit) {
    const rows = await db.selectFrom('policy_change').selectAll().orderBy('seq', 'desc').limit(pageSize(limit)).execute();
    return rows.map(({ seq, statement, signature }) => ({ seq, statement, signature }));
  },
});
