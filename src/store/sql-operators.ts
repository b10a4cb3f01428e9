// Operators, their passkeys and one-time links in SQL that SQLite and PostgreSQL both speak.
import type { Kysely, Selectable } from 'kysely';
import type { InviteRow, OperatorRow, Operators, PasskeyRow } from './ports.ts';
import type { Tables } from './schema.ts';

const operator = (row: Selectable<Tables['operator']>): OperatorRow => ({
  name: row.name,
  role: row.role,
  createdAt: row.created_at,
  createdBy: row.created_by,
  ...(row.subject === null ? {} : { subject: row.subject }),
});

const passkey = (row: Selectable<Tables['passkey']>): PasskeyRow => ({
  id: row.id,
  operator: row.operator,
  publicKey: new Uint8Array(row.public_key),
  counter: row.counter,
  createdAt: row.created_at,
});

function inviteOf(row: Selectable<Tables['invite']> | undefined, now: number): InviteRow | undefined {
  if (row === undefined || row.expires_at <= now) return undefined;
  return { secretHash: row.secret_hash, operator: row.operator, expiresAt: row.expires_at };
}

export const operators = (db: Kysely<Tables>): Operators => ({
  async putOperator({ name, role, createdAt, createdBy, subject }) {
    const row = { name, role, created_at: createdAt, created_by: createdBy, subject: subject ?? null };
    await db
      .insertInto('operator')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
  },

  async operators() {
    return (await db.selectFrom('operator').selectAll().orderBy('name').execute()).map(operator);
  },

  removeOperator: (name) =>
    db.transaction().execute(async (on) => {
      await on.deleteFrom('passkey').where('operator', '=', name).execute();
      await on.deleteFrom('invite').where('operator', '=', name).execute();
      const { numDeletedRows } = await on.deleteFrom('operator').where('name', '=', name).executeTakeFirstOrThrow();
      return numDeletedRows > 0n;
    }),

  async addPasskey({ id, operator: owner, publicKey, counter, createdAt }) {
    await db.insertInto('passkey').values({ id, operator: owner, public_key: publicKey, counter, created_at: createdAt }).execute();
  },

  async passkey(id) {
    const row = await db.selectFrom('passkey').selectAll().where('id', '=', id).executeTakeFirst();
    return row && passkey(row);
  },

  // WebAuthn §6.1.1: an authenticator that counts has counted on; one that does not stays at 0
  async usePasskey(id, counter) {
    const { numUpdatedRows } = await db
      .updateTable('passkey')
      .set({ counter })
      .where('id', '=', id)
      .where('counter', counter === 0 ? '=' : '<', counter)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  },

  async addInvite({ secretHash, operator: invited, expiresAt }) {
    await db.insertInto('invite').values({ secret_hash: secretHash, operator: invited, expires_at: expiresAt }).execute();
  },

  async invite(secretHash, now) {
    return inviteOf(await db.selectFrom('invite').selectAll().where('secret_hash', '=', secretHash).executeTakeFirst(), now);
  },

  // INVARIANT I5: one statement reads and takes
  async takeInvite(secretHash, now) {
    return inviteOf(await db.deleteFrom('invite').where('secret_hash', '=', secretHash).returningAll().executeTakeFirst(), now);
  },
});
