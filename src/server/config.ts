// `cordon.yaml`: read, checked member by member, with the line of the first thing that does not fit and what would. attacker-neutral, but
// strict: an unknown member is an error, because a misspelt guard is no guard.
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import * as z from 'zod';
import type { Config, ResourceConfig, UpstreamConfig } from '../control/config.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseTrustDomain } from '../domain/spiffe-id.ts';

const MAX_BYTES = 1_048_576;

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower case letters, digits and `-`, at most 63');
const address = z.string().regex(/^(\[[0-9a-f:]+\]|[0-9a-z.-]+):\d{1,5}$/, '`host:port`');
const seconds = z.string().regex(/^\d{1,5}(s|m|h)$/, 'a duration such as `15m`');
const secret = z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]);

const upstream = z.union([
  z.strictObject({
    url: z.url({ protocol: /^https?$/ }),
    /** A server that can't do mTLS, on loopback only. */
    allowPlaintextLoopback: z.boolean().default(false),
    credential: z.strictObject({ header: z.string().regex(/^[a-z-]+$/).default('authorization'), scheme: z.string().default('Bearer'), secret }).optional(),
  }),
  z.strictObject({ stdio: z.array(z.string()).min(1), env: z.record(z.string(), z.string()).default({}) }),
]);

const file = z.strictObject({
  trustDomain: z.string(),
  listen: z.strictObject({ gateway: address.default('127.0.0.1:8443'), control: address.default('127.0.0.1:8444'), identity: address.default('127.0.0.1:8445') }).prefault({}),
  segments: z.record(name, z.strictObject({ links: z.array(name).default([]) }).nullable()),
  agents: z.record(name, z.strictObject({ segment: name, owner: z.string().min(1), purpose: z.string().min(1), a2a: z.url({ protocol: /^https$/ }).optional() })).default({}),
  resources: z.record(name, z.strictObject({ segment: name, mcp: upstream, reads: z.array(z.string()).default([]), tags: z.record(z.string(), z.string()).default({}) })).default({}),
  policies: z.string().default('policies'),
  svid: z.strictObject({ ttl: seconds.default('15m') }).prefault({}),
  maxStaleness: seconds.default('60s'),
  limits: z
    .strictObject({
      rate: z.int().min(1).max(100_000).default(500),
      burst: z.int().min(1).max(100_000).default(1000),
      concurrent: z.int().min(1).max(10_000).default(128),
      bodyBytes: z.int().min(1024).max(16_777_216).default(1_048_576),
    })
    .prefault({}),
});

type FileConfig = z.infer<typeof file>;

/** Reads and checks a configuration file. @throws Refusal CORDON-9006 with `path:line:column` */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read \`${path}\``, { cause, fix: 'make one: `cordon init`' });
  }
  return parseConfig(text, path);
}

/** @throws Refusal CORDON-9006 */
export function parseConfig(text: string, path: string): Config {
  if (text.length > MAX_BYTES) throw new Refusal('CORDON-9006', `\`${path}\` is longer than ${MAX_BYTES} bytes`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, schema: 'core', merge: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new Refusal('CORDON-9006', `${at(broken.pos[0])}: ${broken.message.split('\n', 1)[0]?.replace(/ at line \d+.*$/, '') ?? 'no YAML'}`, { fix: `edit ${at(broken.pos[0])}` });
  }
  const result = file.safeParse(plainOf(document, path));
  if (result.success) return configOf(result.data, dirname(resolve(path)), (where, message) => fail(document, at, where, message));
  const issue = deepest(result.error.issues);
  throw fail(document, at, issue.path, issue.message);
}

/** Aliases can make a small file a huge value; nothing in this file needs them. */
function plainOf(document: Document, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new Refusal('CORDON-9006', `${path}: anchors and aliases are not accepted`, { cause });
  }
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Of the branches of a union, the one that went furthest is the one that was meant. */
function deepest(issues: readonly z.core.$ZodIssue[]): Issue {
  const first = issues[0];
  if (first === undefined) return { path: [], message: 'does not fit' };
  if (first.code === 'unrecognized_keys') return { path: [...first.path, first.keys[0] ?? ''], message: `unknown member \`${first.keys[0] ?? ''}\`` };
  if (first.code !== 'invalid_union') return { path: first.path, message: first.message };
  const branches = first.errors.map((branch) => deepest(branch));
  const best = branches.toSorted((a, b) => b.path.length - a.path.length)[0];
  return best === undefined ? { path: first.path, message: first.message } : { path: [...first.path, ...best.path], message: best.message };
}

