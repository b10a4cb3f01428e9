// Ten thousand agents that each hold an SVID of 15 minutes and renew it at half life: through the issuer, with its request verified, the
// log and the database on disk. Time is simulated, so that a quarter of an hour of theirs is as long as the work it takes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIssuer, type Issuer } from '../../src/control/issuer.ts';
import { openAuthority } from '../../src/control/keys.ts';
import { generateEd25519 } from '../../src/crypto/ed25519.ts';
import { randomId, randomKey, randomSerial } from '../../src/crypto/random.ts';
import { sealer } from '../../src/crypto/seal.ts';
import { createRequest, generateKeyPem } from '../../src/crypto/x509.ts';
import { parseTrustDomain, parseWorkload, workloadId } from '../../src/domain/spiffe-id.ts';
import type { SvidFacts } from '../../src/identity/svid.ts';
import { openDecisionLog } from '../../src/store/log-files.ts';
import type { Run, Store } from '../../src/store/ports.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { percentile, rounded, type BenchOptions, type Report } from '../row.ts';

const TTL = 900_000;
const trustDomain = parseTrustDomain('bench.example');
const MIB = 1_048_576;
/** Requests that different agents send; made outside of what is measured, because their makers are elsewhere. */
const REQUESTS = 64;

export async function agents({ quick, onNotice }: BenchOptions): Promise<Report> {
  const many = quick ? 100 : 10_000;
  await using stack = new AsyncDisposableStack();
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'cordon-bench-')), (it) => rm(it, { recursive: true, force: true }));
  let now = Date.now();
  const { issuer, store } = await openIssuer(dir, () => now, stack);
  const requests = await Promise.all(Array.from({ length: REQUESTS }, async () => createRequest(await generateKeyPem())));
  const held: SvidFacts[] = [];
  for (let n = 0; n < many; n++) {
    const run: Run = { id: randomId(12), kind: 'agent', name: `agent-${n}`, createdAt: now };
    await store.addRun(run);
    const workload = parseWorkload(workloadId(trustDomain, run.kind, run.name, run.id));
    held.push({ workload, serial: randomSerial(), notBefore: now, notAfter: now + TTL });
  }
  onNotice(`  ${many} agents run`);
  const latencies = new Float64Array(many);
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let n = 0; n < many; n++) {
    now += TTL / 2 / many;
    const from = performance.now();
    const renewed = await issuer.renew(held[n] ?? fail(), requests[(n + 1) % REQUESTS] ?? new Uint8Array());
    latencies[n] = (performance.now() - from) * 1000;
    if (renewed.notAfter - now < TTL - 1000) throw new Error('an agent got less than was asked for');
  }
  const wall = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const cpuUs = (user + system) / many;
  const share = (cpuUs * many) / ((TTL / 2) * 1000);
  const rss = process.memoryUsage.rss() / MIB;
  const sorted = latencies.sort();
  return {
    rows: [
      {
        bench: 'identity',
        case: `${many} agents`,
        subject: 'renewal',
        p50_us: rounded(percentile(sorted, 0.5)),
        p99_us: rounded(percentile(sorted, 0.99)),
        per_s: rounded((many * 1000) / wall),
        cpu_us: rounded(cpuUs),
        rss_mb: rounded(rss),
        ratios: {},
      },
    ],
    says: [
      `a renewal, its request verified, logged and stored, takes ${rounded(cpuUs)} us of CPU`,
      `${many.toLocaleString('en-US')} agents that renew SVIDs of 15 minutes at half life: ${(share * 100).toPrecision(2)} % of one core, ${Math.round(rss)} MB of memory (wanted: at most 400)`,
    ],
  };
}

function fail(): never {
  throw new Error('an agent has no SVID');
}

async function openIssuer(dir: string, now: () => number, stack: AsyncDisposableStack): Promise<{ issuer: Issuer; store: Store }> {
  const store = await openSqliteStore(join(dir, 'cordon.db'));
  stack.defer(() => store.close());
  const log = await openDecisionLog({
    dir: join(dir, 'log'),
    origin: 'bench.example/log/1',
    signer: generateEd25519().signer,
    onFault: throws,
  });
  stack.defer(() => log.close());
  const authority = await openAuthority(store, sealer(randomKey()), { trustDomain, now, serial: randomSerial, svidTtl: TTL, log });
  const parts = { isRegistered: () => true, mayHave: () => undefined, onIssued: () => undefined };
  return { issuer: createIssuer({ authority, store, log, now, ttl: TTL, ...parts }), store };
}

function throws(fault: Error): never {
  throw fault;
}
