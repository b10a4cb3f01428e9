// One run on one task: what it was asked, what it has seen, and what policy may know of the next call. Pure: the caller says what was
// called and what came back. Nothing a tool returned ever adds a tool to the scope, unless the task itself hands over to that source.
import type { Facts } from './facts.ts';
import { Fingerprints } from './fingerprints.ts';
import { Asked, delegates } from './lexicon.ts';
import { type Manifest, type Role, type ToolSchema, draftManifest, isFreeField } from './manifest.ts';
import { orderStart } from './orders.ts';
import { Others } from './others.ts';
import { type Piece, piecesOf, piecesOfJson } from './records.ts';
import { type Origin, Seen } from './seen.ts';
import { type AddressKind, addressKind, addressesIn, atomsIn } from './values.ts';

/** A planner's list of tools and its words about their arguments, written before anything untrusted was read. */
export interface Plan {
  readonly tools: readonly string[];
  readonly text: string;
  /** How often a tool may be called, where the mandate says it. */
  readonly counts?: Readonly<Record<string, number>>;
}

export interface Call {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What a call returned. `trust` is that of the source as a whole, where somebody vouches for it. */
export interface Output {
  readonly text?: string;
  /** The structured form, where the tool gave one; it is read instead of `text`. */
  readonly json?: unknown;
  readonly trust?: 'trusted' | 'mixed' | 'untrusted';
}

export interface Opening {
  readonly manifests: ReadonlyMap<string, Manifest>;
  /** Texts that people wrote for this task before anything was read: the prompt, the words of the mandate. */
  readonly trusted: readonly string[];
  readonly plans?: readonly Plan[];
  /** Random and kept from agents, at least 8 bytes: what an attacker cannot predict, it cannot make collide. */
  readonly salt: Uint8Array;
}

type Standing = 'trusted' | 'ambiguous' | 'untrusted' | 'unseen';
/** How a task points at what a call reads: it names it, or a source that it names does. */
type Pointed = 'named' | 'linked' | undefined;
const NOTHING: Manifest = { effect: 'write', roles: {}, output: 'text', verbs: [], objects: [] };

export function draftManifests(tools: readonly ToolSchema[]): ReadonlyMap<string, Manifest> {
  return new Map(tools.map((tool) => [tool.name, draftManifest(tool)]));
}

export class Session {
  readonly #manifests: ReadonlyMap<string, Manifest>;
  readonly #planned: ReadonlySet<string>;
  readonly #seen: Seen;
  readonly #others: Others;
  readonly #delegates: boolean;
  readonly #left = new Map<string, number>();
  #asked: Asked[];
  /** What orders in content ask for. */
  readonly #ordered: Asked[] = [];
  /** Addresses in sources that the task points at: with a second one of a kind, which of them it means is no longer plain. */
  readonly #named: Readonly<Record<AddressKind, Set<string>>> = { mail: new Set(), url: new Set(), account: new Set() };
  #calls = 0;
  #writes = 0;

  constructor({ manifests, trusted, plans = [], salt }: Opening) {
    const fingerprints = new Fingerprints(salt);
    this.#manifests = manifests;
    this.#planned = new Set(plans.flatMap(({ tools }) => tools));
    for (const { counts = {} } of plans)
      for (const [tool, count] of Object.entries(counts)) this.#left.set(tool, Math.max(count, this.#left.get(tool) ?? 0));
    this.#seen = new Seen(fingerprints);
    this.#others = new Others(fingerprints);
    this.#delegates = trusted.some(delegates);
    this.#asked = trusted.map((text) => new Asked(text));
    for (const text of [...trusted, ...plans.map((plan) => plan.text)]) this.#seen.learn(text, 'prompt');
  }

  /** Memory that the session keeps, in bytes. */
  get bytes(): number {
    return this.#seen.bytes + this.#others.bytes;
  }

