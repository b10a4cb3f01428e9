// What tools, prompts and resources exist: asked of every MCP server, pinned at first sight, compared at every look after it. A changed
// definition is not served until an operator accepts it. attacker-controlled: what servers say
import { sha256Hex } from '../crypto/hash.ts';
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal, errorTextOf } from '../domain/refusal.ts';
import type { Defined, Offers, ResourceKind } from '../domain/registry.ts';
import type { Pins } from '../store/ports.ts';
import type { Publisher } from './publisher.ts';
import { accepting, reviewOf, type Acceptance, type ToolReview } from './tool-review.ts';
import { listed, readOffers, unlisted, writeOffers, type Definitions } from './offers.ts';
import { changedTools, readTools, textOf } from './tools.ts';
import { recordAct, type ActLog } from './acts.ts';

/** Where the definitions come from. */
export interface ToolSource {
  listTools(resource: string, signal: AbortSignal): Promise<readonly JsonObject[]>;
  /** What else it defines, by kind; asked after its tools. */
  listOffers(resource: string, signal: AbortSignal): Promise<JsonObject>;
}

export interface CatalogParts extends ActLog {
  readonly resources: readonly string[];
  readonly source: ToolSource;
  readonly pins: Pins;
  readonly publisher: Publisher;
  /** Called after the known tools changed; resolves when policies are admitted against them. */
  readonly onChange: () => Promise<void>;
}

export type ResourceState = {
  readonly resource: string;
  readonly state: 'waiting' | 'ready' | 'changed';
  /** Absent: an MCP server. */
  readonly kind?: ResourceKind;
  /** How many tools are served; of an HTTP API routes, of egress hosts. */
  readonly tools: number;
  /** Names of what is not defined as it is pinned. */
  readonly changed: readonly string[];
  /** Why the last look failed. */
  readonly error?: string;
};

export interface Catalog {
  /** Loads the pins, then looks at every server until it answers, and from then on now and again. */
  start(): Promise<void>;
  stop(): void;
  /** Looks at a server soon, whatever the wait was: its process has just got an identity. */
  wake(resource: string): void;
  /** What the server said last beside what is pinned. @throws Refusal CORDON-3003 no such resource, CORDON-9010 it has not answered yet */
  review(resource: string): Promise<ToolReview>;
  /**
   * Pins what was looked at, if the server still gives it. @returns the names of the tools that changed; of none, nothing was done
   * @throws Refusal CORDON-3003 no such resource or tool, CORDON-3004 it changed again, CORDON-9010 not answered yet, CORDON-9004
   */
  accept(order: Acceptance, actor: string): Promise<readonly string[]>;
  states(): readonly ResourceState[];
}

/** Milliseconds. */
const FIRST_RETRY = 100;
const LAST_RETRY = 5_000;
const LOOK_AGAIN = 60_000;
const LOOK_TIMEOUT = 20_000;

export const createCatalog = (parts: CatalogParts): Catalog => new ToolCatalog(parts);

class ToolCatalog implements Catalog {
  readonly #parts: CatalogParts;
  readonly #states = new Map<string, ResourceState>();
  /** What each server said last. */
  readonly #seen = new Map<string, readonly Defined[]>();
  /** Of what each server defined last, the kinds. */
  readonly #kinds = new Map<string, Offers>();
  /** What was published of each server, as text: only a change is published again. */
  readonly #served = new Map<string, string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #stopped = new AbortController();
  #accepting: Promise<unknown> = Promise.resolve();

  constructor(parts: CatalogParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const { resources, pins, publisher, onChange } = this.#parts;
    for (const resource of resources) {
      this.#states.set(resource, { resource, state: 'waiting', tools: 0, changed: [] });
      const { tools, offers } = await pinnedOf(pins, resource);
      if (tools !== undefined) publisher.setTools(resource, tools, []);
      if (offers !== undefined) publisher.setOffers(resource, offers);
    }
    await onChange();
    for (const resource of resources) void this.#look(resource, FIRST_RETRY);
  }

