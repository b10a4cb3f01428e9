// One run on one task: what it was asked, what it has seen, and what policy may know of the next call. Pure: the caller says what was
// called and what came back. Nothing a tool returned ever adds a tool to the scope, unless the task itself hands over to that source.
import type { Role } from '../domain/manifest.ts';
import { UNCOUNTED } from '../domain/provenance.ts';
import type { Facts } from './facts.ts';
import { Asked, delegates } from './lexicon.ts';
import { type Manifest, type ToolSchema, draftManifest } from './manifest.ts';
import { Memory, type Pointed } from './memory.ts';
import { piecesOf, piecesOfJson } from './records.ts';
import type { Origins } from './seen.ts';
import { Tallies, wholesIn } from './tallies.ts';
import { addressKind, atomsIn } from './values.ts';

/** A planner's list of tools and its words about their arguments, written before anything untrusted was read. */
export interface Plan {
  readonly tools: readonly string[];
  readonly text: string;
  /** Which arguments are to come out of what another tool returns: `{ tool, argument, from }`. */
  readonly supplies?: readonly { readonly tool: string; readonly argument: string; readonly from: string }[];
  /** Arguments whose values the plan took from the task: no source is to supply another. */
  readonly fixes?: readonly { readonly tool: string; readonly argument: string }[];
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

/** What was admitted so far. */
export interface Counts {
  readonly calls: number;
  readonly writes: number;
}

export interface Opening {
  readonly manifests: ReadonlyMap<string, Manifest>;
  /** Texts that people wrote for this task before anything was read: the prompt, the words of the mandate. */
  readonly trusted: readonly string[];
  readonly plans?: readonly Plan[];
  /** Random and kept from agents, at least 8 bytes: what an attacker cannot predict, it cannot make collide. */
  readonly salt: Uint8Array;
  /** Of a session of the same task that is no more. */
  readonly counts?: Counts;
}

interface Judged {
  readonly name: string;
  readonly matters: boolean;
  readonly standing: Standing;
  readonly excess: boolean;
}
/**
 * What a value is for: `single` where one of several cannot be meant, `follows` where it says what to read next, `chosen` where a
 * source chose the tool and so may not choose its values, `supplied` where the plan has
 * it come out of another tool.
 */
interface Use {
  readonly single: boolean;
  readonly follows: boolean;
  readonly chosen: boolean;
  readonly supplied: boolean;
}
const ALONE: Use = { single: true, follows: false, chosen: false, supplied: false };
type Standing = 'trusted' | 'ambiguous' | 'untrusted' | 'unseen';
const NOTHING: Manifest = { effect: 'write', roles: {}, output: 'text', verb: '', object: '' };

export function draftManifests(tools: readonly ToolSchema[]): ReadonlyMap<string, Manifest> {
  return new Map(tools.map((tool) => [tool.name, draftManifest(tool)]));
}

export class Session {
  readonly #manifests: ReadonlyMap<string, Manifest>;
  readonly #planned: ReadonlySet<string>;
  readonly #memory: Memory;
  readonly #delegates: boolean;
  readonly #left = new Map<string, number>();
  readonly #asked: Asked[];
  /** What sources ask for that the task hands over to. */
  readonly #handedOver: Asked[] = [];
  /** What orders in content ask for. */
  readonly #ordered: Asked[] = [];
  readonly #suppliers: ReadonlySet<string>;
  readonly #supplied: ReadonlySet<string>;
  readonly #fixed: ReadonlySet<string>;
  readonly #unread: (readonly [Call, Output])[] = [];
  readonly #tallies: Tallies;
  #calls: number;
  #writes: number;

  constructor({ manifests, trusted, plans = [], salt, counts: { calls, writes } = { calls: 0, writes: 0 } }: Opening) {
    this.#tallies = new Tallies(calls > 0);
    this.#calls = calls;
    this.#writes = writes;
    this.#memory = new Memory(salt, {
      order: (text) => this.#ordered.push(new Asked(text)),
      named: (text) => {
        if (this.#delegates && this.#handedOver.length < MAX_HANDED_OVER) this.#handedOver.push(new Asked(text.slice(0, MAX_DELEGATED)));
      },
    });
    this.#manifests = manifests;
    this.#planned = new Set(plans.flatMap(({ tools }) => tools));
    for (const { counts = {} } of plans)
      for (const [tool, count] of Object.entries(counts)) this.#left.set(tool, Math.max(count, this.#left.get(tool) ?? 0));
    const supplies = plans.flatMap((plan) => plan.supplies ?? []);
    this.#suppliers = new Set(supplies.map(({ from }) => from));
    this.#supplied = new Set(supplies.map(({ tool, argument }) => `${tool} ${argument}`));
    this.#fixed = fixedByAll(plans);
    this.#delegates = trusted.some(delegates);
    this.#asked = trusted.map((text) => new Asked(text));
    for (const text of [...trusted, ...plans.map((plan) => plan.text)]) this.#memory.learnTask(text);
  }

