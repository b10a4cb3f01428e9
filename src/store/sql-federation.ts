// Bundles of federated trust domains in SQL that SQLite and PostgreSQL both speak.
import type { Kysely } from 'kysely';
import type { FederatedBundles } from './ports.ts';
import { storableText, type Tables } from './schema.ts';

export const federatedBundles = (db: Kysely<Tables>): FederatedBundles => ({
  async putFederatedBundle({ trustDomain, sealed, fetchedAt }) {
    await db
      .insertInto('federated_bundle')
      .values({ trust_domain: storableText(trustDomain), sealed, fetched_at: fetchedAt })
      .onConflict((conflict) => conflict.column('trust_domain').doUpdateSet({ sealed, fetched_at: fetchedAt }))
      .execute();
  },

  async federatedBundles() {
    const rows = await db.selectFrom('federated_bundle').selectAll().orderBy('trust_domain').execute();
    return rows.map((row) => ({ trustDomain: row.trust_domain, sealed: row.sealed, fetchedAt: row.fetched_at }));
  },

  async removeFederatedBundle(trustDomain) {
    await db.deleteFrom('federated_bundle').where('trust_domain', '=', trustDomain).execute();
  },
});