  /** Pure over what the session has seen: asking changes nothing. */
  facts(call: Call): Facts {
    const manifest = this.#manifests.get(call.tool);
    const { effect, roles } = manifest ?? NOTHING;
    const judged = Object.entries(call.arguments).map(([name, value]) => {
      const role = roles[name] ?? (effect === 'read' ? 'content' : 'sink');
      const atoms = atomsThatMatter(value, role, effect);
      const single = role === 'sink' && effect === 'write';
      return {
        name,
        matters: atoms.length > 0,
        standing: worst(atoms.map((atom) => this.#standing(atom, single))),
        excess: single && atoms.length > 1 && this.#exceeds(atoms),
      };
    });
    const named = (standing: Standing): string[] => judged.filter((its) => its.standing === standing).map(({ name }) => name);
    return {
      effect,
      known: manifest !== undefined,
      sinks: judged.filter(({ matters }) => matters).map(({ name }) => name),
      untrusted: named('untrusted'),
      unseen: named('unseen'),
      ambiguous: named('ambiguous'),
      excess: judged.filter(({ excess }) => excess).map(({ name }) => name),
      unplanned: effect === 'write' && !this.#inScope(call.tool, manifest),
      exhausted: this.#left.get(call.tool) === 0,
      calls: this.#calls,
      writes: this.#writes,
    };
  }

  /** Counts a call that was allowed, before it is forwarded: what is in flight has been spent. */
  admit(call: Call): void {
    this.#calls += 1;
    if (this.#manifests.get(call.tool)?.effect !== 'read') this.#writes += 1;
    const left = this.#left.get(call.tool);
    if (left !== undefined) this.#left.set(call.tool, Math.max(0, left - 1));
  }

  /** Takes in what an admitted call returned. */
  observe(call: Call, { text = '', json, trust = 'mixed' }: Output): void {
    const manifest = this.#manifests.get(call.tool) ?? NOTHING;
    const pointed = this.#pointedAt(call, manifest);
    if (trust === 'trusted') this.#seen.learn(text, 'field');
    else if (json !== undefined) this.#observePieces(piecesOfJson(json), pointed, trust);
    else if (manifest.output === 'text' || trust === 'untrusted') this.#observeText(text, pointed);
    else this.#observePieces(piecesOf(text), pointed, trust);
  }

  /** A field with words of an order in it explains itself as a whole, and the order is remembered. */
  #observeField(text: string): void {
    const until = orderStart(text);
    this.#seen.learn(text, until < text.length ? 'label' : 'field');
    if (until < text.length) this.#observeOrder(text.slice(until));
  }

  #observeOrder(text: string): void {
    this.#seen.learn(text, 'order');
    if (this.#ordered.length < MAX_ORDERS) this.#ordered.push(new Asked(text));
  }

  #observePieces(pieces: readonly Piece[], pointed: Pointed, trust: 'mixed' | 'untrusted'): void {
    for (const { key, text, kind } of pieces) {
      if (kind === 'field' && trust === 'mixed' && !isFreeField(key)) this.#observeField(text);
      else {
        if (key === '' && text.length < 4096) this.#seen.learn(text, 'label');
        this.#observeText(text, pointed);
      }
    }
  }

  /** Free text explains nothing, unless the task points at its source; and never from where it begins to give orders. */
  #observeText(text: string, pointed: Pointed): void {
    const until = orderStart(text);
    if (until < text.length) this.#observeOrder(text.slice(until, until + MAX_ORDER));
    if (pointed === undefined) return this.#others.learn(text);
    const said = text.slice(0, until);
    this.#seen.learn(said, pointed);
    this.#others.learn(text.slice(until));
    for (const address of addressesIn(said)) {
      const kind = addressKind(address);
      if (kind !== undefined) this.#named[kind].add(address.toLowerCase());
    }
    if (this.#delegates && pointed === 'named') this.#asked.push(new Asked(said));
  }

  /** A source is named when every argument that says what to read stands in the task; linked when a named source says it. */
  #pointedAt({ arguments: given }: Call, { roles }: Manifest): Pointed {
    const atoms = Object.entries(given)
      .filter(([name]) => roles[name] !== 'query' && roles[name] !== 'quantity')
      .flatMap(([, value]) => atomsIn(value))
      .filter((atom) => /[a-z]/i.test(atom));
    const origins = atoms.map((atom) => this.#seen.originsOf(atom));
    if (origins.length === 0) return undefined;
    if (origins.every((each) => each.has('prompt'))) return 'named';
    return origins.every((each) => each.has('prompt') || each.has('named')) ? 'linked' : undefined;
  }

  #inScope(tool: string, manifest: Manifest | undefined): boolean {
    if (this.#planned.has(tool)) return true;
    const asks = (asked: Asked): boolean => manifest !== undefined && asked.for(manifest);
    return this.#asked.some(asks) && !this.#ordered.some(asks);
  }

  /** A host with and without `www.` is one host to people who write of it. */
  #hostOrigins(url: string): ReadonlySet<Origin> {
    const origins = this.#seen.originsOf(url);
    return origins.size > 0 || /^(?:https?:\/\/)?www\./i.test(url) ? origins : this.#seen.originsOf(`www.${url.replace(/^https?:\/\//i, '')}`);
  }

  #standing(atom: string, single: boolean): Standing {
    if (atom.trim() === '') return 'trusted';
    const kind = addressKind(atom);
    const origins = kind === 'url' ? this.#hostOrigins(atom) : this.#seen.originsOf(atom);
    // what an order in content asks for: a person tells whose wish it is, and for an address even where the task names it as well
    const ordered = origins.has('order') && (kind !== undefined || !origins.has('prompt'));
    if (TRUSTED.some((origin) => origins.has(origin))) return ordered ? 'ambiguous' : 'trusted';
    if (origins.has('named') || origins.has('linked')) return ordered || (single && this.#isOneOfMany(kind)) ? 'ambiguous' : 'trusted';
    return ordered || this.#others.has(atom) ? 'untrusted' : 'unseen';
  }

  #isOneOfMany(kind: AddressKind | undefined): boolean {
    return kind !== undefined && this.#named[kind].size > 1;
  }

  /** Beside values that the task names, one that only a source supplies is more than the task asked for. */
  #exceeds(atoms: readonly string[]): boolean {
    const origins = atoms.map((atom) => this.#seen.originsOf(atom));
    return origins.some((each) => each.has('prompt')) && origins.some((each) => !TRUSTED.some((origin) => each.has(origin)));
  }
}

/** Of an order so many characters are remembered: values stand early in it. */
const MAX_ORDER = 20_000;
const MAX_ORDERS = 64;
const TRUSTED: readonly Origin[] = ['prompt', 'field', 'label'];

const worst = (standings: readonly Standing[]): Standing =>
  (['untrusted', 'unseen', 'ambiguous'] as const).find((standing) => standings.includes(standing)) ?? 'trusted';

/** The parts of an argument that say where something goes. */
function atomsThatMatter(value: unknown, role: Role, effect: Manifest['effect']): string[] {
  if (role === 'sink') return atomsIn(value);
  if (role === 'content' && effect === 'write') return atomsIn(value).flatMap(addressesIn);
  return [];
}