  /** Memory that the session keeps, in bytes. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  get counts(): Counts {
    return { calls: this.#calls, writes: this.#writes };
  }

  /** Pure over what the session has seen: asking changes nothing. `now`: Unix milliseconds; where it is not said no time goes by. */
  facts(call: Call, now = 0): Facts {
    this.settle();
    const manifest = this.#manifests.get(call.tool);
    const { effect, roles } = manifest ?? NOTHING;
    const scope = effect === 'write' ? this.#scopeOf(call.tool, manifest) : 'task';
    const judged = Object.entries(call.arguments).map(([name, value]): Judged => {
      const role = roles[name] ?? (effect === 'read' ? 'content' : 'sink');
      const atoms = this.#atomsThatMatter(value, role, effect);
      if (role === 'fresh') return this.#fresh(name, atoms);
      const single = role === 'sink' && effect === 'write';
      const use = { single, follows: effect === 'read', chosen: scope === 'source', supplied: this.#supplied.has(`${call.tool} ${name}`) };
      return {
        name,
        matters: atoms.length > 0,
        standing: worst(atoms.map((atom) => this.#standing(atom, use))),
        excess: (this.#fixed.has(`${call.tool} ${name}`) || (single && atoms.length > 1)) && this.#exceeds(`${call.tool} ${name}`, atoms),
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
      unplanned: effect === 'write' && scope === undefined,
      exhausted: this.#left.get(call.tool) === 0,
      calls: this.#calls,
      writes: this.#writes,
      ...this.#tallies.of(call.tool),
      recent: this.#tallies.recent(call.tool, now),
    };
  }

  /** Counts a call that was allowed, before it is forwarded: what is in flight has been spent. `now` as for `facts`. */
  admit(call: Call, now = 0): void {
    this.#tallies.add(call.tool, wholesIn(call.arguments), now);
    this.#calls = Math.min(this.#calls + 1, UNCOUNTED);
    if (this.#manifests.get(call.tool)?.effect !== 'read') this.#writes = Math.min(this.#writes + 1, UNCOUNTED);
    const left = this.#left.get(call.tool);
    if (left !== undefined) this.#left.set(call.tool, Math.max(0, left - 1));
  }

  /** Takes in what an admitted call returned. It is read before the next question, or when `settle` is called. */
  observe(call: Call, output: Output): void {
    this.#unread.push([call, output]);
  }

  /** Reads what was observed: for the time after a reply went out, when nobody waits. */
  settle(): void {
    for (const [call, output] of this.#unread.splice(0)) this.#read(call, output);
  }

  #read(call: Call, { text = '', json, trust = 'mixed' }: Output): void {
    const manifest = this.#manifests.get(call.tool) ?? NOTHING;
    const pointed = this.#pointedAt(call, manifest);
    if (trust === 'untrusted' || (manifest.output === 'text' && trust !== 'trusted')) {
      this.#memory.learnText(text === '' && json !== undefined ? JSON.stringify(json) : text, pointed);
      return;
    }
    for (const piece of json === undefined ? piecesOf(text, manifest.output === 'records') : piecesOfJson(json))
      this.#memory.learnPiece(piece, pointed, trust);
  }

  /** A source is named when every argument that says what to read stands in the task; linked when a named source says it. */
  #pointedAt({ tool, arguments: given }: Call, { roles }: Manifest): Pointed {
    const atoms = Object.entries(given)
      .filter(([name]) => roles[name] !== 'query' && roles[name] !== 'quantity')
      .flatMap(([, value]) => atomsIn(value))
      .filter((atom) => /[a-z]/i.test(atom));
    const origins = atoms.map((atom) => this.#memory.originsOf(atom));
    if (origins.length > 0 && origins.every((each) => each.has('task'))) return 'named';
    if (origins.length > 0 && origins.every((each) => each.has('task') || each.has('named'))) return 'linked';
    return this.#suppliers.has(tool) ? 'planned' : undefined;
  }

  /** Why a tool serves the task: by its plan, by its words, or by those of a source that it hands over to. */
  #scopeOf(tool: string, manifest: Manifest | undefined): 'task' | 'source' | undefined {
    if (this.#planned.has(tool)) return 'task';
    const asks = (asked: Asked): boolean => manifest !== undefined && asked.for(manifest);
    if (this.#ordered.some(asks)) return undefined;
    if (this.#asked.some(asks)) return 'task';
    return this.#handedOver.some(asks) ? 'source' : undefined;
  }

  /** The parts of an argument that say where something goes. */
  #atomsThatMatter(value: unknown, role: Role, effect: Manifest['effect']): string[] {
    if (role === 'sink' || role === 'fresh') return atomsIn(value);
    if (role === 'content' && effect === 'write') return atomsIn(value).flatMap((text) => this.#memory.addressesIn(text));
    return [];
  }

  #standing(atom: string, use: Use): Standing {
    const whole = this.#wholeStanding(atom, use);
    if (whole === 'trusted' || whole === 'ambiguous' || !atom.includes('/') || addressKind(atom) !== undefined) return whole;
    // a path of parts that are known each: a folder that was listed, and a name in it
    const parts = atom.split('/', MAX_PARTS + 1).filter((part) => part !== '');
    return parts.length < 2 || parts.length > MAX_PARTS ? whole : worst(parts.map((part) => this.#wholeStanding(part, use)));
  }

  #wholeStanding(atom: string, { single, follows, chosen, supplied }: Use): Standing {
    if (atom.trim() === '') return 'trusted';
    const kind = addressKind(atom);
    const origins = this.#memory.originsOf(atom);
    // what an order in content asks for: a person tells whose wish it is, and for an address even where the task names it as well
    const named = origins.has('order') || this.#memory.lostOrders;
    const ordered = named && (kind !== undefined || !origins.has('task'));
    if (isTrusted(origins)) return ordered ? 'ambiguous' : 'trusted';
    if ((origins.has('named') && !chosen) || (origins.has('linked') && !follows && !chosen) || (supplied && origins.has('planned')))
      return ordered || (single && this.#memory.isOneOfMany(kind)) ? 'ambiguous' : 'trusted';
    return origins.has('order') || origins.has('planned') || origins.has('linked') || this.#memory.othersWrote(atom)
      ? 'untrusted'
      : 'unseen';
  }

  /** A name for what the call makes: new, or of the task; the folders above it are known, and nobody else chose it. */
  #fresh(name: string, atoms: readonly string[]): Judged {
    const standings = atoms.flatMap((atom) => {
      const parts = atom.split('/', MAX_PARTS).filter((part) => part !== '');
      const whole = this.#standing(atom, ALONE);
      if (whole === 'trusted' || parts.length === 0) return [whole];
      const own = this.#wholeStanding(parts.at(-1) ?? '', ALONE);
      const above = parts.slice(0, -1).map((part) => this.#wholeStanding(part, ALONE));
      return [...above, own === 'unseen' && addressKind(parts.at(-1) ?? '') === undefined ? 'trusted' : own];
    });
    return { name, matters: atoms.length > 0, standing: worst(standings), excess: false };
  }

  /** Where the plan fixed the value, any other is more than the task asked for; so is, beside values that it names, one of a source. */
  #exceeds(argument: string, atoms: readonly string[]): boolean {
    const origins = atoms.filter((atom) => atom.trim() !== '').map((atom) => this.#memory.originsOf(atom));
    if (this.#fixed.has(argument)) return !origins.every((each) => each.has('task'));
    return origins.some((each) => each.has('task')) && !origins.every(isTrusted);
  }
}

/** What some plan fixes and no plan that has the tool leaves open. */
function fixedByAll(plans: readonly Plan[]): ReadonlySet<string> {
  const names = ({ fixes = [] }: Plan): string[] => fixes.map(({ tool, argument }) => `${tool} ${argument}`);
  return new Set(
    plans
      .flatMap(names)
      .filter((name) => plans.every((plan) => !plan.tools.includes(name.split(' ', 1)[0] ?? '') || names(plan).includes(name))),
  );
}

const isTrusted = (origins: Origins): boolean => origins.has('task') || origins.has('field') || origins.has('label');

/** Characters of a text that the task hands over to which are read for what they ask. */
/** Texts of such sources that add to the scope; later ones add nothing. */
const MAX_HANDED_OVER = 64;
const MAX_DELEGATED = 20_000;
/** Parts of a path that are looked up. */
const MAX_PARTS = 32;
const worst = (standings: readonly Standing[]): Standing =>
  (['untrusted', 'unseen', 'ambiguous'] as const).find((standing) => standings.includes(standing)) ?? 'trusted';
