// Where a session has seen a value: the trusted prompt, a structured field of a tool's record, free text that others write, or free text
// of a source that the prompt itself points at. Incremental and bounded: what no longer fits is unknown, and the unknown is not trusted.
import { isFreeField } from './manifest.ts';

export type Origin = 'prompt' | 'field' | 'named' | 'free';
const BIT: Readonly<Record<Origin, number>> = { prompt: 1, field: 2, named: 4, free: 8 };

const MAX_ENTRIES = 200_000;
const MAX_TEXT = 2_000_000;
const MAX_FIELD = 80;

/** Case, compatibility forms, space, scheme and punctuation around a value say nothing of where it comes from. */
export const normal = (value: string): string =>
  value
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/^https?:\/\//, '')
    .replace(/^[\s"'`([{<,;:]+|[\s"'`)\]}>,;:.!?/]+$/g, '');

export const tokensOf = (text: string): string[] =>
  text
    .split(/[\s"'`<>()[\]{},;|]+/)
    .map(normal)
    .filter((token) => token !== '');

/** What can be reached from outside: a mail address, a host or URL, an account number. */
export const isAddress = (token: string): boolean =>
  /^[^@\s]+@[^@\s]+\.[a-z]{2,}$/.test(token) ||
  /^(?:[a-z0-9-]+\.)+[a-z]{2,}(?:\/\S*)?$/.test(token) ||
  /^[a-z]{2}\d{2}[a-z0-9]{8,30}$/.test(token);

export class Provenance {
  readonly #seen = new Map<string, number>();
  #room = MAX_TEXT;

  learn(text: string, origin: Origin): void {
    const bounded = text.slice(0, this.#room);
    this.#room -= bounded.length;
    for (const token of tokensOf(bounded)) this.#add(token, origin);
    if (bounded.length <= MAX_FIELD) this.#add(normal(bounded), origin);
    for (const line of bounded.length < 20_000 && origin !== 'free' ? bounded.split('\n') : []) this.#phrase(line, origin);
  }

  /** Every run of up to six words, so that names of several words are found again. */
  #phrase(line: string, origin: Origin): void {
    const parts = tokensOf(line);
    for (let from = 0; from < parts.length; from += 1)
      for (let to = from + 2; to <= Math.min(parts.length, from + 6); to += 1) this.#add(parts.slice(from, to).join(' '), origin);
  }

  #add(key: string, origin: Origin): void {
    if (key === '' || (this.#seen.size >= MAX_ENTRIES && !this.#seen.has(key))) return;
    this.#seen.set(key, (this.#seen.get(key) ?? 0) | BIT[origin]);
  }

  /** The most trusted origin of a value; undefined when the session never saw it. */
  originOf(value: string): Origin | undefined {
    const key = normal(value);
    const bits = this.#seen.get(key) ?? this.#seen.get(tokensOf(value).join(' ')) ?? 0;
    return (['prompt', 'field', 'named', 'free'] as const).find((origin) => (bits & BIT[origin]) !== 0);
  }
}

export interface Span {
  readonly text: string;
  readonly free: boolean;
}

/** An output split into fields of records and free text. Text that is no record is free, unless it is a bare list of short items. */
export function spansOf(output: string): Span[] {
  const lines = output.split('\n');
  if (/^\s*(?:- )?[\w-]+:(?: |$)/.test(lines[0] ?? '') && !/^[A-Z]/.test(lines[0] ?? '')) return recordSpans(lines);
  const list = lines.every((line) => line.length <= MAX_FIELD && line.split(/\s+/).length <= 8 && !/[.!?]\s/.test(line));
  return lines
    .map((line) => ({ text: line.replace(/^[\w ]+: /, ''), free: !list }))
    .concat(list ? lines.map((text) => ({ text, free: false })) : []);
}

/** Block style YAML: a quoted scalar runs to its closing quote, so no line inside one passes for a field. */
function recordSpans(lines: readonly string[]): Span[] {
  const spans: Span[] = [];
  let key = '';
  let quote: string | undefined;
  for (const line of lines) {
    const field = quote === undefined ? /^\s*(?:- )*([^\s:'"][^:'"]*):(?: (.*))?$/.exec(line) : null;
    if (field !== null) key = field[1] ?? '';
    const text = field === null ? line.replace(/^\s*- /, '') : (field[2] ?? '');
    spans.push({ text, free: quote !== undefined || isFreeField(key) || text.length > MAX_FIELD });
    if (field !== null && key.includes('@')) spans.push({ text: key, free: false });
    quote = openQuote(text.trimStart(), quote);
  }
  return spans;
}

function openQuote(text: string, open: string | undefined): string | undefined {
  const quote = open ?? (/^['"]/.test(text) ? text[0] : undefined);
  if (quote === undefined) return undefined;
  const marks = (quote === '"' ? text.replace(/\\./g, '') : text).split(quote).length - 1;
  return (marks + (open === undefined ? 0 : 1)) % 2 === 0 ? undefined : quote;
}
