// `log`: one record of 1 KB appended, beside a bare write of the same bytes to a file of the same disk, with the same promise.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeLeaf } from '../src/audit/leaf.ts';
import { generateEd25519 } from '../src/crypto/ed25519.ts';
import type { DecisionRecord } from '../src/domain/access.ts';
import { openDecisionLog, type LogOptions } from '../src/store/log-files.ts';
import { measure } from './loop.ts';
import type { Bench, BenchOptions, Report } from './row.ts';
import { interleave } from './rounds.ts';

const RECORD_BYTES = 1024;
const MAX_APPENDS = 50_000;

const CASES: readonly { readonly name: string; readonly durability: NonNullable<LogOptions['durability']> }[] = [
  { name: '1 KB journal', durability: 'journal' },
  { name: '1 KB fsync', durability: 'fsync' },
];

export const log: Bench = async (options) => {
  const reports: Report[] = [];
  for (const each of CASES) reports.push(await logCase(each, options));
  return { rows: reports.flatMap(({ rows }) => rows), says: reports.flatMap(({ says }) => says) };
};

async function logCase({ name, durability }: (typeof CASES)[number], { quick }: BenchOptions): Promise<Report> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-log-'));
  const plain = openSync(join(dir, 'plain'), 'a');
  const onFault = (fault: Error): never => {
    throw fault;
  };
  const opened = await openDecisionLog({
    dir: join(dir, 'log'),
    origin: 'bench.example/log',
    signer: generateEd25519().signer,
    durability,
    onFault,
  });
  const records = Array.from({ length: 64 }, (_, index) => recordOf(index));
  const bytes = Buffer.from(encodeLeaf(recordOf(0)));
  const budget = { ms: quick ? 60 : 250, max: MAX_APPENDS };
  try {
    return await interleave({
      bench: 'log',
      case: name,
      rounds: quick ? 2 : 5,
      subjects: [
        {
          name: 'append',
          over: 'bare write',
          run: () =>
            measure({
              ...budget,
              operate: (index) => void opened.append(records[index % records.length] ?? recordOf(index)),
              finish: async () => void (await opened.checkpoint()),
            }),
        },
        {
          name: 'bare write',
          run: () =>
            measure({
              ...budget,
              operate: () => {
                writeSync(plain, bytes);
                if (durability === 'fsync') fdatasyncSync(plain);
              },
            }),
        },
      ],
      says: [
        {
          subject: 'append',
          figure: 'cpu_us',
          text: (ratio) => `${name}: an append, with its Merkle tree and signed checkpoint, costs ${ratio} the CPU of a bare write`,
        },
      ],
    });
  } finally {
    await opened.close();
    closeSync(plain);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A decision such as the gateway records, of 1,024 bytes as a leaf. */
function recordOf(index: number): DecisionRecord {
  const record: DecisionRecord = {
    schema: 'cordon.decision/v1',
    id: `dec_${String(index).padStart(16, '0')}`,
    ts: '2026-11-22T10:00:00.000Z',
    mode: 'enforce',
    verdict: 'deny',
    kind: 'policy',
    code: 'CORDON-3002',
    reason: '',
    pep: { id: 'gateway-1', version: '0.1.0' },
    principal: 'spiffe://bench.example/agent/clerk/run/r1',
    run: 'r1',
    action: 'tools/call',
    resource: 'ledger/pay_invoice',
    segment: { src: 'finance', dst: 'systems' },
    args: { digest: `sha256:${'0'.repeat(64)}` },
    policy: { version: 1, bundle_hash: '0'.repeat(64), determining: ['clerk-no-haste'] },
    level: 'normal',
  };
  return { ...record, reason: 'r'.repeat(RECORD_BYTES - Buffer.byteLength(encodeLeaf(record))) };
}
