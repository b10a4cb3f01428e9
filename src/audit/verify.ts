// Verifies a whole log from its files and a public key, with no server and no trust in whoever holds the files (UX J7). Standards:
// C2SP tlog-checkpoint and tlog-tiles, RFC 6962. Promises: VERIFIED only when every entry and every tile below the signed size was
// read and fits the signature; whatever was not looked at is said.
import { openCheckpoint, parseCheckpoint, signersOf, type Checkpoint } from './checkpoint.ts';
import { isUnsigned, parseNote, verifyNote, type VerifierKey } from './note.ts';
import { CHECKPOINT_PATH, type ReadTiles } from './tiles.ts';
import { Refusal } from '../domain/refusal.ts';
import { LogWalk, type Finding } from './walk.ts';

/** TRUNCATED: the tail that was signed for is missing. ALTERED: anything else that does not fit the signature. */
export type VerifyResult = 'VERIFIED' | 'ALTERED' | 'TRUNCATED' | 'UNSIGNED' | 'KEY_NOT_TRUSTED';

export interface Checked {
  readonly checkpoints: number;
  readonly entries: number;
  readonly bundles: number;
  readonly tiles: number;
}

export interface Verification {
  readonly result: VerifyResult;
  readonly origin?: string;
  /** Entries that the checkpoint speaks for. */
  readonly size?: number;
  /** Root hash of the checkpoint, hex. */
  readonly root?: string;
  readonly checked: Checked;
  readonly wrong: number;
  readonly findings: readonly Finding[];
  /** What this result does not say; never empty. */
  readonly notChecked: readonly string[];
}

export interface VerifyOptions {
  /** A checkpoint of this log that the verifier kept from earlier, signed by the same key. */
  readonly pinned?: Uint8Array;
}

const NOTHING: Checked = { checkpoints: 0, entries: 0, bundles: 0, tiles: 0 };
const ALWAYS_UNCHECKED = [
  'entries younger than the checkpoint (the journal)',
  'cosignatures of witnesses',
  'whether what a record says is true, or when it was written: only that it is as it was signed',
];

/**
 * Verifies a log. Memory stays at one entry bundle, whatever the size.
 * @throws Refusal CORDON-9011 when the pinned checkpoint is itself not signed by the key
 */
export async function verifyLog(from: ReadTiles, key: VerifierKey, { pinned }: VerifyOptions = {}): Promise<Verification> {
  const pin = pinned === undefined ? undefined : openCheckpoint(pinned, key);
  const head = readHead(await from.read(CHECKPOINT_PATH), key);
  if ('result' in head) return head;
  const walk = new LogWalk(from, head, pin);
  await walk.run();
  const cutBack = pin !== undefined && pin.size > head.size;
  if (cutBack) {
    const seq = head.size;
    walk.note({
      seq,
      message: 'entries missing: the pinned checkpoint is larger',
      expected: `size ${pin.size}`,
      observed: `size ${head.size}`,
    });
  }
  return {
    result: walk.altered > 0 ? 'ALTERED' : walk.truncated || cutBack ? 'TRUNCATED' : 'VERIFIED',
    origin: head.origin,
    size: head.size,
    root: Buffer.from(head.root).toString('hex'),
    checked: { ...walk.checked, checkpoints: pin === undefined ? 1 : 2 },
    wrong: walk.wrong,
    findings: walk.findings,
    notChecked: [
      ...walk.notChecked,
      ...(pin === undefined ? ['whether the log was cut back or rewritten and then signed anew: that takes a pinned checkpoint'] : []),
      ...ALWAYS_UNCHECKED,
    ],
  };
}

/** The trusted head, or the verdict that there is none. */
function readHead(bytes: Uint8Array | undefined, key: VerifierKey): Checkpoint | Verification {
  const trusted = `\`${key.name}+${key.id}\``;
  const path = CHECKPOINT_PATH;
  if (bytes === undefined) return stopped('UNSIGNED', { path, message: 'there is no checkpoint' });
  if (isUnsigned(bytes)) return stopped('UNSIGNED', { path, message: 'the checkpoint has no signature' });
  try {
    const note = parseNote(bytes);
    const verdict = verifyNote(note, key);
    if (verdict === 'absent') {
      return stopped('KEY_NOT_TRUSTED', {
        path,
        message: 'the checkpoint is signed by another key',
        expected: trusted,
        observed: signersOf(note),
      });
    }
    if (verdict === 'invalid') return stopped('ALTERED', { path, message: 'the signature does not fit the checkpoint', expected: trusted });
    const checkpoint = parseCheckpoint(note);
    if (checkpoint.origin === key.name) return checkpoint;
    const observed = `\`${checkpoint.origin}\``;
    return stopped('KEY_NOT_TRUSTED', {
      path,
      message: 'the checkpoint is of another log',
      expected: `\`${key.name}\``,
      observed,
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return stopped('ALTERED', { path, message: error.message });
  }
}

const stopped = (result: VerifyResult, finding: Finding): Verification => ({
  result,
  checked: NOTHING,
  wrong: 1,
  findings: [finding],
  notChecked: ['every entry and every tile: without a trusted checkpoint there is nothing to hold them against', ...ALWAYS_UNCHECKED],
});
