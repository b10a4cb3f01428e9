// What the demo tells, as data: one event after another, the summary last. `show.ts` turns it into lines for people; `--json` prints it.
import type { Attack } from '../desk.ts';

export interface AttackOutcome {
  readonly attack: Attack;
  readonly invoice: string | undefined;
  readonly tool: string;
  readonly denied: boolean;
  /** Cordon's own record of it, which the attacker may not have been told. */
  readonly code?: string;
  readonly reason?: string;
  /** The clause of the nearest permit that failed, with what was observed. */
  readonly clause?: string;
  readonly decision?: string;
  readonly segment?: { readonly src?: string | undefined; readonly dst?: string | undefined };
}

export interface Summary {
  readonly type: 'summary';
  readonly protected: boolean;
  readonly benign: { readonly done: number; readonly total: number };
  readonly attacks: { readonly tried: number; readonly denied: number; readonly codes: Readonly<Record<string, number>> };
  /** From the order to the last byte of the contained agent's live connection, milliseconds; null without Cordon. */
  readonly cutMs: number | null;
  readonly auditVerified: boolean | null;
  /** What is gone, by the desk's own files. */
  readonly stolen: { readonly payments: number; readonly cents: number; readonly mails: number; readonly reads: number };
  readonly calls: { readonly allowed: number; readonly denied: number };
  readonly seconds: number;
}

export type StoryEvent =
  | { readonly type: 'begin'; readonly protected: boolean; readonly inbox: string; readonly invoices: number }
  | { readonly type: 'step'; readonly what: string; readonly detail: string; readonly ms: number }
  | { readonly type: 'invoice'; readonly invoice: string; readonly ok: boolean; readonly text: string }
  | { readonly type: 'hijack'; readonly agent: string; readonly invoice: string | undefined; readonly says: string }
  | ({ readonly type: 'attack' } & AttackOutcome)
  | {
      readonly type: 'contained';
      readonly agent: string;
      readonly status: string;
      readonly connections: number;
      readonly calls: number;
      readonly gatewayMs: number;
      readonly cutMs: number;
      readonly because: 'attack' | 'drill';
    }
  | { readonly type: 'probe'; readonly agent: string; readonly ok: boolean; readonly code?: string; readonly when: 'off' | 'released' }
  | { readonly type: 'audit'; readonly result: string; readonly entries: number; readonly ms: number; readonly dir: string }
  | { readonly type: 'released'; readonly agent: string; readonly status: string }
  | { readonly type: 'books'; readonly paid: number; readonly total: number; readonly stolen: Summary['stolen'] }
  | Summary;

export type Tell = (event: StoryEvent) => void;
