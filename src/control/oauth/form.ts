// Requests to the OAuth endpoints: `application/x-www-form-urlencoded` in UTF-8, read strictly (RFC 6749 §3.2, appendix B).
// Promises: a parameter that came twice is refused, unless its standard lets it repeat; one without a value was not sent.
import { Refusal } from '../../domain/refusal.ts';

/** Bytes: three tokens of 16 KiB and what stands around them. */
export const FORM_LIMIT = 65_536;
const MAX_PARAMETERS = 64;
const CONTENT_TYPE = /^application\/x-www-form-urlencoded(?: *; *charset="?utf-8"?)?$/i;
/** RFC 8693 §2.1, RFC 8707 §2: these may come more than once. */
const REPEATABLE: ReadonlySet<string> = new Set(['resource', 'audience']);
/** What no parameter holds; a mandate is JSON and may have line breaks between its members. */
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** The parameters of a request. */
export interface Form {
  /** The one value of a parameter. */
  get(name: string): string | undefined;
  /** Every value of a parameter that may repeat. */
  all(name: string): readonly string[];
}

/** @throws Refusal CORDON-9011 when the content is of another type */
export function checkContentType(type: string | undefined): void {
  if (type !== undefined && CONTENT_TYPE.test(type)) return;
  throw new Refusal('CORDON-9011', 'the content must be a form', { expected: 'application/x-www-form-urlencoded' });
}

/** attacker-controlled @throws Refusal CORDON-9011 not UTF-8, malformed, too much of it, a parameter twice */
export function parseForm(body: Uint8Array): Form {
  if (body.byteLength > FORM_LIMIT) throw malformed(`the form is longer than ${FORM_LIMIT} bytes`);
  const pairs = textOf(body)
    .split('&')
    .filter((pair) => pair !== '');
  if (pairs.length > MAX_PARAMETERS) throw malformed(`the form has more than ${MAX_PARAMETERS} parameters`);
  const values = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? '' : decoded(pair.slice(at + 1));
    const known = values.get(name) ?? [];
    if (known.length > 0 && !REPEATABLE.has(name)) throw malformed('a parameter came twice', name);
    values.set(name, [...known, value]);
  }
  const all = (name: string): readonly string[] => (values.get(name) ?? []).filter((value) => value !== '');
  return { get: (name) => all(name)[0], all };
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw malformed('the form is not UTF-8');
  }
}

function decoded(part: string): string {
  let text: string;
  try {
    text = decodeURIComponent(part.replaceAll('+', ' '));
  } catch {
    throw malformed('the form has an escape that is none');
  }
  if (CONTROL.test(text)) throw malformed('the form has control characters');
  return text;
}

const malformed = (why: string, parameter?: string): Refusal =>
  new Refusal('CORDON-9011', why, parameter === undefined ? {} : { observed: `\`${parameter.slice(0, 60)}\`` });
