// The one error type of Cordon: a refusal with a code of a closed set. Wire forms are made at the edges only.
import { CODES, type Code, type CodeRow } from './codes.ts';

export interface RefusalDetail {
  /** What was seen; never a token, a key or a body. */
  readonly observed?: string;
  /** What would have been accepted. */
  readonly expected?: string;
  /** Overrides the fix of the code's row when a better one is known. */
  readonly fix?: string;
  readonly cause?: unknown;
}

/** Thrown wherever a call, a message or an input is not accepted. Compare by `code`, never by `instanceof` across packages. */
export class Refusal extends Error {
  readonly code: Code;
  readonly observed: string | undefined;
  readonly expected: string | undefined;
  readonly fix: string;

  constructor(code: Code, message: string, detail: RefusalDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'Refusal';
    this.code = code;
    this.observed = detail.observed;
    this.expected = detail.expected;
    this.fix = detail.fix ?? CODES[code].fix;
  }

  get row(): CodeRow {
    return CODES[this.code];
  }
}

/** Runs `parse` and turns whatever it throws into a refusal, keeping refusals as they are. */
export const asRefusal = (error: unknown, code: Code, message: string): Refusal =>
  error instanceof Refusal ? error : new Refusal(code, message, { cause: error });
