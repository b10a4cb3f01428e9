// Segments of the journal on disk: `journal/<number of the first entry, 16 digits>`, each beginning at a full-bundle boundary, holding
// the frames of `audit/frame.ts`. Promises: reading back changes nothing; a frame that was never finished is told from one that was
// broken later, and the second is refused, so that no entry is lost without a word.
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '../domain/refusal.ts';
import { MAX_FRAME_BYTES, scanFrames } from '../audit/frame.ts';
import { HASH_BYTES } from '../audit/merkle.ts';
import { TILE_WIDTH } from '../audit/tiles.ts';

/** A segment that has grown this far ends with the bundle it is in. */
export const SEGMENT_BYTES = 8 * 1024 * 1024;
const MAX_SEGMENT_BYTES = SEGMENT_BYTES + TILE_WIDTH * MAX_FRAME_BYTES;
const NAME = /^\d{16}$/;

export interface Segment {
  readonly first: number;
  readonly path: string;
  readonly fd: number;
  /** Length of the sound frames. */
  bytes: number;
}

/** Where the entries of one bundle stand in their segment, and their leaf hashes: all that memory keeps of them. */
export interface Page {
  readonly first: number;
  readonly segment: Segment;
  /** Offset of the first frame. */
  readonly start: number;
  /** Offset behind each frame. */
  readonly ends: Uint32Array;
  readonly hashes: Uint8Array;
  count: number;
}

export const newPage = (first: number, segment: Segment): Page => ({
  first,
  segment,
  start: segment.bytes,
  ends: new Uint32Array(TILE_WIDTH),
  hashes: new Uint8Array(TILE_WIDTH * HASH_BYTES),
  count: 0,
});

/** Starts a segment at entry `first`; its name is on the disk when this returns. */
export function createSegment(dir: string, first: number): Segment {
  const path = join(dir, String(first).padStart(16, '0'));
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    syncDirectory(dir);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { first, path, fd, bytes: 0 };
}

export interface Recovered {
  readonly segments: readonly Segment[];
  readonly pages: readonly Page[];
  /** Bytes of an unfinished frame behind the last segment's sound ones. */
  readonly tornBytes: number;
}

/** Reads the journal back. An absent or empty directory gives no segments. @throws Refusal CORDON-9004 when it is damaged */
export function recoverSegments(dir: string): Recovered {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const names = readdirSync(dir)
    .filter((name) => NAME.test(name))
    .sort();
  const segments: Segment[] = [];
  const pages: Page[] = [];
  let next = Number(names[0] ?? 0);
  let tornBytes = 0;
  try {
    for (const [i, name] of names.entries()) {
      const first = Number(name);
      if (first % TILE_WIDTH !== 0 || first !== next) throw damaged(join(dir, name), `begins at entry ${first}`, `entry ${next}`);
      const segment = { first, path: join(dir, name), fd: openSync(join(dir, name), constants.O_RDWR), bytes: 0 };
      segments.push(segment);
      next = first + readSegment(segment, pages);
      tornBytes = fstatSync(segment.fd).size - segment.bytes;
      // a segment is synced before the next one is begun, so only the last can end in the middle of a write
      if (tornBytes > 0 && i < names.length - 1) throw damaged(segment.path, `${tornBytes} unreadable bytes at its end`, 'whole frames');
    }
  } catch (error) {
    for (const { fd } of segments) closeSync(fd);
    throw error;
  }
  return { segments, pages, tornBytes };
}

/** Appends the pages of a segment. @returns how many entries it holds */
function readSegment(segment: Segment, pages: Page[]): number {
  const { size } = fstatSync(segment.fd);
  if (size > MAX_SEGMENT_BYTES) throw damaged(segment.path, `${size} bytes`, `at most ${MAX_SEGMENT_BYTES}`);
  const { ends, hashes, tail } = scanFrames(readFileSync(segment.fd), segment.first);
  if (tail === 'damaged')
    throw damaged(segment.path, `entry ${segment.first + ends.length} is broken and whole ones follow`, 'whole frames in order');
  let page: Page | undefined;
  for (const [i, hash] of hashes.entries()) {
    if (page === undefined || page.count === TILE_WIDTH) pages.push((page = newPage(segment.first + i, segment)));
    segment.bytes = ends[i] ?? segment.bytes;
    page.hashes.set(hash, page.count * HASH_BYTES);
    page.ends[page.count++] = segment.bytes;
  }
  return ends.length;
}

/** Removes what stands behind the sound frames. */
export function cutTail({ fd, bytes }: Segment): void {
  ftruncateSync(fd, bytes);
  fdatasyncSync(fd);
}

function syncDirectory(dir: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(dir, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const damaged = (path: string, observed: string, expected: string): Refusal =>
  new Refusal('CORDON-9004', 'journal of the log is damaged', {
    observed: `\`${path}\` ${observed}`,
    expected,
    fix: 'restore the log directory from a backup, or keep it as evidence and start a new log in another directory',
  });
