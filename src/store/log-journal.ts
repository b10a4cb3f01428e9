// The journal of a log: where an entry is before it is in a tile. One positioned write per entry, so that it is with the kernel when
// `write` returns; the disk follows within `fsyncEveryMs`, or before the return. Promises: an entry that could not be written whole
// leaves no trace, and if the trace cannot be removed the journal takes nothing more until it is reopened.
import { close, closeSync, fdatasync, fdatasyncSync, ftruncateSync, read, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Refusal } from '../domain/refusal.ts';
import type { AppendOnly } from '../audit/append.ts';
import { leafOf, type Frame } from '../audit/frame.ts';
import { HASH_BYTES, type Hash } from '../audit/merkle.ts';
import { hashAt, TILE_WIDTH } from '../audit/tiles.ts';
import { createSegment, cutTail, newPage, recoverSegments, SEGMENT_BYTES, type Page, type Segment } from './log-segment.ts';
import { errorCode } from './log-tiles.ts';

/** `journal`: with the kernel before `write` returns; survives the death of the process. `fsync`: on the disk. */
export type Durability = 'journal' | 'fsync';

/** At most so many bundles wait for publication (1,048,576 entries, 38 MiB of memory); then the log refuses. */
const MAX_PAGES = 4096;

const readAt = promisify(read);
const syncData = promisify(fdatasync);
const closeFd = promisify(close);

export class Journal implements AppendOnly {
  readonly origin: string;
  /** Bytes of an unfinished write behind the last whole entry. */
  readonly tornBytes: number;
  readonly #dir: string;
  readonly #durability: Durability;
  readonly #segments: Segment[];
  readonly #pages: Page[];
  #size: number;
  #synced: number;
  #syncing: Promise<void> = Promise.resolve();
  #fault: Refusal | undefined;

  /** Reads back the journal under `dir`; changes nothing in it. @throws Refusal CORDON-9004 when it is damaged */
  constructor(dir: string, origin: string, durability: Durability) {
    const { segments, pages, tornBytes } = recoverSegments(join(dir, 'journal'));
    this.#dir = join(dir, 'journal');
    this.origin = origin;
    this.#durability = durability;
    this.#segments = [...segments];
    this.#pages = [...pages];
    this.tornBytes = tornBytes;
    const last = pages.at(-1);
    this.#size = last === undefined ? (segments.at(-1)?.first ?? 0) : last.first + last.count;
    this.#synced = this.first;
  }

  get size(): number {
    return this.#size;
  }

  /** Number of the first entry it can still name. */
  get first(): number {
    return this.#pages[0]?.first ?? this.#size;
  }

  /** Whether there is any file of it. */
  get exists(): boolean {
    return this.#segments.length > 0;
  }

  /** Makes the first segment of a new log. */
  create(): void {
    if (!this.exists) this.#segments.push(createSegment(this.#dir, 0));
  }

  /** Removes the unfinished write. Not before the rest was found good: what is refused stays as it is, for whoever looks into it. */
  cutTornTail(): void {
    const last = this.#segments.at(-1);
    if (last !== undefined && this.tornBytes > 0) cutTail(last);
  }

  /** Stores one frame. @throws Refusal CORDON-9004; then the journal is as it was */
  write(frame: Frame): void {
    if (this.#fault !== undefined) throw this.#fault;
    const page = this.#openPage();
    this.#store(page.segment, frame.bytes);
    page.segment.bytes += frame.bytes.byteLength;
    page.ends[page.count] = page.segment.bytes;
    page.hashes.set(frame.hash, page.count * HASH_BYTES);
    page.count += 1;
    this.#size += 1;
  }

  /** The leaf of an entry, or undefined when it is no longer, or not yet, here. @throws Refusal CORDON-9004 */
  leaf(seq: number): Uint8Array | undefined {
    const page = this.#pageOf(seq);
    const i = seq % TILE_WIDTH;
    if (page === undefined || i >= page.count) return undefined;
    const [start, end] = frameSpan(page, i);
    const frame = Buffer.allocUnsafe(end - start);
    readSync(page.segment.fd, frame, 0, frame.length, start);
    return leafOf(frame, seq, hashAt(page.hashes, i)) ?? this.#changed(page, seq);
  }

  /** The leaf hash of an entry that is in the journal. @throws Refusal CORDON-9004 when it is not */
  hash(seq: number): Hash {
    const page = this.#pageOf(seq);
    if (page === undefined || seq % TILE_WIDTH >= page.count) throw notHere(seq);
    return hashAt(page.hashes, seq % TILE_WIDTH);
  }

  /** The first `count` leaves of the bundle that begins at entry `first`. @throws Refusal CORDON-9004 */
  async leaves(first: number, count: number): Promise<Uint8Array[]> {
    const page = this.#pageOf(first);
    const end = page?.ends[count - 1];
    if (page === undefined || end === undefined || page.count < count) throw notHere(first);
    const bytes = Buffer.allocUnsafe(end - page.start);
    await readAt(page.segment.fd, bytes, 0, bytes.length, page.start);
    return Array.from({ length: count }, (_, i) => {
      const [from, to] = frameSpan(page, i);
      const frame = bytes.subarray(from - page.start, to - page.start);
      return leafOf(frame, first + i, hashAt(page.hashes, i)) ?? this.#changed(page, first + i);
    });
  }

  /** Brings everything written so far to the disk. @throws Refusal CORDON-9004; then the journal takes nothing more */
  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#syncOnce());
    const synced = this.#syncing;
    this.#syncing = synced.catch(() => undefined);
    return synced;
  }

