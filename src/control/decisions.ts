// Decisions as people read them: kept with their inputs (sealed) and, for denials, why; written in groups, off the path of a call.
// The log is the truth; what is lost here in a crash or a flood is convenience.
import { setImmediate } from 'node:timers/promises';
import type { Sealer } from '../crypto/seal.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import type { DecisionFilter, DecisionRow, Decisions } from '../store/ports.ts';
import { explain, readRow, rowOf, type ExplainedDecision, type RecordedDecision } from './decision-rows.ts';

export type { RecordedDecision, ExplainedDecision };

/** Milliseconds. */
const FLUSH_MS = 50;
const MAX_QUEUE = 10_000;
const BATCH = 200;
/** Rows are made and sealed on the thread that decides: a millisecond of it at a time. */
const BITE = 25;
/** An explanation costs milliseconds on the thread that decides calls, so a flood of denials is explained when somebody asks. */
const EXPLAINED_PER_BATCH = 10;

export interface DecisionIndex {
  add(recorded: RecordedDecision): void;
  get(id: string): Promise<ExplainedDecision | undefined>;
  list(filter: DecisionFilter): Promise<readonly DecisionRow[]>;
  /** Live records, in order, denials with why unless they come in a flood. @returns stops listening */
  watch(listener: (row: DecisionRow) => void): () => void;
  /** Writes what is queued. */
  close(): Promise<void>;
}

export interface DecisionIndexParts {
  readonly store: Decisions;
  readonly sealer: Sealer;
  readonly snapshot: () => Snapshot;
  /** Told when a group could not be stored; its records are in the log all the same. */
  readonly onError: (error: unknown) => void;
}

export const createDecisionIndex = (parts: DecisionIndexParts): DecisionIndex => new QueuedIndex(parts);

type Queued = RecordedDecision & { readonly snapshot: Snapshot };

class QueuedIndex implements DecisionIndex {
  readonly #parts: DecisionIndexParts;
  readonly #listeners = new Set<(row: DecisionRow) => void>();
  readonly #queue: Queued[] = [];
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;

  constructor(parts: DecisionIndexParts) {
    this.#parts = parts;
  }

  add(recorded: RecordedDecision): void {
    if (this.#queue.length >= MAX_QUEUE) return; // the log has it; a flood must not cost memory without end
    this.#queue.push({ ...recorded, snapshot: this.#parts.snapshot() });
    this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_MS);
  }

  async get(id: string): Promise<ExplainedDecision | undefined> {
    await this.#flush();
    const row = await this.#parts.store.getDecision(id);
    return row === undefined ? undefined : readRow(row, this.#parts.sealer, this.#parts.snapshot());
  }

  async list(filter: DecisionFilter): Promise<readonly DecisionRow[]> {
    await this.#flush();
    return this.#parts.store.listDecisions(filter);
  }

  watch(listener: (row: DecisionRow) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    return this.#flush();
  }

  /** Never rejects. One at a time: what comes meanwhile waits in the queue, which is bounded. */
  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushing ??= this.#drain().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      try {
        await this.#write(this.#queue.splice(0, BATCH));
      } catch (error) {
        this.#parts.onError(error);
      }
      if (this.#queue.length > 0) await setImmediate(); // and between two batches
    }
  }

  async #write(batch: readonly Queued[]): Promise<void> {
    let explained = 0;
    const rows: DecisionRow[] = [];
    for (const entry of batch) {
      if (rows.length > 0 && rows.length % BITE === 0) await setImmediate(); // calls go first
      const { record, request, snapshot } = entry;
      const why = record.verdict !== 'allow' && request !== undefined && explained++ < EXPLAINED_PER_BATCH;
      rows.push(rowOf(entry, why ? explain(request, snapshot, Date.parse(record.ts)) : undefined, this.#parts.sealer));
    }
    for (const listener of this.#listeners) for (const row of rows) listener(row);
    await this.#parts.store.putDecisions(rows);
  }
}