function fail(document: Document, at: (offset: number) => string, path: readonly PropertyKey[], message: string): Refusal {
  const where = at(offsetOf(document, path));
  const member = path.map(String).join('.');
  return new Refusal('CORDON-9006', `${where}: \`${member === '' ? 'the file' : member}\`: ${message}`, { fix: `edit ${where}` });
}

/** Where in the text the member at `path` stands, or the nearest one above it. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    const items = (parent as { items?: readonly { key?: { value?: unknown; range?: readonly number[] }; range?: readonly number[] }[] } | undefined)?.items;
    const item = typeof key === 'number' ? items?.[key] : items?.find((pair) => pair.key?.value === key)?.key;
    const offset = item?.range?.[0];
    if (offset !== undefined) return offset;
  }
  return 0;
}

type FailAt = (path: readonly PropertyKey[], message: string) => Refusal;

function configOf(from: FileConfig, base: string, failAt: FailAt): Config {
  checkReferences(from, failAt);
  return {
    base,
    trustDomain: domainOf(from.trustDomain, failAt),
    listen: { gateway: addressOf(from.listen.gateway), control: addressOf(from.listen.control), identity: addressOf(from.listen.identity) },
    segments: Object.entries(from.segments).map(([segment, row]) => ({ name: segment, links: row?.links ?? [] })),
    agents: Object.entries(from.agents).map(([agent, { a2a, ...row }]) => ({ name: agent, ...row, ...(a2a === undefined ? {} : { a2a }) })),
    resources: Object.entries(from.resources).map(([resource, row]) => resourceOf(resource, row, failAt)),
    policies: resolve(base, from.policies),
    svidTtl: milliseconds(from.svid.ttl),
    maxStaleness: milliseconds(from.maxStaleness),
    limits: from.limits,
  };
}

function domainOf(text: string, failAt: FailAt): Config['trustDomain'] {
  try {
    return parseTrustDomain(text);
  } catch {
    throw failAt(['trustDomain'], 'lower case letters, digits, `.`, `-`, `_`');
  }
}

/** Every segment that is named exists. @throws Refusal CORDON-9006 */
function checkReferences(from: FileConfig, failAt: FailAt): void {
  const segments = new Set(Object.keys(from.segments));
  const check = (segment: string, path: readonly PropertyKey[]): void => {
    if (!segments.has(segment)) throw failAt(path, `no segment is called \`${segment}\`; there are: ${[...segments].join(', ')}`);
  };
  for (const [segment, row] of Object.entries(from.segments)) {
    for (const [index, link] of (row?.links ?? []).entries()) check(link, ['segments', segment, 'links', index]);
  }
  for (const group of ['agents', 'resources'] as const) {
    for (const [member, row] of Object.entries(from[group])) check(row.segment, [group, member, 'segment']);
  }
}

function resourceOf(resource: string, row: FileConfig['resources'][string], failAt: FailAt): ResourceConfig {
  return { name: resource, segment: row.segment, reads: row.reads, tags: row.tags, upstream: upstreamOf(resource, row.mcp, failAt) };
}

function upstreamOf(resource: string, mcp: FileConfig['resources'][string]['mcp'], failAt: FailAt): UpstreamConfig {
  if ('stdio' in mcp) return { kind: 'stdio', command: mcp.stdio as [string, ...string[]], env: mcp.env };
  const url = new URL(mcp.url);
  const plaintext = url.protocol === 'http:';
  const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (plaintext && !(mcp.allowPlaintextLoopback && loopback)) {
    throw failAt(['resources', resource, 'mcp', 'url'], 'plain http needs `allowPlaintextLoopback: true` and a loopback address');
  }
  return { kind: 'http', url, plaintext, ...(mcp.credential === undefined ? {} : { credential: mcp.credential }) };
}

function addressOf(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

const milliseconds = (text: string): number => Number(text.slice(0, -1)) * (UNITS[text.at(-1) ?? ''] ?? 0);
