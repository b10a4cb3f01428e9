// Registration entries: which facts a workload must show to be which agent, and which entries fit what was seen.
// Promises: every selector of an entry was seen, letter for letter, or the entry does not match.
import { Refusal } from '../domain/refusal.ts';
import type { Composition } from './composition.ts';
import { attestorOf, kindOf, MAX_SELECTORS, selectorText, type Attestor, type Selector } from './selectors.ts';

/** What an identity is given for. */
export interface Registered {
  readonly kind: 'agent' | 'resource';
  readonly name: string;
}

export interface RegistrationEntry extends Registered {
  readonly id: string;
  /** All of them must be seen; of one attestor, sorted. */
  readonly selectors: readonly Selector[];
  /** Lifetime of its SVIDs, milliseconds; absent: that of every SVID. */
  readonly ttl?: number;
  readonly owner: string;
  readonly purpose: string;
  /** What it must be made of. */
  readonly composition: Composition;
  readonly source: 'config' | 'api';
  /** SPIFFE ID of the operator, or the file. */
  readonly createdBy: string;
  /** Unix milliseconds; absent: since the file says so. */
  readonly createdAt?: number;
}

/** An OIDC subject means nothing without its issuer, and an issuer names nobody without a subject or a claim. */
const NEEDED: Partial<Record<Attestor, readonly string[]>> = { oidc: ['oidc:iss'] };
/** What alone is true of far too many. */
const VAGUE: ReadonlySet<string> = new Set(['oidc:iss', 'unix:gid', 'launcher:uid', 'launcher:parent']);

/** The selectors of an entry, sorted and once each. @throws Refusal CORDON-9011 when no workload, or nearly any, could show them */
export function entrySelectors(given: readonly Selector[]): readonly Selector[] {
  const selectors = [...new Set(given)].toSorted();
  const [first, ...rest] = selectors;
  if (first === undefined || selectors.length > MAX_SELECTORS) throw misfit('an entry has from 1 to 128 selectors');
  const attestor = attestorOf(first);
  if (attestor === 'join_token') throw misfit('a join token is an entry of its own: `cordon agent token NAME`');
  const stranger = rest.find((selector) => attestorOf(selector) !== attestor);
  if (stranger !== undefined) throw misfit(`\`${stranger}\`: the selectors of an entry are those of one attestor, here \`${attestor}\``);
  const kinds = selectors.map(kindOf);
  const missing = NEEDED[attestor]?.find((kind) => !kinds.includes(kind));
  if (missing !== undefined) throw misfit(`an entry for \`${attestor}\` needs \`${missing}\``);
  const twice = kinds.find((kind, at) => SINGLE.has(kind) && kinds.indexOf(kind) !== at);
  if (twice !== undefined) throw misfit(`\`${twice}\` has one value: no workload has both`);
  if (kinds.every((kind) => VAGUE.has(kind))) throw misfit(`\`${kinds.join('`, `')}\` alone would fit nearly anybody`);
  return selectors;
}

/** Facts of which a workload has one. */
const SINGLE: ReadonlySet<string> = new Set([
  'unix:uid',
  'unix:gid',
  'unix:path',
  'unix:sha256',
  'launcher:uid',
  'launcher:digest',
  'launcher:script',
  'launcher:parent',
  'oidc:iss',
  'oidc:sub',
  'spiffe:id',
]);

const misfit = (message: string): Refusal =>
  new Refusal('CORDON-9011', message, { fix: 'change its selectors; what each says: docs/attestation.md' });

/** The entry that came nearest, and what it wants that was not seen. */
export interface Nearest {
  readonly entry: RegistrationEntry;
  readonly missing: readonly Selector[];
}

/** Entries, found by what was seen. A value: adding and removing make another one. */
export class EntryIndex {
  readonly #byId: ReadonlyMap<string, RegistrationEntry>;
  /** By the longest selector of each: a digest or a subject, which few entries share. */
  readonly #byAnchor = new Map<Selector, RegistrationEntry[]>();

