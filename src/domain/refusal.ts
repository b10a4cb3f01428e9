// The one error type of Cordon: a refusal with a code of a closed set. Wire forms are made at the edges only.
import { CODES, type Code, type CodeRow } from './codes.ts';

export interface RefusalDetail {
  /** What was seen; never a token, a key or a body. */
  readonly observed?: string;
  /** What would have been accepted. */
  readonly expected?: string;
  /** Overrides the fix of the code's row when a better one is known. */
  readonly fix?: string;
  /** Which rule of those that share the code: a word of a set that its thrower closes, as `flaws.ts` of identity does. */
  readonly reason?: string;
  readonly cause?: unknown;
}

/** Thrown wherever a call, a message or an input is not accepted. Compare by `code`, never by `instanceof` across packages. */
export class Refusal extends Error {
  readonly code: Code;
  readonly observed: string | undefined;
  readonly expected: string | undefined;
  readonly fix: string;
  readonly reason: string | undefined;

  constructor(code: Code, message: string, detail: RefusalDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'Refusal';
    this.code = code;
    this.observed = detail.observed;
    this.expected = detail.expected;
    this.fix = detail.fix ?? CODES[code].fix;
    this.reason = detail.reason;
  }

  get row(): CodeRow {
    return CODES[this.code];
  }
}

/** What was thrown, as a refusal: one that is a refusal already stays as it is, anything else becomes its cause. */
export const asRefusal = (error: unknown, code: Code, message: string): Refusal =>
  error instanceof Refusal ? error : new Refusal(code, message, { cause: error });

/** The `code` of a Node or library error (`ECONNREFUSED`), if it has one. */
export const errorCodeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** What an error says, for operators; never sent to a caller. */
export function errorTextOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  return error instanceof Refusal && error.observed !== undefined ? `${error.message}: ${error.observed}` : error.message;
}
