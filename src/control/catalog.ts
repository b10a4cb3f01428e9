// What tools exist: asked of every MCP server, pinned at first sight, compared ever after. A changed definition is not served until an
// operator accepts it. attacker-controlled
import { sha256Hex } from '../crypto/hash.ts';
import type { LogRecord, Receipt } from '../domain/access.ts';
import { isJsonObject, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import type { Tool } from '../domain/registry.ts';
import type { Pins } from '../store/ports.ts';
import type { Publisher } from './publisher.ts';

/** Where the definitions come from. */
export interface ToolSource {
  listTools(resource: string, signal: AbortSignal): Promise<readonly JsonObject[]>;
}

export interface CatalogParts {
  readonly resources: readonly string[];
  readonly source: ToolSource;
  readonly pins: Pins;
  readonly publisher: Publisher;
  readonly log: { append(record: LogRecord): Receipt };
  readonly now: () => number;
  /** Called after the known tools changed, to compile policies against them. */
  readonly onChange: () => void;
}

export interface ResourceState {
  readonly resource: string;
  readonly state: 'waiting' | 'ready' | 'changed';
  readonly tools: number;
  readonly changed: readonly string[];
  readonly error?: string;
}

export interface Catalog {
  /** Loads the pins, then looks for every server until it answers. */
  start(): Promise<void>;
  stop(): void;
  /** Pins what the server says now. @returns the names of the tools that changed */
  accept(resource: string, actor: string): Promise<readonly string[]>;
  states(): readonly ResourceState[];
}

const FIRST_RETRY = 100;
const LAST_RETRY = 5_000;
const NAME = /^[^\u0000-\u001f\u007f/]{1,128}$/u;

export function createCatalog(parts: CatalogParts): Catalog {
  const states = new Map<string, ResourceState>();
  const seen = new Map<string, readonly Tool[]>();
  const timers = new Set<NodeJS.Timeout>();
  const stopped = new AbortController();

  const log = (act: string, actor: string, target: string, detail: Record<string, Json>): void =>
    void parts.log.append({ schema: 'cordon.act/v1', ts: new Date(parts.now()).toISOString(), actor, act, target, detail });

  async function look(resource: string, wait: number): Promise<void> {
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(20_000)]);
      const found = readTools(await parts.source.listTools(resource, signal));
      await compare(resource, found);
    } catch (error) {
      if (stopped.signal.aborted) return;
      const message = error instanceof Error ? error.message : 'failed';
      states.set(resource, { resource, state: 'waiting', tools: 0, changed: [], error: message });
      const timer = setTimeout(() => {
        timers.delete(timer);
        void look(resource, Math.min(wait * 2, LAST_RETRY));
      }, wait);
      timers.add(timer);
    }
  }

  async function compare(resource: string, found: readonly Tool[]): Promise<void> {
    seen.set(resource, found);
    const pin = await parts.pins.getPin(resource);
    if (pin === undefined) return pinTools(resource, found, 'cordon', []);
    const pinned = new Map(readTools(pin.tools as readonly JsonObject[]).map((tool) => [tool.name, writeJson(tool.definition)]));
    const changed = found.filter((tool) => pinned.get(tool.name) !== writeJson(tool.definition)).map((tool) => tool.name);
    serve(resource, found, changed);
  }

  async function pinTools(resource: string, tools: readonly Tool[], actor: string, changed: readonly string[]): Promise<void> {
    const text = writeJson(tools.map((tool) => tool.definition));
    const digest = sha256Hex(text);
    log('resource.pin', actor, resource, { digest: `sha256:${digest}`, tools: tools.map((tool) => tool.name), changed: [...changed] });
    await parts.pins.putPin(resource, digest, tools.map((tool) => tool.definition));
    serve(resource, tools, []);
  }

  function serve(resource: string, found: readonly Tool[], changed: readonly string[]): void {
    const trusted = found.filter((tool) => !changed.includes(tool.name));
    states.set(resource, { resource, state: changed.length > 0 ? 'changed' : 'ready', tools: trusted.length, changed });
    parts.publisher.setTools(resource, trusted, changed);
    parts.onChange();
  }

  return {
    async start(): Promise<void> {
      for (const resource of parts.resources) {
        states.set(resource, { resource, state: 'waiting', tools: 0, changed: [] });
        const pin = await parts.pins.getPin(resource);
        if (pin !== undefined) parts.publisher.setTools(resource, readTools(pin.tools as readonly JsonObject[]), []);
      }
      parts.onChange();
      for (const resource of parts.resources) void look(resource, FIRST_RETRY);
    },
    stop(): void {
      stopped.abort();
      for (const timer of timers) clearTimeout(timer);
    },
    async accept(resource, actor): Promise<readonly string[]> {
      const changed = states.get(resource)?.changed ?? [];
      await pinTools(resource, seen.get(resource) ?? [], actor, changed);
      return changed;
    },
    states: () => [...states.values()],
  };
}

/** Keeps what is a tool at all: a name and an object schema; one of each name. */
function readTools(definitions: readonly JsonObject[]): readonly Tool[] {
  const tools = new Map<string, Tool>();
  for (const definition of definitions) {
    const { name, inputSchema } = definition;
    if (typeof name !== 'string' || !NAME.test(name) || !isJsonObject(inputSchema)) continue;
    if (!tools.has(name)) tools.set(name, { name, definition, inputSchema });
  }
  return [...tools.values()];
}
