// A workload turned somebody away who did not come through the gateway. The refusal was the workload's; the record is ours, so that it
// stands in the log beside every other refusal. A reporter can only speak for itself, and not often. INVARIANT I3
import { randomId } from '../crypto/random.ts';
import type { DecisionRecord, LogRecord, Receipt } from '../domain/access.ts';
import { CODES } from '../domain/codes.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload } from '../domain/spiffe-id.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { DecisionIndex } from './decisions.ts';

const PER_MINUTE = 120;

export interface BypassParts {
  readonly log: { append(record: LogRecord): Receipt };
  readonly decisions: Pick<DecisionIndex, 'add'>;
  readonly now: () => number;
  readonly version: string;
}

export function createBypassRecorder(parts: BypassParts): (reporter: SvidFacts, peer: string | undefined) => { readonly decision: string } {
  const counts = new Map<string, { minute: number; count: number }>();
  return (reporter, peer) => {
    const now = parts.now();
    const minute = Math.floor(now / 60_000);
    const last = counts.get(reporter.workload.name);
    const count = last?.minute === minute ? last.count + 1 : 1;
    counts.set(reporter.workload.name, { minute, count });
    if (count > PER_MINUTE) throw new Refusal('CORDON-4003', `more than ${PER_MINUTE} reports a minute`);
    const record = recordOf(parts, reporter, peer);
    const receipt = parts.log.append(record);
    parts.decisions.add({ record, receipt, request: undefined });
    return { decision: record.id };
  };
}

function recordOf(parts: BypassParts, reporter: SvidFacts, peer: string | undefined): DecisionRecord {
  const caller = peer === undefined ? undefined : parseWorkload(parseSpiffeId(peer));
  const code = caller === undefined ? 'CORDON-1001' : 'CORDON-3007';
  return {
    schema: 'cordon.decision/v1',
    id: `dec_${randomId(10)}`,
    ts: new Date(parts.now()).toISOString(),
    mode: 'enforce',
    verdict: 'deny',
    code,
    kind: CODES[code].kind,
    reason: 'connected around the gateway',
    pep: { id: reporter.workload.name, version: parts.version },
    ...(caller === undefined ? {} : { principal: caller.id, ...(caller.run === undefined ? {} : { run: caller.run }) }),
    action: 'tls/connect',
    resource: reporter.workload.name,
    policy: { version: 0, determining: [] },
  };
}
