// Refusals that did not happen at a gateway: somebody asked the control plane for what is not theirs, or a workload turned somebody away
// who came around the gateway. They stand in the log beside every other refusal, capped by name. INVARIANTS I3, I7, I10
import { timedId } from '../crypto/random.ts';
import type { DecisionRecord, LogRecord, Receipt } from '../domain/access.ts';
import { CODES, type Code } from '../domain/codes.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, type Workload } from '../domain/spiffe-id.ts';
import type { SvidFacts } from '../identity/svid.ts';
import type { DecisionIndex } from './decisions.ts';

const PER_MINUTE = 120;

export interface RefusalParts {
  readonly log: { append(record: LogRecord): Receipt };
  readonly decisions: Pick<DecisionIndex, 'add'>;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly version: string;
}

/** What the control plane refused. */
export interface RefusedRequest {
  readonly refusal: Refusal;
  /** Absent when nobody was proven. */
  readonly caller: Pick<SvidFacts, 'workload'> | undefined;
  /** `control/POST /v1/runs` */
  readonly action: string;
}

export interface RefusalRecorder {
  /** Records that the control plane refused; never throws, and records no more than a minute's share of one caller. */
  refused(request: RefusedRequest): void;
  /**
   * Records that a workload turned somebody away. A reporter can only speak for itself.
   * @throws Refusal CORDON-4003 too many reports, CORDON-9004
   */
  bypassed(reporter: SvidFacts, peer: string | undefined): { readonly decision: string };
}

export function createRefusalRecorder(parts: RefusalParts): RefusalRecorder {
  const within = createCap(parts.now);
  const append = (record: DecisionRecord): { readonly decision: string } => {
    const receipt = parts.log.append(record);
    parts.decisions.add({ record, receipt, request: undefined });
    return { decision: record.id };
  };
  return {
    refused({ refusal, caller, action }): void {
      if (!within(`refused/${caller?.workload.kind ?? ''}/${caller?.workload.name ?? ''}`)) return;
      try {
        append({
          ...head(parts, refusal.code, caller?.workload),
          reason: refusal.message,
          pep: pepOf(parts, 'control-1'),
          action,
          resource: 'control',
        });
      } catch {
        // it is refused either way; a log that cannot record also refuses every call
      }
    },
    bypassed(reporter, peer): { readonly decision: string } {
      const { name } = reporter.workload;
      if (!within(`bypassed/${name}`)) throw new Refusal('CORDON-4003', `more than ${PER_MINUTE} reports a minute`);
      const caller = peer === undefined ? undefined : parseWorkload(parseSpiffeId(peer));
      const code = caller === undefined ? 'CORDON-1001' : 'CORDON-3007';
      const reason = 'connected around the gateway';
      return append({ ...head(parts, code, caller), reason, pep: pepOf(parts, name), action: 'tls/connect', resource: name });
    },
  };
}

/** At most `PER_MINUTE` for each name; names are those of registered workloads, so there are few. */
function createCap(now: () => number): (name: string) => boolean {
  const counts = new Map<string, { minute: number; count: number }>();
  return (name) => {
    const minute = Math.floor(now() / 60_000);
    const last = counts.get(name);
    const count = last?.minute === minute ? last.count + 1 : 1;
    counts.set(name, { minute, count });
    return count <= PER_MINUTE;
  };
}

const pepOf = ({ version }: RefusalParts, id: string): DecisionRecord['pep'] => ({ id, version });

type Head = Omit<DecisionRecord, 'reason' | 'pep' | 'action' | 'resource'>;

const head = ({ now }: RefusalParts, code: Code, caller: Workload | undefined): Head => ({
  schema: 'cordon.decision/v1',
  id: `dec_${timedId(now())}`,
  ts: new Date(now()).toISOString(),
  mode: 'enforce',
  verdict: 'deny',
  code,
  kind: CODES[code].kind,
  ...(caller === undefined ? {} : { principal: caller.id }),
  ...(caller?.run === undefined ? {} : { run: caller.run }),
  policy: { version: 0, determining: [] },
});
