// What exists: segments, agents, resources and their tools. Unregistered = does not exist.
import type { JsonObject } from './json.ts';
import type { Level } from './access.ts';
import type { Reviewed } from './manifest.ts';

export interface Segment {
  readonly name: string;
  /** Segments that members of this one may call. */
  readonly links: readonly string[];
}

/** Is a task token needed to call it? Absent: optional. */
export type TokenRule = 'required' | 'optional';

/** How A2A is spoken (A2A 1.0 §5). */
export const A2A_BINDINGS = ['JSONRPC', 'HTTP+JSON'] as const;
export type A2aBinding = (typeof A2A_BINDINGS)[number];

/** How programs behind the proxy of `cordon run` name the gateway: `http://cordon.internal/mcp/SERVER`. `.internal` is nobody's (ICANN, 2024). */
export const GATEWAY_NAME = 'cordon.internal';

/** What a message of A2A is made of. */
export const PART_KINDS = ['text', 'data', 'file'] as const;
export type PartKind = (typeof PART_KINDS)[number];

export interface Agent {
  readonly name: string;
  readonly segment: string;
  readonly owner: string;
  readonly purpose: string;
  /** Where the gateway reaches its A2A endpoint (of JSON-RPC, or the base of HTTP+JSON); absent for an agent that is never called. */
  readonly a2a?: string;
  /** A JWK Set in a file: keys of which one must have signed its card. */
  readonly cardKeys?: string;
  /** What it speaks; absent: JSON-RPC. */
  readonly binding?: A2aBinding;
  /** Who makes the context of a message that names none; absent: the gateway. */
  readonly contexts?: 'gateway' | 'agent';
  /** How it reaches the gateway to deliver push notifications: by its address, or through the proxy of `cordon run`; absent: it delivers none. */
  readonly push?: 'direct' | 'proxy';
  /** Parts of messages that it takes; absent: text alone. */
  readonly parts?: readonly PartKind[];
  readonly token?: TokenRule;
}

/** A tool as its server described it; `inputSchema` is JSON Schema 2020-12 (or draft-07 by `$schema`). attacker-controlled */
export interface Tool {
  readonly name: string;
  readonly definition: JsonObject;
  readonly inputSchema: JsonObject;
  /** Of a route of an HTTP API: its method and its path with `{parameters}`, as the operator says. */
  readonly route?: { readonly method: string; readonly path: string };
}

/** What an MCP server defines besides tools, by the list that it stands in; an item goes by its name, its URI, or its URI template. */
export const OFFER_KINDS = ['prompts', 'resources', 'templates'] as const;
export type OfferKind = (typeof OFFER_KINDS)[number];

/** A definition as the server gave it. attacker-controlled */
export interface Defined {
  readonly name: string;
  readonly definition: JsonObject;
}

/** A kind that is absent is not offered at all. */
export type Offers = Readonly<Partial<Record<OfferKind, readonly Defined[]>>>;

/** What is told apart by one name in pins and reviews: no tool has a slash in its name. */
export const offerName = (kind: OfferKind, name: string): string => `${kind}/${name}`;

/** An MCP server with tools, an HTTP API with routes, hosts outside that a tunnel may lead to. */
export const RESOURCE_KINDS = ['mcp', 'http', 'egress'] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

export interface Resource {
  readonly name: string;
  readonly segment: string;
  /** Names of the tools that only read, as the operator says (a server's own hints are not believed). */
  readonly reads: readonly string[];
  /** Facts about the resource for policy: `resource.server.getTag("Acme")`. */
  readonly tags: Readonly<Record<string, string>>;
  /** Of what it gives: by label the names of tools or routes, `*` for all. */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
  /** What people said of its tools, by name. */
  readonly manifests?: Readonly<Record<string, Reviewed>>;
  readonly token?: TokenRule;
  /** Absent: an MCP server. */
  readonly kind?: ResourceKind;
}

export const kindOf = ({ kind = 'mcp' }: Resource): ResourceKind => kind;

/** Everything a decision depends on besides policy; immutable, replaced as a whole. */
export interface World {
  readonly segments: readonly Segment[];
  readonly agents: readonly Agent[];
  readonly resources: readonly Resource[];
  /** Tools, or routes, by resource name; tools as pinned. */
  readonly tools: ReadonlyMap<string, readonly Tool[]>;
  /** Of MCP servers what else they define, as pinned; absent of a server that has not been seen. */
  readonly offers?: ReadonlyMap<string, Offers>;
  /** Levels other than `normal`, by agent name. */
  readonly levels: ReadonlyMap<string, Level>;
}