  stop(): void {
    this.#stopped.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async review(resource: string): Promise<ToolReview> {
    return reviewOf(resource, this.#seenOf(resource), await this.#pinned(resource));
  }

  /** One at a time: each adds to what the one before pinned. */
  accept(order: Acceptance, actor: string): Promise<readonly string[]> {
    const done = this.#accepting.then(() => this.#accept(order, actor));
    this.#accepting = done.catch(() => undefined);
    return done;
  }

  async #accept(order: Acceptance, actor: string): Promise<readonly string[]> {
    const { resource } = order;
    const found = this.#seenOf(resource);
    const { tools: next, accepted } = accepting(order, found, await this.#pinned(resource));
    if (accepted.length > 0) await this.#pin(resource, unlisted(next, this.#kinds.get(resource) ?? {}), actor, accepted);
    return accepted;
  }

  /** @throws Refusal CORDON-3003, CORDON-9010 */
  #seenOf(resource: string): readonly Defined[] {
    if (!this.#states.has(resource)) throw new Refusal('CORDON-3003', `no MCP server is registered as \`${resource}\``);
    const seen = this.#seen.get(resource);
    if (seen === undefined) throw new Refusal('CORDON-9010', `\`${resource}\` has not said yet what it defines`);
    return seen;
  }

  async #pinned(resource: string): Promise<readonly Defined[]> {
    const { tools = [], offers = {} } = await pinnedOf(this.#parts.pins, resource);
    return listed({ tools, offers });
  }

  states(): readonly ResourceState[] {
    return [...this.#states.values()];
  }

  /** Asks a server what it defines; never rejects. `wait`: milliseconds until the next try when this one fails. */
  async #look(resource: string, wait: number): Promise<void> {
    const { source } = this.#parts;
    try {
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(LOOK_TIMEOUT)]);
      const tools = readTools(await source.listTools(resource, signal));
      await this.#compare(resource, { tools, offers: readOffers(await source.listOffers(resource, signal)) });
      this.#lookIn(LOOK_AGAIN, resource, FIRST_RETRY);
    } catch (error) {
      const before = this.#states.get(resource) ?? { resource, state: 'waiting', tools: 0, changed: [] };
      this.#states.set(resource, { ...before, error: errorTextOf(error) });
      this.#lookIn(wait, resource, Math.min(wait * 2, LAST_RETRY));
    }
  }

  wake(resource: string): void {
    if (this.#states.has(resource)) this.#lookIn(FIRST_RETRY, resource, FIRST_RETRY);
  }

  #lookIn(ms: number, resource: string, wait: number): void {
    if (this.#stopped.signal.aborted) return;
    clearTimeout(this.#timers.get(resource));
    this.#timers.set(
      resource,
      setTimeout(() => void this.#look(resource, wait), ms),
    );
  }

  async #compare(resource: string, found: Definitions): Promise<void> {
    this.#seen.set(resource, listed(found));
    this.#kinds.set(resource, found.offers);
    const { tools, offers } = await pinnedOf(this.#parts.pins, resource);
    const pinned = { tools: tools ?? found.tools, offers: offers ?? found.offers };
    if (tools === undefined || offers === undefined) return this.#pin(resource, pinned, 'cordon', []);
    await this.#serve(resource, pinned);
  }

  /** The act is on record before it is done; a crash between the two writes leaves a list that is pinned at the next look. INVARIANT I3 */
  async #pin(resource: string, pinned: Definitions, actor: string, changed: readonly string[]): Promise<void> {
    const { pins } = this.#parts;
    const { tools, offers } = pinned;
    const digest = sha256Hex(textOf(listed(pinned)));
    const more = listed({ tools: [], offers });
    const detail: Record<string, Json> = {
      digest: `sha256:${digest}`,
      tools: tools.map((tool) => tool.name),
      offers: more.length,
      changed,
    };
    recordAct(this.#parts, { actor, act: 'resource.pin', target: resource, detail });
    await pins.putPin(offersPin(resource), sha256Hex(textOf(more)), writeOffers(offers));
    await pins.putPin(
      resource,
      sha256Hex(textOf(tools)),
      tools.map((tool) => tool.definition),
    );
    await this.#serve(resource, pinned);
  }

  /**
   * What is pinned stays known, also when it changed: policies are validated against it, and only its use is denied. What is not accepted
   * yet, or came while a pin was written, stays unserved.
   */
  async #serve(resource: string, pinned: Definitions): Promise<void> {
    const known = listed(pinned);
    const changed = changedTools(this.#seen.get(resource) ?? known, known);
    const tools = pinned.tools.filter((tool) => !changed.includes(tool.name)).length;
    this.#states.set(resource, { resource, state: changed.length > 0 ? 'changed' : 'ready', tools, changed });
    const served = `${textOf(known)}\n${changed.join('\n')}`;
    if (this.#served.get(resource) === served) return;
    this.#served.set(resource, served);
    this.#parts.publisher.setTools(resource, pinned.tools, changed);
    this.#parts.publisher.setOffers(resource, pinned.offers);
    await this.#parts.onChange();
  }
}

/** No resource has a slash in its name. */
const offersPin = (resource: string): string => `${resource}/offers`;

async function pinnedOf(pins: Pins, resource: string): Promise<Partial<Definitions>> {
  const [tools, offers] = await Promise.all([pins.getPin(resource), pins.getPin(offersPin(resource))]);
  return {
    ...(tools === undefined ? {} : { tools: readTools(tools.tools) }),
    ...(offers === undefined ? {} : { offers: readOffers(isJsonObject(offers.tools) ? offers.tools : {}) }),
  };
}
