// A decision as it is stored for people: the record, its inputs sealed, and why; and the same read back.
import type { Box, Sealer } from '../crypto/seal.ts';
import {
  accessRequestJson,
  isDecisionRecord,
  parseAccessRequest,
  type AccessRequest,
  type DecisionRecord,
  type Explanation,
  type Receipt,
} from '../domain/access.ts';
import { parseJson, writeJson, type Json } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload } from '../domain/spiffe-id.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { explainGates } from '../policy/gates.ts';
import type { DecisionRow } from '../store/ports.ts';

const INPUT_BOUNDS = { maxBytes: 33_554_432, maxDepth: 100 };

export interface RecordedDecision {
  readonly record: DecisionRecord;
  readonly receipt: Receipt;
  /** Absent when the message was refused before it was one. */
  readonly request: AccessRequest | undefined;
}

export interface ExplainedDecision {
  readonly record: DecisionRecord;
  /** Number of the entry in the log. */
  readonly seq: number;
  readonly explanation: Json | undefined;
  /** Set when the policies changed since: the explanation is of the set in force now. */
  readonly explainedWith: number | undefined;
}

/** `explanation`: why, when it was worked out already. */
export function rowOf({ record, receipt, request }: RecordedDecision, explanation: Explanation | undefined, sealer: Sealer): DecisionRow {
  const { shadow } = record;
  return {
    id: record.id,
    at: Date.parse(record.ts),
    agent: request?.subject.id ?? nameIn(record.principal),
    verdict: record.verdict,
    ...(record.code === undefined ? {} : { code: record.code }),
    seq: receipt.seq,
    record,
    ...(request === undefined
      ? {}
      : { inputs: boxOf(sealer, Date.parse(record.ts)).seal(record.id, Buffer.from(writeJson(accessRequestJson(request)))) }),
    ...(explanation === undefined ? {} : { explanation }),
    ...(shadow === undefined ? {} : { shadow: { version: shadow.policy.version, verdict: shadow.verdict } }),
  };
}

/** Of whoever was known when the message was refused before it was a request. */
const nameIn = (principal: string | undefined): string => (principal === undefined ? '' : parseWorkload(parseSpiffeId(principal)).name);

const HOUR_MS = 3_600_000;

/** The inputs of one hour share a key: a gateway stays far below a million decisions a second. */
const boxOf = (sealer: Sealer, at: number): Box => sealer.group(`decisions/${Math.floor(at / HOUR_MS)}`);

/** The request as it was decided on; undefined when the message was refused before it was one. @throws Refusal CORDON-9006, CORDON-9011 */
export const requestOf = ({ id, at, inputs }: DecisionRow, sealer: Sealer): AccessRequest | undefined =>
  inputs && parseAccessRequest(parseJson(boxOf(sealer, at).open(id, inputs), INPUT_BOUNDS));

/** Why a request is decided as it is; undefined when it is not known. Costs milliseconds. `at`: when it was, Unix milliseconds. */
export function explain(request: AccessRequest, { policies, world }: Snapshot, at: number): Explanation | undefined {
  if (policies instanceof Refusal) return undefined;
  try {
    return explainGates(policies, request, world, at);
  } catch {
    return undefined; // an explanation that fails changes no decision; the record says what was decided
  }
}

/** A stored decision with why; one that was stored without is explained with the state of now. @throws Refusal CORDON-9006 */
export function readRow(row: DecisionRow, sealer: Sealer, snapshot: Snapshot): ExplainedDecision {
  const { id, seq, record, explanation } = row;
  if (!isDecisionRecord(record)) throw new Refusal('CORDON-9006', `the stored record of \`${id}\` is no decision record`);
  const request = explanation === undefined ? requestOf(row, sealer) : undefined;
  if (request === undefined) return { record, seq, explanation, explainedWith: undefined };
  const now = snapshot.policies instanceof Refusal ? undefined : snapshot.policies;
  const explainedWith = now?.hash === record.policy.bundle_hash ? undefined : now?.version;
  return { record, seq, explanation: explain(request, snapshot, row.at), explainedWith };
}
