// A store over any SQL database that Kysely has a dialect for: the queries are the same, only the dialect and the column types differ.
import type { Kysely } from 'kysely';
import type { Store } from './ports.ts';
import type { Tables } from './schema.ts';
import { decisions, type InsertDecisions } from './sql-decisions.ts';
import { certificates, joinTokens, runs } from './sql-identity.ts';
import { entries } from './sql-entries.ts';
import { federatedBundles } from './sql-federation.ts';
import { grants } from './sql-grants.ts';
import { operators } from './sql-operators.ts';
import { orders } from './sql-orders.ts';
import { policyVersions } from './sql-policies.ts';
import { revocations } from './sql-revocations.ts';
import { levels, pins, sealedBytes } from './sql-state.ts';

/** Composes the ports over one database whose tables are migrated; `insert` writes decisions. `close` must be idempotent. */
export const sqlStore = (db: Kysely<Tables>, insert: InsertDecisions, close: () => Promise<void>): Store => ({
  ...runs(db),
  ...joinTokens(db),
  ...certificates(db),
  ...levels(db),
  ...sealedBytes(db),
  ...pins(db),
  ...decisions(db, insert),
  ...policyVersions(db),
  ...entries(db),
  ...operators(db),
  ...orders(db),
  ...revocations(db),
  ...federatedBundles(db),
  ...grants(db),
  close,
});
