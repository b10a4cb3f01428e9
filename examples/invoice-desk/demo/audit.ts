// Verifies the demo's log the way a stranger would: from the files and the public key, with no server.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseVerifierKey } from '../../../src/audit/note.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { LogIdentity, read } from './answers.ts';
import { tilesAt } from '../../../src/store/log-tiles.ts';

const TRIES = 250;

export interface AuditAnswer {
  readonly result: string;
  readonly entries: number;
  /** Of the verification alone. */
  readonly ms: number;
}

/** Waits until a signed checkpoint speaks for `size` entries, then verifies. */
export async function verifyAudit(dir: string, size: number): Promise<AuditAnswer> {
  const { vkey } = read(LogIdentity, await readFile(join(dir, 'log.json'), 'utf8'));
  const key = parseVerifierKey(vkey);
  for (let tries = 0; ; tries++) {
    const from = performance.now();
    const { result, checked, size: signed = 0 } = await verifyLog(tilesAt(dir), key);
    if (signed >= size || tries === TRIES) return { result, entries: checked.entries, ms: performance.now() - from };
    await new Promise((wake) => {
      setTimeout(wake, 20);
    });
  }
}
