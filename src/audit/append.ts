// How a record becomes an entry of the log: the story function of INVARIANT I3, recorded before effect. Whoever holds the receipt
// knows that the entry is with the kernel (or on the disk, with `fsync` durability); whoever holds none must not act.
import type { LogRecord, Receipt } from '../domain/access.ts';
import { encodeFrame, type Frame } from './frame.ts';
import { encodeLeaf } from './leaf.ts';

/** Where entries go. `write` either stores the whole frame and counts it, or throws and leaves the log as it was. */
export interface AppendOnly {
  readonly origin: string;
  /** Entries so far: the number of the next one. */
  readonly size: number;
  write(frame: Frame): void;
}

/** Records. @throws Refusal CORDON-9004 when it cannot: then nothing is recorded and nothing may be done */
export function append(log: AppendOnly, record: LogRecord): Receipt {
  const leaf = encodeLeaf(record);
  // a crash here leaves nothing: no entry, no receipt, no effect
  const frame = encodeFrame(log.size, leaf);
  // a crash here leaves nothing; the number is not taken, the next record gets it
  log.write(frame);
  // a crash within leaves a torn frame at the end of the journal, which recovery cuts off: no receipt was given for it
  // a crash from here on leaves the entry: recovery finds it, and a decision without effect is on record, never the reverse
  return { log: log.origin, seq: frame.seq, leafHash: Buffer.from(frame.hash).toString('hex') };
  // a crash after the receipt leaves the entry too; tiles and checkpoint follow from the journal whenever it is opened next
}
