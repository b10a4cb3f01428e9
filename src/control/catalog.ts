// What tools exist: asked of every MCP server, pinned at first sight, compared at every look after it. A changed definition is not
// served until an operator accepts it. attacker-controlled: what servers say
import { sha256Hex } from '../crypto/hash.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { Refusal, errorTextOf } from '../domain/refusal.ts';
import type { ResourceKind, Tool } from '../domain/registry.ts';
import type { Pins } from '../store/ports.ts';
import type { Publisher } from './publisher.ts';
import { accepting, reviewOf, type Acceptance, type ToolReview } from './tool-review.ts';
import { changedTools, readTools, textOf } from './tools.ts';
import { recordAct, type ActLog } from './acts.ts';

/** Where the definitions come from. */
export interface ToolSource {
  listTools(resource: string, signal: AbortSignal): Promise<readonly JsonObject[]>;
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
  /** Tools whose definition is not the pinned one. */
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
  readonly #seen = new Map<string, readonly Tool[]>();
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
      const pin = await pins.getPin(resource);
      if (pin !== undefined) publisher.setTools(resource, readTools(pin.tools), []);
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
    const { tools, accepted } = accepting(order, found, await this.#pinned(resource));
    if (accepted.length > 0) await this.#pin(resource, tools, actor, accepted);
    return accepted;
  }

  /** @throws Refusal CORDON-3003, CORDON-9010 */
  #seenOf(resource: string): readonly Tool[] {
    if (!this.#states.has(resource)) throw new Refusal('CORDON-3003', `no MCP server is registered as \`${resource}\``);
    const seen = this.#seen.get(resource);
    if (seen === undefined) throw new Refusal('CORDON-9010', `\`${resource}\` has not said yet what tools it has`);
    return seen;
  }

  async #pinned(resource: string): Promise<readonly Tool[]> {
    return readTools((await this.#parts.pins.getPin(resource))?.tools ?? []);
  }

  states(): readonly ResourceState[] {
    return [...this.#states.values()];
  }

  /** Asks a server for its tools; never rejects. `wait`: milliseconds until the next try when this one fails. */
  async #look(resource: string, wait: number): Promise<void> {
    try {
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(LOOK_TIMEOUT)]);
      await this.#compare(resource, readTools(await this.#parts.source.listTools(resource, signal)));
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

  async #compare(resource: string, found: readonly Tool[]): Promise<void> {
    this.#seen.set(resource, found);
    const pin = await this.#parts.pins.getPin(resource);
    if (pin === undefined) return this.#pin(resource, found, 'cordon', []);
    const pinned = readTools(pin.tools);
    await this.#serve(resource, pinned, changedTools(found, pinned));
  }

  /** The act is on record before it is done. INVARIANT I3 */
  async #pin(resource: string, tools: readonly Tool[], actor: string, changed: readonly string[]): Promise<void> {
    const { pins } = this.#parts;
    const digest = sha256Hex(textOf(tools));
    const detail: Record<string, Json> = { digest: `sha256:${digest}`, tools: tools.map((tool) => tool.name), changed };
    recordAct(this.#parts, { actor, act: 'resource.pin', target: resource, detail });
    const definitions = tools.map((tool) => tool.definition);
    await pins.putPin(resource, digest, definitions);
    // what is not accepted yet, or came while this was written, stays unserved
    await this.#serve(resource, tools, changedTools(this.#seen.get(resource) ?? tools, tools));
  }

  /** What is pinned stays known, also a tool that changed: policies are validated against it, and only its calls are denied. */
  async #serve(resource: string, pinned: readonly Tool[], changed: readonly string[]): Promise<void> {
    const tools = pinned.filter((tool) => !changed.includes(tool.name)).length;
    this.#states.set(resource, { resource, state: changed.length > 0 ? 'changed' : 'ready', tools, changed });
    const served = `${textOf(pinned)}\n${changed.join('\n')}`;
    if (this.#served.get(resource) === served) return;
    this.#served.set(resource, served);
    this.#parts.publisher.setTools(resource, pinned, changed);
    await this.#parts.onChange();
  }
}
