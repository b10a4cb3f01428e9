// Acts of operators, and of Cordon itself, in the audit log: one form, whoever writes it. INVARIANT I3
import type { ActRecord, LogRecord, Receipt } from '../domain/access.ts';

/** Where an act is written, and when it is. */
export interface ActLog {
  readonly log: { append(record: LogRecord): Receipt };
  /** Unix milliseconds. */
  readonly now: () => number;
}

export type Act = Omit<ActRecord, 'schema' | 'ts' | 'reason'> & { readonly reason?: string | undefined };

/** It is on record when this returns. @throws Refusal CORDON-9004 */
export const recordAct = ({ log, now }: ActLog, { reason, ...act }: Act): Receipt =>
  log.append({ schema: 'cordon.act/v1', ts: new Date(now()).toISOString(), ...act, ...(reason === undefined ? {} : { reason }) });
