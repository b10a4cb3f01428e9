// Decisions as people read them: kept with their inputs (sealed) and, for every deny, why; written in groups, off the path of a call.
// The log is the truth; what is lost here in a crash is convenience.
import type { Sealer } from '../crypto/seal.ts';
import type { AccessRequest, DecisionRecord, Explanation, Receipt } from '../domain/access.ts';
import { parseJson, writeJson, type Json } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import type { DecisionFilter, DecisionRow, Decisions } from '../store/ports.ts';

const FLUSH_MS = 50;
const MAX_QUEUE = 10_000;
const INPUT_BOUNDS = { maxBytes: 4_194_304, maxDepth: 100 };

export interface RecordedDecision {
  readonly record: DecisionRecord;
  readonly receipt: Receipt;
  readonly request: AccessRequest | undefined;
}

export interface ExplainedDecision {
  readonly record: DecisionRecord;
  readonly seq: number;
  readonly explanation: Explanation | undefined;
  /** Set when the policies changed since: the explanation is of the set in force now. */
  readonly explainedWith: number | undefined;
}

export interface DecisionIndex {
  add(recorded: RecordedDecision): void;
  get(id: string): Promise<ExplainedDecision | undefined>;
  list(filter: DecisionFilter): Promise<readonly DecisionRow[]>;
  /** Live records, in order, each with why it was denied when it was. @returns stops listening */
  watch(listener: (row: DecisionRow) => void): () => void;
  close(): Promise<void>;
}

export function createDecisionIndex(store: Decisions, sealer: Sealer, snapshot: () => Snapshot, onError: (error: unknown) => void): DecisionIndex {
  let queue: (RecordedDecision & { readonly snapshot: Snapshot })[] = [];
  let timer: NodeJS.Timeout | undefined;
  let flushing = Promise.resolve();
  const listeners = new Set<(row: DecisionRow) => void>();

  const flush = (): Promise<void> => {
    timer = undefined;
    const batch = queue;
    queue = [];
    const rows = batch.map((entry) => rowOf(entry, sealer));
    for (const listener of listeners) for (const row of rows) listener(row);
    flushing = flushing.then(() => (rows.length === 0 ? undefined : store.putDecisions(rows))).catch(onError);
    return flushing;
  };

  return {
    add(recorded): void {
      if (queue.length >= MAX_QUEUE) return; // the log has it; a flood must not cost memory without end
      queue.push({ ...recorded, snapshot: snapshot() });
      timer ??= setTimeout(() => void flush(), FLUSH_MS);
    },
    async get(id): Promise<ExplainedDecision | undefined> {
      await flush();
      const row = await store.getDecision(id);
      return row === undefined ? undefined : explained(row, sealer, snapshot());
    },
    async list(filter): Promise<readonly DecisionRow[]> {
      await flush();
      return store.listDecisions(filter);
    },
    watch(listener): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close(): Promise<void> {
      clearTimeout(timer);
      await flush();
    },
  };
}

function rowOf({ record, receipt, request, snapshot }: RecordedDecision & { readonly snapshot: Snapshot }, sealer: Sealer): DecisionRow {
  const denied = record.verdict !== 'allow' && request !== undefined;
  const explanation = denied ? explain(request, snapshot) : undefined;
  return {
    id: record.id,
    at: Date.parse(record.ts),
    agent: request?.subject.id ?? '',
    verdict: record.verdict,
    ...(record.code === undefined ? {} : { code: record.code }),
    seq: receipt.seq,
    record: record as unknown as Json,
    ...(request === undefined ? {} : { inputs: sealer.seal(record.id, Buffer.from(writeJson(request as unknown as Json))) }),
    ...(explanation === undefined ? {} : { explanation: explanation as unknown as Json }),
  };
}

function explain(request: AccessRequest, snapshot: Snapshot): Explanation | undefined {
  if (snapshot.policies instanceof Refusal) return undefined;
  try {
    return snapshot.policies.explain(request, snapshot.world);
  } catch {
    return undefined; // an explanation that fails changes no decision; the record says what was decided
  }
}

function explained(row: DecisionRow, sealer: Sealer, snapshot: Snapshot): ExplainedDecision {
  const record = row.record as unknown as DecisionRecord;
  const kept = row.explanation as unknown as Explanation | undefined;
  if (kept !== undefined || row.inputs === undefined) return { record, seq: row.seq, explanation: kept, explainedWith: undefined };
  const request = parseJson(sealer.open(row.id, row.inputs), INPUT_BOUNDS) as unknown as AccessRequest;
  const now = snapshot.policies instanceof Refusal ? undefined : snapshot.policies;
  const changed = now?.hash === record.policy.bundle_hash ? undefined : now?.version;
  return { record, seq: row.seq, explanation: explain(request, snapshot), explainedWith: changed };
}