  constructor(entries: Iterable<RegistrationEntry>) {
    this.#byId = new Map([...entries].map((entry) => [entry.id, entry]));
    for (const entry of this.#byId.values()) {
      const anchor = anchorOf(entry);
      const known = this.#byAnchor.get(anchor);
      if (known === undefined) this.#byAnchor.set(anchor, [entry]);
      else known.push(entry);
    }
  }

  get(id: string): RegistrationEntry | undefined {
    return this.#byId.get(id);
  }

  all(): readonly RegistrationEntry[] {
    return [...this.#byId.values()];
  }

  of({ kind, name }: Registered): readonly RegistrationEntry[] {
    return this.all().filter((entry) => entry.kind === kind && entry.name === name);
  }

  /** The entries whose selectors were all seen, most specific first: one for each agent or resource. */
  match(seen: readonly Selector[]): readonly RegistrationEntry[] {
    const facts = new Set(seen);
    const fitting = seen
      .flatMap((selector) => this.#byAnchor.get(selector) ?? [])
      .filter(({ selectors }) => selectors.every((selector) => facts.has(selector)))
      .toSorted(bySpecificity);
    const names = new Set<string>();
    return fitting.filter(({ kind, name }) => names.size < names.add(`${kind}/${name}`).size);
  }

  /** Of the entries of the same attestor, the one that lacks the fewest facts. */
  nearest(seen: readonly Selector[], wanted?: Registered): Nearest | undefined {
    const facts = new Set(seen);
    const attestors = new Set(seen.map(attestorOf));
    let best: Nearest | undefined;
    for (const entry of wanted === undefined ? this.all() : this.of(wanted)) {
      const [first] = entry.selectors;
      if (first === undefined || !attestors.has(attestorOf(first))) continue;
      const missing = entry.selectors.filter((selector) => !facts.has(selector));
      if (best === undefined || isNearer({ entry, missing }, best)) best = { entry, missing };
    }
    return best;
  }
}

function anchorOf({ selectors: [first, ...rest] }: RegistrationEntry): Selector {
  if (first === undefined) throw misfit('an entry without selectors');
  return rest.reduce((longest, selector) => (selector.length > longest.length ? selector : longest), first);
}

const bySpecificity = (a: RegistrationEntry, b: RegistrationEntry): number =>
  b.selectors.length - a.selectors.length || (a.id < b.id ? -1 : 1);

/** Fewer facts lack; of two that lack as many, the one that more was seen of. */
const isNearer = (a: Nearest, b: Nearest): boolean =>
  a.missing.length === b.missing.length ? a.entry.selectors.length > b.entry.selectors.length : a.missing.length < b.missing.length;

/** Nothing matches: what was seen, the nearest entry, and what it wants instead. UX reference §7. */
export function noMatch(seen: readonly Selector[], nearest: Nearest | undefined, wanted?: Registered): Refusal {
  const who = wanted === undefined ? '' : ` as ${wanted.kind} \`${wanted.name}\``;
  const asked = new Set(nearest?.entry.selectors.map(kindOf));
  const first = seen.toSorted((a, b) => Number(asked.has(kindOf(b))) - Number(asked.has(kindOf(a))));
  return new Refusal('CORDON-1012', `no registration entry matches this workload${who}`, {
    observed: first.slice(0, SHOWN).map(selectorText).join('  ') || 'nothing',
    expected: nearest === undefined ? 'an entry for this attestor; there is none' : wantsText(nearest),
    fix: `cordon agent register ${wanted?.name ?? nearest?.entry.name ?? 'NAME'} ${first
      .slice(0, asked.size || SHOWN)
      .map(flagText)
      .join(' ')}`.trim(),
  });
}

/** Selectors in a message. */
const SHOWN = 8;

const wantsText = ({ entry: { name, selectors }, missing }: Nearest): string =>
  `entry \`${name}\` wants ${missing.slice(0, SHOWN).map(selectorText).join('  ')}  (${missing.length} of ${selectors.length} differ)`;

const flagText = (selector: Selector): string => `--selector '${selector.replaceAll("'", `'\\''`)}'`;
