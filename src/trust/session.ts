// One run on one task: what it was asked, what it has seen, and whether the next call serves the task with values it may use. Pure: the
// caller says what was called and what came back. Nothing a tool returned ever adds a tool to the scope.
import { type Manifest, type Role, type ToolSchema, draftManifest } from './manifest.ts';
import { Provenance, isAddress, normal, spansOf, tokensOf } from './provenance.ts';

/** A planner's list of tools and its words about their arguments, written before anything untrusted was read. */
export interface Plan {
  readonly tools: readonly string[];
  readonly text: string;
}

export interface Call {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface Verdict {
  readonly answer: 'allow' | 'deny' | 'ask';
  /** `out_of_scope`, or the arguments that no trusted source explains. */
  readonly code: 'in_scope' | 'out_of_scope' | 'untrusted_argument' | 'ambiguous_argument';
  readonly untrusted: readonly string[];
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

  constructor(manifests: ReadonlyMap<string, Manifest>, prompt: string, plans: readonly Plan[]) {
    this.#manifests = manifests;
    this.#planned = new Set(plans.flatMap(({ tools }) => tools));
    this.#prompt = new Set(tokensOf(prompt));
    this.#provenance.learn(prompt, 'prompt');
    for (const { text } of plans) this.#provenance.learn(text, 'prompt');
  }

  decide(call: Call): Verdict {
    const { effect, roles } = this.#manifests.get(call.tool) ?? NOTHING;
    if (effect === 'write' && !this.#planned.has(call.tool)) return { answer: 'deny', code: 'out_of_scope', untrusted: [] };
    const standings = Object.entries(call.arguments).map(
      ([name, value]) => [name, this.#standing(value, roles[name] ?? 'sink', effect)] as const,
    );
    const untrusted = standings.filter(([, standing]) => standing !== 'trusted').map(([name]) => name);
    if (standings.some(([, standing]) => standing === 'untrusted')) return { answer: 'deny', code: 'untrusted_argument', untrusted };
    if (untrusted.length > 0) return { answer: 'ask', code: 'ambiguous_argument', untrusted };
    return { answer: 'allow', code: 'in_scope', untrusted };
  }

  /** Takes in what an allowed call returned. */
  observe(call: Call, output: string): void {
    const named = this.#pointedAt(call);
    for (const { text, free } of spansOf(output)) {
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
