// Selectors: what an attestor saw of a workload, one fact a text. `unix:uid:1000`, `oidc:claim:repository:acme/desk`.
// Promises: a `Selector` is canonical, so two equal facts are equal texts; matching is equality, never prefix, pattern or case.
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId } from '../domain/spiffe-id.ts';

declare const brand: unique symbol;
export type Selector = string & { readonly [brand]: 'Selector' };

/** Characters of one selector. */
export const MAX_SELECTOR = 1024;
/** Selectors of one workload, or of one entry. */
export const MAX_SELECTORS = 128;

type Check = (value: string) => boolean;

/** Decimal, as the kernel would write it: no sign, no leading zero; 2^32 − 1 means nobody. */
const number: Check = (value) => /^(0|[1-9]\d{0,9})$/.test(value) && Number(value) < 2 ** 32 - 1;
const digest: Check = (value) => /^[0-9a-f]{64}$/.test(value);
const text: Check = (value) => value !== '';
/** Absolute and without `.`, `..`, empty segments: one text for one file. */
const path: Check = (value) =>
  value.startsWith('/') &&
  value
    .split('/')
    .slice(1)
    .every((part) => part !== '' && part !== '.' && part !== '..');
const spiffeId: Check = (value) => {
  try {
    return parseSpiffeId(value) === value;
  } catch {
    return false; // the refusal of the selector says all of it
  }
};
const claim: Check = (value) => /^[^:]+:./s.test(value) && claimName(value.slice(0, value.indexOf(':')));

/** Segments of a claim's path, percent-encoded, so that neither `/` nor `:` in a member's name can be taken for a separator. */
const claimName: Check = (name) => name.split('/').every((part) => part !== '' && encodeURIComponent(decoded(part)) === part);

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

/** Attestor → key → what its value looks like. */
const KEYS = {
  unix: { uid: number, gid: number, path, sha256: digest },
  launcher: { uid: number, digest, script: digest, lock: digest, parent: path },
  oidc: { iss: text, sub: text, claim },
  spiffe: { id: spiffeId },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Check>>>>;

/** Who saw it. */
export type Attestor = keyof typeof KEYS | 'join_token';
export const ATTESTORS: readonly Attestor[] = ['unix', 'launcher', 'oidc', 'spiffe', 'join_token'];

const CONTROL = /[\0-\x1f\x7f-\x9f]/;

/** Parses a selector, strictly. attacker-controlled @throws Refusal CORDON-9011 */
export function parseSelector(given: string): Selector {
  const selector = readSelector(given);
  if (selector !== undefined) return selector;
  throw new Refusal('CORDON-9011', `\`${given.slice(0, 80)}\` is no selector`, {
    expected: FORMS,
    fix: 'write it in one of these forms; what each says: docs/attestation.md',
  });
}

const FORMS = Object.entries(KEYS)
  .flatMap(([attestor, keys]) => Object.keys(keys).map((key) => `${attestor}:${key}:..`))
  .join(', ');

const readSelector = (given: string): Selector | undefined => (isSelector(given) ? given : undefined);

function isSelector(given: string): given is Selector {
  if (given.length > MAX_SELECTOR || CONTROL.test(given) || !given.isWellFormed()) return false;
  const [attestor, rest] = halves(given);
  return attestor === 'join_token' ? /^[0-9A-Z]{4,32}$/.test(rest) : fits(attestor, rest);
}

function fits(attestor: string, rest: string): boolean {
  const [key, value] = halves(rest);
  const known: Readonly<Record<string, Readonly<Record<string, Check>>>> = KEYS;
  const keys = Object.hasOwn(known, attestor) ? known[attestor] : undefined;
  const check = keys !== undefined && Object.hasOwn(keys, key) ? keys[key] : undefined;
  return check?.(value) ?? false;
}

function halves(given: string): readonly [string, string] {
  const colon = given.indexOf(':');
  return colon < 0 ? [given, ''] : [given.slice(0, colon), given.slice(colon + 1)];
}

/** Who saw the fact. */
export const attestorOf = (selector: Selector): Attestor => ATTESTORS.find((name) => selector.startsWith(`${name}:`)) ?? 'join_token';

/** Without the value: `unix:uid`, `oidc:claim:repository`. Two selectors of one kind say different things of the same fact. */
export function kindOf(selector: Selector): string {
  if (attestorOf(selector) === 'join_token') return 'join_token';
  return selector
    .split(':')
    .slice(0, selector.startsWith('oidc:claim:') ? 3 : 2)
    .join(':');
}

/** `unix:uid=1001`, for a message; a digest is shortened. */
export function selectorText(selector: Selector): string {
  const kind = kindOf(selector);
  const value = selector.slice(kind.length + 1);
  return `${kind}=${digest(value) ? `${value.slice(0, 8)}..` : value}`;
}

/**
 * The selectors of what was seen. A fact that fits in none is left out: no entry can ask for it, so that only ever denies.
 * @throws Refusal CORDON-1005 when there are too many
 */
export function selectorsOf(facts: Iterable<readonly [kind: string, value: string]>): readonly Selector[] {
  const seen = new Set<Selector>();
  for (const [kind, value] of facts) {
    const selector = readSelector(`${kind}:${value}`);
    if (selector !== undefined) seen.add(selector);
    if (seen.size > MAX_SELECTORS) throw new Refusal('CORDON-1005', `more than ${MAX_SELECTORS} facts about one workload`);
  }
  return [...seen].toSorted();
}
