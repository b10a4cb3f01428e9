// What names the certificates below an issuer may have. Standard: RFC 5280 §4.2.1.10. URIs are constrained by their host; a constraint on a
// kind of name that is not understood here refuses every certificate with such a name.
import { DerReader } from '../crypto/der-read.ts';
import { flaw } from './flaws.ts';

/** A GeneralName (RFC 5280 §4.2.1.6) as it was read. */
export interface Name {
  readonly tag: number;
  readonly value: Uint8Array;
}

const URI = 0x86;
const DIRECTORY = 0xa4;
const SEQUENCE = 0x30;

export interface NameConstraints {
  readonly permitted: readonly Name[];
  readonly excluded: readonly Name[];
}

/** The names of a subjectAltName. attacker-controlled @throws Refusal CORDON-1006 */
export function readNames(value: Uint8Array): readonly Name[] {
  const outer = new DerReader(value);
  const names = outer.inside(SEQUENCE);
  outer.finish();
  const read: Name[] = [];
  while (names.tag !== undefined) read.push(nextName(names));
  return read;
}

function nextName(from: DerReader): Name {
  const { tag = 0 } = from;
  return { tag, value: from.content(tag) };
}

export const urisAmong = (names: readonly Name[]): readonly string[] =>
  names.filter(({ tag }) => tag === URI).map(({ value }) => Buffer.from(value).toString('latin1'));

/** A subject (DER) as a name; empty: none. */
export const subjectName = (subject: Uint8Array): readonly Name[] => (subject.length > 2 ? [{ tag: DIRECTORY, value: subject }] : []);

/** The value of the extension. attacker-controlled @throws Refusal CORDON-1006 */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const outer = new DerReader(value);
  const lists = outer.inside(SEQUENCE);
  outer.finish();
  const permitted = readSubtrees(lists, 0xa0);
  const excluded = readSubtrees(lists, 0xa1);
  lists.finish();
  return { permitted, excluded };
}

function readSubtrees(lists: DerReader, tag: number): readonly Name[] {
  if (lists.tag !== tag) return [];
  const subtrees = lists.inside(tag);
  const read: Name[] = [];
  while (subtrees.tag !== undefined) {
    const subtree = subtrees.inside(SEQUENCE);
    read.push(nextName(subtree));
    subtree.finish(); // `minimum` and `maximum` are not used (§4.2.1.10)
  }
  return read;
}

/** @throws Refusal CORDON-1004 for a name that is not permitted, or excluded */
export function checkNames(names: readonly Name[], { permitted, excluded }: NameConstraints): void {
  for (const name of names) {
    const allowed = permitted.filter(({ tag }) => tag === name.tag);
    const denied = excluded.filter(({ tag }) => tag === name.tag);
    if (allowed.length === 0 && denied.length === 0) continue;
    const host = name.tag === URI ? hostOf(name.value) : undefined;
    const fits = host !== undefined && (allowed.length === 0 || allowed.some((one) => isWithin(host, one)));
    if (!fits || denied.some((one) => isWithin(host, one))) throw flaw('name-constraint', { observed: host ?? 'a name that is no URI' });
  }
}

/** Of a URI with an authority and no port or user; undefined for any other. */
const hostOf = (uri: Uint8Array): string | undefined =>
  /^[a-z][a-z\d+.-]*:\/\/([\w.-]+)(?:[/?#]|$)/i.exec(Buffer.from(uri).toString('latin1'))?.[1]?.toLowerCase();

/** A constraint with a leading period means every host below it, and not the one that it names. */
function isWithin(host: string, { value }: Name): boolean {
  const constraint = Buffer.from(value).toString('latin1').toLowerCase();
  return constraint.startsWith('.') ? host.length > constraint.length && host.endsWith(constraint) : host === constraint;
}
