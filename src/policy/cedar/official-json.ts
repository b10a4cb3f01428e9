// JSON as it crosses into the official engine and back: every integer exact, and nothing sent that the engine would throw on.
// The engine throws through its own stack frames and does not unwind them, so what can be refused is refused before it is called.

/** The engine's parser stops at 128, the call around a request included. */
const MAX_DEPTH = 100;
/** Only a number of 16 digits and more can be beyond 2^53. */
const LONG = /\d{16}/;
/** In JSON text a surrogate is escaped only when it stands alone. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** A value as JSON text that the engine can read; made once, it can be sent often. */
export class JsonText {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  /**
   * A bigint becomes an integer literal, a map an object: neither rounded nor a prototype.
   * @throws Error for what has no JSON, is nested deeper than 100, or holds half of a surrogate pair
   */
  static of(value: unknown): JsonText {
    return JsonText.from(writeExact(value));
  }

  /** JSON text made elsewhere. @throws Error as `of` */
  static from(text: string): JsonText {
    if (LONE_SURROGATE.test(text)) throw new Error('a text holds half of a surrogate pair');
    if (isTooDeep(text)) throw new Error(`JSON is nested deeper than ${MAX_DEPTH}`);
    return new JsonText(text);
  }
}

/** What the engine's glue gets in place of `JSON`. */
export const EXACT_JSON = {
  parse: parseExact,
  stringify: (value: unknown): string => (value instanceof JsonText ? value.text : writeExact(value)),
};

/** Integers beyond 2^53 become bigints. @throws SyntaxError */
export function parseExact(text: string): unknown {
  return LONG.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && context?.source !== undefined ? BigInt(context.source) : value;

/** @throws TypeError for what has no JSON */
export const writeExact = (value: unknown): string => JSON.stringify(value, plain);

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return JSON.rawJSON(String(value));
  return value instanceof Map ? Object.fromEntries(value) : value;
}

const unit = (c: string): number => c.charCodeAt(0);
const QUOTE = unit('"');
const BACKSLASH = unit('\\');
const STEPS: ReadonlyMap<number, number> = new Map([
  [unit('['), 1],
  [unit('{'), 1],
  [unit(']'), -1],
  [unit('}'), -1],
]);

function isTooDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const here = text.charCodeAt(at);
    if (here === QUOTE) quoted = !quoted;
    else if (!quoted) depth += STEPS.get(here) ?? 0;
    else if (here === BACKSLASH) at++;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
