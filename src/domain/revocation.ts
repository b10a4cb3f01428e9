// What can be taken back before its time, and what has to end with it.

/** A run; a task token with all that were exchanged from it; a whole task. */
export const REVOCABLE = ['run', 'token', 'txn'] as const;
export type Revocable = (typeof REVOCABLE)[number];

/** Characters of the name of a task token (`jti`) or of a task (`txn`): Crockford's base 32, 130 random bits. */
export const TOKEN_NAME_LENGTH = 26;
const TOKEN_NAME = /^[0-9A-HJKMNP-TV-Z]+$/;
export const isTokenName = (text: string): boolean => text.length === TOKEN_NAME_LENGTH && TOKEN_NAME.test(text);

/** What is to be silent: an agent by its level, or what was revoked. `id`: name of an agent, run id, `jti`, `txn`. */
export interface Target {
  readonly kind: 'agent' | Revocable;
  readonly id: string;
}
