// What can be taken back before its time, and what has to end with it.

/** A run; a task token with all that were exchanged from it; a whole task. */
export const REVOCABLE = ['run', 'token', 'txn'] as const;
export type Revocable = (typeof REVOCABLE)[number];

/** What is to be silent: an agent by its level, or what was revoked. `id`: name of an agent, run id, `jti`, `txn`. */
export interface Target {
  readonly kind: 'agent' | Revocable;
  readonly id: string;
}
