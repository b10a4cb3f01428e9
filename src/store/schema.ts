// The tables of every SQL store, as TypeScript sees them, and the few things in which databases differ: column types here, locks and
// connections in the dialects. Names are snake_case in the database and nowhere else: `sql-*.ts` maps them to the values of `ports.ts`.
import { sql, type ColumnDefinitionBuilder, type CreateTableBuilder, type Generated } from 'kysely';
import type { ApproverRole, Level } from '../domain/access.ts';
import { writeJson, type Json } from '../domain/json.ts';
import type { OperatorRole, TwoPersonRule } from '../domain/operators.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Revocable } from '../domain/revocation.ts';
import type { WorkloadKind } from '../domain/spiffe-id.ts';
import type { GrantState } from './grant-port.ts';
import type { OrderState } from './ports.ts';

interface MigrationTable {
  readonly name: string;
  readonly timestamp: string;
}

interface RunTable {
  readonly id: string;
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly created_at: number;
  readonly ended_at: number | null;
  readonly task: string | null;
}

interface JoinTokenTable {
  readonly token_hash: string;
  readonly run_id: string;
  readonly expires_at: number;
}

interface CertificateTable {
  readonly serial: string;
  readonly run_id: string;
  readonly spiffe_id: string;
  readonly not_before: number;
  readonly not_after: number;
}

interface LevelChangeTable {
  /** Order of arrival: the last change is the one written last, even after the clock was set back. */
  readonly seq: Generated<number>;
  readonly agent: string;
  readonly level: Level;
  readonly at: number;
  readonly actor: string;
  readonly reason: string;
}

interface SealedTable {
  readonly name: string;
  readonly sealed: Uint8Array;
}

interface PinTable {
  readonly resource: string;
  readonly digest: string;
  readonly tools: string;
}

export interface DecisionTable {
  readonly id: string;
  readonly at: number;
  readonly agent: string;
  readonly verdict: string;
  readonly code: string | null;
  readonly seq: number;
  readonly record: string;
  readonly inputs: Uint8Array | null;
  readonly explanation: string | null;
  readonly shadow_version: number | null;
  readonly shadow_verdict: string | null;
}

export interface PolicyVersionTable {
  readonly version: number;
  readonly hash: string;
  readonly sources: string;
  readonly statement: string;
  readonly signature: Uint8Array;
}

interface PolicyChangeTable {
  readonly seq: number;
  readonly statement: string;
  readonly signature: Uint8Array;
}

interface OperatorTable {
  readonly name: string;
  readonly role: OperatorRole;
  readonly created_at: number;
  readonly created_by: string;
  readonly subject: string | null;
}

interface PasskeyTable {
  readonly id: string;
  readonly operator: string;
  readonly public_key: Uint8Array;
  readonly counter: number;
  readonly created_at: number;
}

interface InviteTable {
  readonly secret_hash: string;
  readonly operator: string;
  readonly expires_at: number;
}

interface OrderTable {
  readonly id: string;
  readonly rule: TwoPersonRule;
  readonly route: string;
  readonly input: Uint8Array;
  readonly digest: string;
  readonly actor: string;
  readonly at: number;
  readonly expires_at: number;
  readonly state: OrderState;
  readonly decided_by: string | null;
  readonly decided_at: number | null;
}

interface BreakGlassTable {
  readonly id: string;
  readonly operator: string;
  readonly at: number;
  readonly until: number;
  readonly reason: string;
  readonly reviewed_by: string | null;
  readonly reviewed_at: number | null;
}

interface RegisteredAgentTable {
  readonly name: string;
  readonly segment: string;
  readonly owner: string;
  readonly purpose: string;
  readonly created_by: string;
  readonly created_at: number;
}

interface EntryTable {
  readonly id: string;
  readonly kind: 'agent' | 'resource';
  readonly name: string;
  readonly selectors: string;
  readonly ttl: number | null;
  readonly owner: string;
  readonly purpose: string;
  readonly composition: string;
  readonly created_by: string;
  readonly created_at: number;
}

interface AgentTokenTable {
  readonly token_hash: string;
  readonly id: string;
  readonly kind: 'agent' | 'resource';
  readonly name: string;
  readonly expires_at: number;
  readonly created_by: string;
}

interface PostureTable {
  readonly run_id: string;
  readonly attestor: string;
  readonly entry_id: string | null;
  readonly selectors: string;
  readonly owner: string;
  readonly purpose: string;
  readonly composition: string;
  readonly drift: string;
  readonly at: number;
}

