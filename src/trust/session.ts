// One run on one task: what it was asked, what it has seen, and whether the next call serves the task with values it may use. Pure: the
// caller says what was called and what came back. Nothing a tool returned ever adds a tool to the scope.
import type { Facts } from './facts.ts';
import { type Manifest, type Role, type ToolSchema, draftManifest } from './manifest.ts';
import { Provenance, isAddress, normal, spansOf, tokensOf } from './provenance.ts';

/** A planner's list of tools and its words about their arguments, written before anything untrusted was read. */
export interface Plan {
  readonly tools: readonly string[];
  readonly text: string;
  /** The same as steps, where the planner's words could be parsed; it narrows further. */
  readonly steps?: readonly PlannedStep[];
}

export interface PlannedStep {
  readonly tool: string;
  /** What the planner fixed of the arguments: a value, or the tools whose outputs are to supply it. */
  readonly arguments: Readonly<Record<string, { readonly value?: unknown; readonly from?: readonly string[] }>>;
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

type Standing = 'trusted' | 'ambiguous' | 'untrusted';
const NOTHING: Manifest = { effect: 'write', roles: {} };

export function draftManifests(tools: readonly ToolSchema[]): ReadonlyMap<string, Manifest> {
  return new Map(tools.map((tool) => [tool.name, draftManifest(tool)]));
}

export class Session {
  readonly #provenance = new Provenance();
  /** Addresses that sources named by the prompt hold: with a second one, which of them the user means is no longer plain. */
  readonly #named = new Set<string>();
  readonly #planned: ReadonlySet<string>;
  readonly #prompt: ReadonlySet<string>;
  readonly #manifests: ReadonlyMap<string, Manifest>;

  #calls = 0;
  #writes = 0;

  constructor({ manifests, trusted, plans = [] }: Opening) {
    this.#manifests = manifests;
    this.#planned = new Set(plans.flatMap(({ tools }) => tools));
    this.#prompt = new Set(trusted.flatMap(tokensOf));
    for (const text of [...trusted, ...plans.map((plan) => plan.text)]) this.#provenance.learn(text, 'prompt');
  }

  /** Pure over what the session has seen: asking changes nothing. */
  facts(call: Call): Facts {
    const manifest = this.#manifests.get(call.tool);
    const { effect, roles } = manifest ?? NOTHING;
    const standings = Object.entries(call.arguments).map(
      ([name, value]) => [name, this.#standing(value, roles[name] ?? 'sink', effect)] as const,
    );
    const named = (standing: Standing): string[] => standings.filter(([, its]) => its === standing).map(([name]) => name);
    return {
      effect,
      known: manifest !== undefined,
      sinks: Object.keys(call.arguments),
      untrusted: named('untrusted'),
      unseen: [],
      ambiguous: named('ambiguous'),
      excess: [],
      unplanned: effect === 'write' && !this.#planned.has(call.tool),
      exhausted: false,
      calls: this.#calls,
      writes: this.#writes,
    };
  }

  /** Counts a call that was allowed, before it is forwarded: what is in flight has been spent. */
  admit(call: Call): void {
    this.#calls += 1;
    if (this.#manifests.get(call.tool)?.effect !== 'read') this.#writes += 1;
  }

  /** Takes in what an admitted call returned. */
  observe(call: Call, output: Output): void {
    const named = this.#pointedAt(call);
    for (const { text, free } of spansOf(output.text ?? (output.json === undefined ? '' : JSON.stringify(output.json)))) {
      this.#provenance.learn(text, free ? (named ? 'named' : 'free') : 'field');
      if (free && named) for (const token of tokensOf(text)) if (isAddress(token)) this.#named.add(token);
    }
  }

  /** The prompt points at a source when it names every text argument of the call that reads it. */
  #pointedAt(call: Call): boolean {
    const texts = Object.values(call.arguments).filter((value) => typeof value === 'string');
    return texts.length > 0 && texts.every((text) => this.#prompt.has(normal(text)));
  }

  #standing(value: unknown, role: Role, effect: Manifest['effect']): Standing {
    if (role === 'quantity' || (role === 'content' && effect === 'read')) return 'trusted';
    return worst(
      stringsIn(value)
        .flatMap((text) => (role === 'content' ? tokensOf(text).filter(isAddress) : [text]))
        .map((text) => this.#value(text)),
    );
  }

  #value(text: string): Standing {
    if (text.trim() === '') return 'trusted';
    const origin = this.#provenance.originOf(text);
    if (origin === 'prompt' || origin === 'field') return 'trusted';
    if (origin !== 'named') return 'untrusted';
    return isAddress(normal(text)) && this.#named.size > 1 ? 'ambiguous' : 'trusted';
  }
}

const worst = (standings: readonly Standing[]): Standing =>
  (['untrusted', 'ambiguous'] as const).find((standing) => standings.includes(standing)) ?? 'trusted';

/** Every string and number inside a value; objects of any depth are decoded JSON, bounded where they were parsed. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}
