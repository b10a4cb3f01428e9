// The decision log in a directory: the file adapter of `audit/`. Layout (a static C2SP tlog-tiles tree, plus what only the writer needs):
//
//   checkpoint, tile/<L>/…, tile/entries/…   published, each file whole and on the disk before it has its name
//   journal/<first entry>                    what was recorded, until a signed checkpoint speaks for it
//   log.json                                 origin and verifier key; its presence makes the directory a log
//   lock                                     held by the one writer
//
// Promises: I3 (a receipt means recorded); a process killed at any moment loses no entry that has a receipt.
import type { LogRecord, Receipt } from '../domain/access.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { Ed25519Signer } from '../crypto/ed25519.ts';
import { append } from '../audit/append.ts';
import { verifyEntryProof, type EntryProof } from '../audit/entry-proof.ts';
import { decodeLeaf } from '../audit/leaf.ts';
import { formatVerifierKey, verifierKey, type VerifierKey } from '../audit/note.ts';
import { inclusionProof } from '../audit/prove.ts';
import { decodeBundle, readTile, TILE_WIDTH } from '../audit/tiles.ts';
import { Journal, type Durability } from './log-journal.ts';
import { lockDirectory, type DirectoryLock } from './log-lock.ts';
import { claimDirectory, resume } from './log-open.ts';
import type { Publisher } from './log-publish.ts';
import { errorCode, tilesAt } from './log-tiles.ts';

export interface LogOptions {
  /** Made when it does not exist. Not shared with anything else. */
  readonly dir: string;
  /** Name of the log, by convention a URL without its scheme; also the name of its key. Fixed for the life of the log. */
  readonly origin: string;
  readonly signer: Ed25519Signer;
  /** Default `journal`: with the kernel before a receipt is given, on the disk within `fsyncEveryMs`. `fsync`: on the disk before. */
  readonly durability?: Durability;
  /** 1 to 1,000, default 25. */
  readonly fsyncEveryMs?: number;
  /** How long an entry waits for a signed checkpoint: 1 to 3,600,000, default 1,000. */
  readonly checkpointEveryMs?: number;
  /** A checkpoint that someone else saw (a witness); a log that does not contain it, such as an old backup, is not opened. */
  readonly pinned?: string;
  /** Told when work off the path of a call failed: syncing, tiles, checkpoint. Publishing is tried again, and told again. */
  readonly onFault: (fault: Refusal) => void;
}

/** An append-only log of decisions that a stranger can verify. */
export interface DecisionLog {
  readonly origin: string;
  /** `name+id+base64`, what a verifier needs besides the files. */
  readonly verifierKey: string;
  /** Entries so far. */
  readonly size: number;
  /** Bytes of an unfinished entry that opening cut off: it had no receipt, unless the machine lost power. */
  readonly cutBytes: number;
  /** Records now, synchronously. @throws Refusal CORDON-9004 when it cannot; then nothing is recorded and nothing may be done */
  append(record: LogRecord): Receipt;
  /** The record of an entry. @throws Refusal CORDON-9004 or 9011 when its file is unreadable */
  get(seq: number): Promise<LogRecord | undefined>;
  /** Publishes and signs everything recorded so far; the checkpoint note. @throws Refusal CORDON-9004 */
  checkpoint(): Promise<string>;
  /** Proof of inclusion under the newest checkpoint, which is made when there is none for the entry yet. @throws Refusal CORDON-9004 */
  proof(seq: number): Promise<EntryProof>;
  /** Publishes, signs, closes. Closes even when publishing fails, and says so then; nothing recorded is lost by it. */
  close(): Promise<void>;
}

/** Opens or begins a log. @throws Refusal CORDON-9004 when it is in use, damaged or contradicts what was signed; CORDON-9006 on bad options */
export async function openDecisionLog(options: LogOptions): Promise<DecisionLog> {
  const timing = {
    fsyncEveryMs: bounded('fsyncEveryMs', options.fsyncEveryMs ?? 25, 1000),
    checkpointEveryMs: bounded('checkpointEveryMs', options.checkpointEveryMs ?? 1000, 3_600_000),
  };
  const { dir, origin, signer, durability = 'journal' } = options;
  const key = verifierKey(origin, signer.publicKey);
  const lock = lockDirectory(dir);
  let journal: Journal | undefined;
  try {
    journal = new Journal(dir, origin, durability);
    await claimDirectory(dir, key, signer, journal);
    const publisher = await resume(dir, key, signer, journal, options.pinned);
    return new FileLog({ ...timing, dir, key, durability, onFault: options.onFault, lock, journal, publisher });
  } catch (error) {
    await journal?.close();
    lock.release();
    if (error instanceof Refusal) throw error;
    throw new Refusal('CORDON-9004', 'log cannot be opened', { observed: errorCode(error), cause: error });
  }
}

