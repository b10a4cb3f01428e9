// The history of the tables, forward only. A migration that was released is never edited: the next one gets the next number.
// Promises: a database is either at the version of this Cordon when `migrate` resolves, or untouched.
import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { ColumnTypes, Tables } from './schema.ts';

type Step = (db: Kysely<Tables>, types: ColumnTypes) => Promise<void>;

/** By name, in the order of their names. */
const STEPS: Readonly<Record<string, Step>> = {
  '0001_identity': async (db, types) => {
    const { text, integer } = types;
    await types
      .table(db.schema.createTable('run'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('kind', text, (c) => c.notNull())
      .addColumn('name', text, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('ended_at', integer)
      .execute();
    await db.schema.createIndex('run_active').on('run').columns(['created_at', 'id']).where(sql.ref('ended_at'), 'is', null).execute();
    await types
      .table(db.schema.createTable('join_token'))
      .addColumn('token_hash', text, (c) => c.primaryKey())
      .addColumn('run_id', text, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .execute();
    await types
      .table(db.schema.createTable('certificate'))
      .addColumn('serial', text, (c) => c.primaryKey())
      // a certificate of a run that nobody knows could not be contained by naming the run
      .addColumn('run_id', text, (c) => c.notNull().references('run.id'))
      .addColumn('spiffe_id', text, (c) => c.notNull())
      .addColumn('not_before', integer, (c) => c.notNull())
      .addColumn('not_after', integer, (c) => c.notNull())
      .execute();
    await db.schema.createIndex('certificate_of_run').on('certificate').columns(['run_id', 'not_before']).execute();
  },

  '0002_state': async (db, types) => {
    const { text, integer, json, bytes } = types;
    await types
      .table(db.schema.createTable('level_change'))
      .addColumn('seq', integer, types.identity)
      .addColumn('agent', text, (c) => c.notNull())
      .addColumn('level', text, (c) => c.notNull())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('actor', text, (c) => c.notNull())
      .addColumn('reason', text, (c) => c.notNull())
      .execute();
    await db.schema.createIndex('level_of_agent').on('level_change').columns(['agent', 'seq']).execute();
    await types
      .table(db.schema.createTable('sealed'))
      .addColumn('name', text, (c) => c.primaryKey())
      .addColumn('sealed', bytes, (c) => c.notNull())
      .execute();
    await types
      .table(db.schema.createTable('pin'))
      .addColumn('resource', text, (c) => c.primaryKey())
      .addColumn('digest', text, (c) => c.notNull())
      .addColumn('tools', json, (c) => c.notNull())
      .execute();
  },

  '0003_decisions': async (db, types) => {
    const { text, integer, json, bytes } = types;
    await types
      .table(db.schema.createTable('decision'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('agent', text, (c) => c.notNull())
      .addColumn('verdict', text, (c) => c.notNull())
      .addColumn('code', text)
      .addColumn('seq', integer, (c) => c.notNull())
      .addColumn('record', json, (c) => c.notNull())
      .addColumn('inputs', bytes)
      .addColumn('explanation', json)
      .execute();
    await db.schema.createIndex('decision_seq').on('decision').column('seq').execute();
    await db.schema.createIndex('decision_agent').on('decision').columns(['agent', 'seq']).execute();
    await db.schema.createIndex('decision_verdict').on('decision').columns(['verdict', 'seq']).execute();
  },

  '0004_policies': async (db, { text, integer, json, bytes, table }) => {
    await table(db.schema.createTable('policy_version'))
      .addColumn('version', integer, (c) => c.primaryKey())
      .addColumn('hash', text, (c) => c.notNull())
      .addColumn('sources', json, (c) => c.notNull())
      .addColumn('statement', json, (c) => c.notNull())
      .addColumn('signature', bytes, (c) => c.notNull())
      .execute();
    await table(db.schema.createTable('policy_change'))
      .addColumn('seq', integer, (c) => c.primaryKey())
      .addColumn('statement', json, (c) => c.notNull())
      .addColumn('signature', bytes, (c) => c.notNull())
      .execute();
    await db.schema.alterTable('decision').addColumn('shadow_version', integer).execute();
    await db.schema.alterTable('decision').addColumn('shadow_verdict', text).execute();
    await db.schema
      .createIndex('decision_shadow')
      .on('decision')
      .columns(['shadow_version', 'seq', 'verdict', 'shadow_verdict'])
      .where(sql.ref('shadow_version'), 'is not', null)
      .execute();
  },

  '0006_entries': async (db, { text, integer, json, table }) => {
    await table(db.schema.createTable('registered_agent'))
      .addColumn('name', text, (c) => c.primaryKey())
      .addColumn('segment', text, (c) => c.notNull())
      .addColumn('owner', text, (c) => c.notNull())
      .addColumn('purpose', text, (c) => c.notNull())
      .addColumn('created_by', text, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .execute();
    await table(db.schema.createTable('entry'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('kind', text, (c) => c.notNull())
      .addColumn('name', text, (c) => c.notNull())
      .addColumn('selectors', json, (c) => c.notNull())
      .addColumn('ttl', integer)
      .addColumn('owner', text, (c) => c.notNull())
      .addColumn('purpose', text, (c) => c.notNull())
      .addColumn('composition', json, (c) => c.notNull())
      .addColumn('created_by', text, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .execute();
    await table(db.schema.createTable('agent_token'))
      .addColumn('token_hash', text, (c) => c.primaryKey())
      .addColumn('id', text, (c) => c.notNull())
      .addColumn('kind', text, (c) => c.notNull())
      .addColumn('name', text, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('created_by', text, (c) => c.notNull())
      .execute();
    await table(db.schema.createTable('posture'))
      .addColumn('run_id', text, (c) => c.primaryKey().references('run.id'))
      .addColumn('attestor', text, (c) => c.notNull())
      .addColumn('entry_id', text)
      .addColumn('selectors', json, (c) => c.notNull())
      .addColumn('owner', text, (c) => c.notNull())
      .addColumn('purpose', text, (c) => c.notNull())
      .addColumn('composition', json, (c) => c.notNull())
      .addColumn('drift', json, (c) => c.notNull())
      .addColumn('at', integer, (c) => c.notNull())
      .execute();
  },

  '0007_revocations': async (db, { text, integer, table }) => {
    await table(db.schema.createTable('revocation'))
      .addColumn('kind', text, (c) => c.notNull())
      .addColumn('id', text, (c) => c.notNull())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('until', integer, (c) => c.notNull())
      .addColumn('actor', text, (c) => c.notNull())
      .addColumn('reason', text, (c) => c.notNull())
      .addPrimaryKeyConstraint('revocation_key', ['kind', 'id'])
      .execute();
  },

  '0008_federation': async (db, { text, integer, bytes, table }) => {
    await table(db.schema.createTable('federated_bundle'))
      .addColumn('trust_domain', text, (c) => c.primaryKey())
      .addColumn('sealed', bytes, (c) => c.notNull())
      .addColumn('fetched_at', integer, (c) => c.notNull())
      .execute();
  },

  '0009_operators': async (db, { text, integer, bytes, table }) => {
    await table(db.schema.createTable('operator'))
      .addColumn('name', text, (c) => c.primaryKey())
      .addColumn('role', text, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('created_by', text, (c) => c.notNull())
      .addColumn('subject', text)
      .execute();
    await table(db.schema.createTable('passkey'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('operator', text, (c) => c.notNull())
      .addColumn('public_key', bytes, (c) => c.notNull())
      .addColumn('counter', integer, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .execute();
    await table(db.schema.createTable('invite'))
      .addColumn('secret_hash', text, (c) => c.primaryKey())
      .addColumn('operator', text, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .execute();
    await table(db.schema.createTable('held_order'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('rule', text, (c) => c.notNull())
      .addColumn('route', text, (c) => c.notNull())
      .addColumn('input', bytes, (c) => c.notNull())
      .addColumn('digest', text, (c) => c.notNull())
      .addColumn('actor', text, (c) => c.notNull())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('state', text, (c) => c.notNull())
      .addColumn('decided_by', text)
      .addColumn('decided_at', integer)
      .execute();
    await table(db.schema.createTable('break_glass'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('operator', text, (c) => c.notNull())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('until', integer, (c) => c.notNull())
      .addColumn('reason', text, (c) => c.notNull())
      .addColumn('reviewed_by', text)
      .addColumn('reviewed_at', integer)
      .execute();
  },

  '0010_grants': async (db, { text, integer, bytes, table }) => {
    await table(db.schema.createTable('grant_request'))
      .addColumn('id', text, (c) => c.primaryKey())
      .addColumn('digest', text, (c) => c.notNull())
      .addColumn('agent', text, (c) => c.notNull())
      .addColumn('action', text, (c) => c.notNull())
      .addColumn('resource', text, (c) => c.notNull())
      .addColumn('request', bytes, (c) => c.notNull())
      .addColumn('decision', text, (c) => c.notNull())
      .addColumn('approver', text, (c) => c.notNull())
      .addColumn('policies', text, (c) => c.notNull())
      .addColumn('reason', text, (c) => c.notNull())
      .addColumn('asked_at', integer, (c) => c.notNull())
      .addColumn('times', integer, (c) => c.notNull())
      .addColumn('state', text, (c) => c.notNull())
      .addColumn('until', integer, (c) => c.notNull())
      .addColumn('uses', integer, (c) => c.notNull())
      .addColumn('used', integer, (c) => c.notNull())
      .addColumn('answered_by', text)
      .addColumn('answered_at', integer)
      .addColumn('comment', text)
      .execute();
    await db.schema.createIndex('grant_asked').on('grant_request').columns(['asked_at', 'id']).execute();
  },

  '0011_run_task': async (db, { text }) => {
    await db.schema.alterTable('run').addColumn('task', text).execute();
  },
};

const TABLE = 'migration';

/**
 * Brings the tables to the version of this Cordon, in one transaction. `place` names the database in messages.
 * @throws Refusal CORDON-9006 when a newer Cordon wrote the database, and whatever the dialect refuses
 */
export async function migrate(db: Kysely<Tables>, types: ColumnTypes, place: string): Promise<void> {
  const steps = Object.entries(STEPS).map(([name, up]): [string, Migration] => [name, { up: (on: Kysely<Tables>) => up(on, types) }]);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(Object.fromEntries(steps)) },
    migrationTableName: TABLE,
    migrationLockTableName: `${TABLE}_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Refusal) throw error;
  await refuseNewer(db, place);
  throw asRefusal(error, 'CORDON-9006', `cannot bring \`${place}\` to the tables of this version`);
}

async function refuseNewer(db: Kysely<Tables>, place: string): Promise<void> {
  const done = await db.selectFrom(TABLE).select('name').orderBy('name').execute();
  const unknown = done.find(({ name }) => !Object.hasOwn(STEPS, name));
  if (unknown === undefined) return;
  throw new Refusal('CORDON-9006', `\`${place}\` was written by a newer Cordon`, {
    observed: unknown.name,
    expected: `at most ${Object.keys(STEPS).at(-1) ?? ''}`,
    fix: 'start the newer Cordon, or restore the backup made before the upgrade',
  });
}