  /** Forgets entries below `size`, which are published under a signed checkpoint: their pages, and whole segments of them. */
  async release(size: number): Promise<void> {
    while (this.#pages[0] !== undefined && this.#pages[0].first + TILE_WIDTH <= size) this.#pages.shift();
    // oldest first, so that a crash between two leaves a journal without a gap
    for (let [old, next] = this.#segments; old && next && next.first <= size; [old, next] = this.#segments) {
      await this.#syncing;
      this.#segments.shift();
      unlinkSync(old.path);
      await closeFd(old.fd);
    }
  }

  async close(): Promise<void> {
    this.#fault ??= new Refusal('CORDON-9004', 'log is closed', { fix: 'open the log again' });
    await this.#syncing;
    for (const { fd } of this.#segments.splice(0)) closeSync(fd);
    this.#pages.length = 0;
  }

  #pageOf(seq: number): Page | undefined {
    return this.#pages[Math.floor(seq / TILE_WIDTH) - Math.floor(this.first / TILE_WIDTH)];
  }

  /** The page that the next entry belongs to. */
  #openPage(): Page {
    const last = this.#pages.at(-1);
    if (last !== undefined && last.count < TILE_WIDTH) return last;
    if (this.#pages.length >= MAX_PAGES) {
      throw new Refusal('CORDON-9004', 'log cannot publish as fast as it records', {
        observed: `${this.#pages.length * TILE_WIDTH} entries wait for their tiles`,
      });
    }
    const page = newPage(this.#size, this.#openSegment());
    this.#pages.push(page);
    return page;
  }

  #openSegment(): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.bytes < SEGMENT_BYTES) return last;
    try {
      // what recovery relies on: only the last segment can have lost anything in a power failure
      if (last !== undefined) fdatasyncSync(last.fd);
      const segment = createSegment(this.#dir, this.#size);
      this.#segments.push(segment);
      return segment;
    } catch (cause) {
      throw cannotWrite(cause);
    }
  }

  #store({ fd, bytes: at }: Segment, frame: Uint8Array): void {
    try {
      for (let done = 0; done < frame.byteLength;) {
        const written = writeSync(fd, frame, done, frame.byteLength - done, at + done);
        if (written === 0) throw new Error('nothing was written');
        done += written;
      }
    } catch (cause) {
      this.#cut(fd, at);
      throw cannotWrite(cause);
    }
    if (this.#durability === 'fsync') this.#syncNow(fd, at);
  }

  #syncNow(fd: number, before: number): void {
    try {
      fdatasyncSync(fd);
    } catch (cause) {
      this.#cut(fd, before);
      // the kernel reports a lost page once; a later fsync that succeeds proves nothing
      throw this.#fail(cause);
    }
  }

  /** Removes what a failed write left behind the last whole frame. */
  #cut(fd: number, bytes: number): void {
    try {
      ftruncateSync(fd, bytes);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #syncOnce(): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault;
    const size = this.#size;
    const last = this.#segments.at(-1);
    if (last === undefined || size === this.#synced) return;
    try {
      await syncData(last.fd);
      this.#synced = size;
    } catch (cause) {
      throw this.#fail(cause);
    }
  }

  #changed({ segment }: Page, seq: number): never {
    throw this.#fail(new Error(`entry ${seq} in \`${segment.path}\` was changed from outside`));
  }

  #fail(cause: unknown): Refusal {
    this.#fault ??= new Refusal('CORDON-9004', 'log takes no more records until it is reopened', {
      observed: errorCode(cause),
      fix: 'mend the disk, then restart',
      cause,
    });
    return this.#fault;
  }
}

const frameSpan = (page: Page, i: number): [start: number, end: number] => [
  i === 0 ? page.start : (page.ends[i - 1] ?? 0),
  page.ends[i] ?? 0,
];

const notHere = (seq: number): Refusal => new Refusal('CORDON-9004', 'entry is not in the journal', { observed: `entry ${seq}` });

const cannotWrite = (cause: unknown): Refusal => new Refusal('CORDON-9004', 'log cannot be written', { observed: errorCode(cause), cause });