interface Parts {
  readonly dir: string;
  readonly key: VerifierKey;
  readonly durability: Durability;
  readonly fsyncEveryMs: number;
  readonly checkpointEveryMs: number;
  readonly onFault: (fault: Refusal) => void;
  readonly lock: DirectoryLock;
  readonly journal: Journal;
  readonly publisher: Publisher;
}

class FileLog implements DecisionLog {
  readonly origin: string;
  readonly verifierKey: string;
  readonly cutBytes: number;
  readonly #parts: Parts;
  #syncTimer: NodeJS.Timeout | undefined;
  #publishTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.origin = parts.key.name;
    this.verifierKey = formatVerifierKey(parts.key);
    this.cutBytes = parts.journal.tornBytes;
    this.#parts = parts;
    // what a killed process had recorded and not published
    if (parts.journal.size > parts.publisher.signed.size) this.#publishSoon();
  }

  get size(): number {
    return this.#parts.journal.size;
  }

  append(record: LogRecord): Receipt {
    this.#assertOpen();
    const receipt = append(this.#parts.journal, record);
    if (this.#parts.durability === 'journal') this.#syncSoon();
    this.#publishSoon();
    return receipt;
  }

  async get(seq: number): Promise<LogRecord | undefined> {
    const leaf = await this.#leaf(seq);
    return leaf && decodeLeaf(leaf);
  }

  async checkpoint(): Promise<string> {
    this.#assertOpen();
    return (await this.#parts.publisher.publish()).text;
  }

  async proof(seq: number): Promise<EntryProof> {
    const { publisher, dir, key } = this.#parts;
    const leaf = await this.#leaf(seq);
    if (leaf === undefined)
      throw new Refusal('CORDON-9004', 'entry is not in the log', {
        observed: `${seq}`,
        expected: `below ${this.size}`,
      });
    const signed = seq < publisher.signed.size ? publisher.signed : await publisher.publish();
    const proof = { index: seq, hashes: await inclusionProof(tilesAt(dir), seq, signed.size), checkpoint: signed.text };
    // check what is handed out, with the code that receives it
    if (verifyEntryProof(proof, leaf, key)) return proof;
    throw new Refusal('CORDON-9004', 'log is damaged: tiles and signed root differ', {
      observed: `entry ${seq}`,
      fix: 'run `cordon audit verify`',
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { publisher, journal, lock } = this.#parts;
    clearTimeout(this.#syncTimer);
    clearTimeout(this.#publishTimer);
    try {
      await publisher.publish();
    } finally {
      await journal.close();
      lock.release();
    }
  }

  async #leaf(seq: number): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    if (!Number.isSafeInteger(seq) || seq < 0 || seq >= this.size) return undefined;
    const { journal, publisher, dir } = this.#parts;
    const recorded = journal.leaf(seq);
    if (recorded !== undefined) return recorded;
    const index = Math.floor(seq / TILE_WIDTH);
    const bundle = await readTile(tilesAt(dir), 'entries', index, publisher.signed.size);
    const leaf = bundle && decodeBundle(bundle.bytes, bundle.width).entries[seq % TILE_WIDTH];
    if (leaf !== undefined) return leaf;
    throw new Refusal('CORDON-9004', 'entry bundle of the log is missing or damaged', {
      observed: `entry ${seq}`,
      fix: 'run `cordon audit verify`',
    });
  }

  #syncSoon(): void {
    this.#syncTimer ??= this.#later(this.#parts.fsyncEveryMs, async () => {
      this.#syncTimer = undefined;
      await this.#parts.journal.sync();
    });
  }

  #publishSoon(): void {
    this.#publishTimer ??= this.#later(this.#parts.checkpointEveryMs, async () => {
      try {
        await this.#parts.publisher.publish();
      } finally {
        this.#publishTimer = undefined;
        if (this.#closing === undefined && this.size > this.#parts.publisher.signed.size) this.#publishSoon();
      }
    });
  }

  /** Work off the path of a call. It does not keep the process alive: what is recorded is safe with the kernel. */
  #later(ms: number, work: () => Promise<void>): NodeJS.Timeout {
    const run = (): void => {
      work().catch((error: unknown) => this.#parts.onFault(asRefusal(error, 'CORDON-9004', 'log cannot be published')));
    };
    return setTimeout(run, ms).unref();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new Refusal('CORDON-9004', 'log is closed', { fix: 'open the log again' });
  }
}

function bounded(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Refusal('CORDON-9006', `\`${name}\` is out of range`, {
    observed: `${value}`,
    expected: `1 to ${max} milliseconds`,
  });
}
