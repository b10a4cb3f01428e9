// What the log of a bed holds, read as a stranger would: from its files and its public key alone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/audit/checkpoint.ts';
import { decodeLeaf } from '../../src/audit/leaf.ts';
import { parseVerifierKey, type VerifierKey } from '../../src/audit/note.ts';
import { CHECKPOINT_PATH, TILE_WIDTH, decodeBundle, readTile } from '../../src/audit/tiles.ts';
import { verifyLog, type Verification } from '../../src/audit/verify.ts';
import { sha256Hex } from '../../src/crypto/hash.ts';
import type { ActRecord, DecisionRecord, LogRecord, Outcome } from '../../src/domain/access.ts';
import { writeJson, type JsonObject } from '../../src/domain/json.ts';
import { tilesAt } from '../../src/store/log-tiles.ts';
import type { Bed } from './bed.ts';
import { until } from './until.ts';

const FIRST = 'gateway-1';

export const logDir = ({ data }: Pick<Bed, 'data'>, pep = FIRST): string => join(data, 'log', pep);

const keyOf = async (bed: Pick<Bed, 'data'>, pep = FIRST): Promise<VerifierKey> => {
  const { vkey } = JSON.parse(await readFile(join(logDir(bed, pep), 'log.json'), 'utf8')) as { vkey: string };
  return parseVerifierKey(vkey);
};

export const verification = async (bed: Pick<Bed, 'data'>, pep = FIRST): Promise<Verification> =>
  verifyLog(tilesAt(logDir(bed, pep)), await keyOf(bed, pep));

export async function assertVerified(bed: Pick<Bed, 'data'>, pep = FIRST): Promise<void> {
  const { result, findings } = await verification(bed, pep);
  assert.deepEqual([result, findings], ['VERIFIED', []]);
}

export interface Records {
  readonly all: readonly LogRecord[];
  /** Number of the entry: the index in `all`; of an outcome, of the entry that holds it. */
  readonly seqOf: (record: LogRecord | Outcome) => number;
  readonly decisions: readonly DecisionRecord[];
  readonly outcomes: readonly Outcome[];
  readonly acts: readonly ActRecord[];
}

/** Every entry that the newest checkpoint speaks for. */
export async function readLog(bed: Pick<Bed, 'data'>, pep = FIRST): Promise<Records> {
  const files = tilesAt(logDir(bed, pep));
  const checkpoint = await files.read(CHECKPOINT_PATH);
  assert.ok(checkpoint, 'no checkpoint');
  const { size } = openCheckpoint(checkpoint, await keyOf(bed, pep));
  const all: LogRecord[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const tile = await readTile(files, 'entries', index, size);
    assert.ok(tile, `bundle ${index} of ${size} entries`);
    all.push(...decodeBundle(tile.bytes, tile.width).entries.map(decodeLeaf));
  }
  const numbers = new Map<LogRecord | Outcome, number>();
  for (const [seq, record] of all.entries()) {
    numbers.set(record, seq);
    if (record.schema === 'cordon.outcomes/v1') for (const outcome of record.outcomes) numbers.set(outcome, seq);
  }
  return {
    all,
    seqOf: (record) => numbers.get(record) ?? -1,
    decisions: all.filter((record) => record.schema === 'cordon.decision/v1'),
    outcomes: all.flatMap((record) => (record.schema === 'cordon.outcomes/v1' ? record.outcomes : [])),
    acts: all.filter((record) => record.schema === 'cordon.act/v1'),
  };
}

/** Waits until a running Cordon has signed everything that it recorded so far. */
export async function signedAll(bed: Bed): Promise<void> {
  const { log } = (await bed.control('GET', '/v1/status')).json as { log: { size: number } };
  await until(`a checkpoint speaks for ${log.size} entries`, async () => {
    const lines = (await readFile(join(logDir(bed), CHECKPOINT_PATH), 'utf8')).split('\n');
    return Number(lines[1]) >= log.size ? true : undefined;
  });
}

/** How a record names the arguments of a call. */
export const digestOf = (args: JsonObject): string => `sha256:${sha256Hex(writeJson(args))}`;

/** Digests of the arguments of every call that was allowed. */
export const allowedDigests = ({ decisions }: Records): ReadonlySet<string> =>
  new Set(decisions.flatMap(({ verdict, args }) => (verdict === 'allow' && args !== undefined ? [args.digest] : [])));