interface RevocationTable {
  readonly kind: Revocable;
  readonly id: string;
  readonly at: number;
  readonly until: number;
  readonly actor: string;
  readonly reason: string;
}

interface GrantTable {
  readonly id: string;
  readonly digest: string;
  readonly agent: string;
  readonly action: string;
  readonly resource: string;
  readonly request: Uint8Array;
  readonly decision: string;
  readonly approver: ApproverRole;
  /** With spaces between. */
  readonly policies: string;
  readonly reason: string;
  readonly asked_at: number;
  readonly times: number;
  readonly state: GrantState;
  readonly until: number;
  readonly uses: number;
  readonly used: number;
  readonly answered_by: string | null;
  readonly answered_at: number | null;
  readonly comment: string | null;
}

interface FederatedBundleTable {
  readonly trust_domain: string;
  readonly sealed: Uint8Array;
  readonly fetched_at: number;
}

export interface Tables {
  /** Kysely's `Migrator` keeps it; one row per migration that was run. */
  readonly migration: MigrationTable;
  readonly run: RunTable;
  readonly join_token: JoinTokenTable;
  readonly certificate: CertificateTable;
  readonly level_change: LevelChangeTable;
  readonly sealed: SealedTable;
  readonly pin: PinTable;
  readonly decision: DecisionTable;
  readonly policy_version: PolicyVersionTable;
  readonly policy_change: PolicyChangeTable;
  readonly registered_agent: RegisteredAgentTable;
  readonly entry: EntryTable;
  readonly agent_token: AgentTokenTable;
  readonly posture: PostureTable;
  readonly operator: OperatorTable;
  readonly passkey: PasskeyTable;
  readonly invite: InviteTable;
  readonly held_order: OrderTable;
  readonly break_glass: BreakGlassTable;
  readonly revocation: RevocationTable;
  readonly federated_bundle: FederatedBundleTable;
  readonly grant_request: GrantTable;
}

type AnyTable = CreateTableBuilder<string, string>;

/** How one database spells the column types of `Tables`. JSON is text everywhere: PostgreSQL's `jsonb` refuses U+0000 and drops key order. */
export interface ColumnTypes {
  readonly text: 'text';
  readonly json: 'text';
  /** 64 bits; the driver must hand it over as a number (all of ours are below 2^53). */
  readonly integer: 'integer' | 'bigint';
  readonly bytes: 'blob' | 'bytea';
  /** A primary key that the database counts up. */
  readonly identity: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder;
  /** What every `create table` ends with. */
  readonly table: (table: AnyTable) => AnyTable;
}

export const SQLITE_TYPES: ColumnTypes = {
  text: 'text',
  json: 'text',
  integer: 'integer',
  bytes: 'blob',
  identity: (column) => column.primaryKey().autoIncrement(),
  table: (table) => table.modifyEnd(sql`strict`),
};

/** JSON as it is stored; integers of any size stay exact. */
export const storedJson = (value: Json): string => writeJson(value);

const LONG_INTEGER = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** Reads what `storedJson` wrote. Without the strictness of `parseJson`: a row that could be written must stay readable. */
export function readStoredJson(text: string): Json {
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- what JSON.parse returns is Json, and so is what the reviver makes of it
  const value: Json = JSON.parse(text, LONG_INTEGER.test(text) ? exactInteger : undefined);
  return value;
}

const exactInteger = (_key: string, value: unknown, context?: { readonly source: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && INTEGER.test(context?.source ?? '') ? BigInt(context?.source ?? 0) : value;

const PAGE_MAX = 1000;

/** Checks the number of rows that a caller asks for. @throws Refusal CORDON-9011 outside 1 to 1,000 */
export function pageSize(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw new Refusal('CORDON-9011', '`limit` out of range', {
      observed: String(limit),
      expected: `1 to ${PAGE_MAX}`,
      fix: 'ask for fewer rows and page on',
    });
  }
  return limit;
}

/**
 * Checks a text before it is bound, in every SQL store alike.
 * Half a surrogate pair would be stored as U+FFFD, so that two names become one; PostgreSQL cannot hold U+0000.
 * @throws Refusal CORDON-9011
 */
export function storableText(text: string): string {
  if (text.isWellFormed() && !text.includes('\0')) return text;
  throw new Refusal('CORDON-9011', 'text cannot be stored', {
    observed: text.isWellFormed() ? 'U+0000' : 'half a surrogate pair',
    expected: 'well-formed Unicode without U+0000',
    fix: 'send text of whole characters',
  });
}
