// Is what the store holds of policies what this Cordon put there? Every version and every turn of their history is a statement that was
// signed; here it is read back and held against its row. Nothing of this code signs (policy-ledger.ts does).
import * as z from 'zod';
import { verifyEd25519 } from '../crypto/ed25519.ts';
import { parseJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { PolicyChangeRow, PolicyVersionRow } from '../store/ports.ts';
import type { PolicySource } from '../policy/policy-set.ts';
import { hashOf } from './policies.ts';

/**
 * What put a version where it is. `start`: the directory had changed when Cordon started; `apply`: an order to enforce what was given;
 * `shadow`: it became the candidate; `promote`: the candidate is enforced; `rollback`: an earlier one is; `withdraw`: no candidate any more.
 */
export const POLICY_ACTS = ['start', 'apply', 'shadow', 'promote', 'rollback', 'withdraw'] as const;
export type PolicyAct = (typeof POLICY_ACTS)[number];

const BOUNDS = { maxBytes: 65_536, maxDepth: 3 };
const count = z.number().int().min(1);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const moment = z.number().int();

const versionStatement = z.strictObject({
  schema: z.literal('cordon.policyversion/v1'),
  version: count,
  hash,
  /** The version that was enforced when this one was made. */
  parent: count.exactOptional(),
  /** Unix milliseconds. */
  createdAt: moment,
  actor: z.string(),
});

const changeStatement = z.strictObject({
  schema: z.literal('cordon.policychange/v1'),
  seq: count,
  act: z.enum(POLICY_ACTS),
  /** What the act is about. */
  version: count,
  /** What is enforced from then on. */
  enforced: count,
  /** What is looked at beside it from then on. */
  candidate: count.exactOptional(),
  /** Hash of what the configured directory held when it was read last. */
  directory: hash,
  /** Unix milliseconds. */
  at: moment,
  actor: z.string(),
  note: z.string().exactOptional(),
  /** Where the act stands in the audit log. */
  record: z.strictObject({ log: z.string(), seq: z.number().int().min(0), leafHash: z.string() }),
});

const sources = z.array(z.strictObject({ path: z.string(), text: z.string() }));

export type VersionStatement = z.infer<typeof versionStatement>;
export type PolicyChange = Readonly<z.infer<typeof changeStatement>>;
export type PolicyVersion = Readonly<VersionStatement> & { readonly sources: readonly PolicySource[] };

/** A version as it was signed. @throws Refusal CORDON-9008 */
export function provenVersion(row: PolicyVersionRow, publicKey: Uint8Array): PolicyVersion {
  const what = `policy version ${row.version}`;
  const statement = proven(versionStatement, row, publicKey, what);
  if (statement.version !== row.version) throw altered(what, `it says that it is version ${statement.version}`);
  const kept = sources.safeParse(row.sources);
  if (!kept.success || hashOf(kept.data) !== statement.hash) throw altered(what, 'its policies are not those that were signed');
  return { ...statement, sources: kept.data };
}

/** A turn of the history as it was signed. @throws Refusal CORDON-9008 */
export function provenChange(row: PolicyChangeRow, publicKey: Uint8Array): PolicyChange {
  const what = `policy change ${row.seq}`;
  const statement = proven(changeStatement, row, publicKey, what);
  if (statement.seq !== row.seq) throw altered(what, `it says that it is change ${statement.seq}`);
  return statement;
}

interface Signed {
  readonly statement: string;
  readonly signature: Uint8Array;
}

function proven<T>(form: z.ZodType<T>, { statement, signature }: Signed, publicKey: Uint8Array, what: string): T {
  const bytes = Buffer.from(statement);
  if (!verifyEd25519(publicKey, bytes, signature)) throw altered(what, 'the signature is not that of its statement');
  const read = form.safeParse(parseJson(bytes, BOUNDS));
  if (!read.success) throw altered(what, 'the statement is of another kind');
  return read.data;
}

/** The store does not hold what was put into it. */
export const altered = (what: string, observed: string): Refusal =>
  new Refusal('CORDON-9008', `${what} was altered in the store`, { observed });
