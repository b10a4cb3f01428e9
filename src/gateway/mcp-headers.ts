// The headers of MCP over streamable HTTP: which revision is spoken, and that they say what the body says. Standard: MCP 2026-07-28,
// transports (`Mcp-Method`, `Mcp-Name` and `MCP-Protocol-Version` mirror the body and must equal it). attacker-controlled
import type { IncomingMessage } from 'node:http';
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { CallerEnvelope } from './call.ts';
import type { McpEra } from './mcp-words.ts';

export const MODERN = '2026-07-28';
/** Older revisions, newest first: the one that is spoken when nothing else is asked for, then those that are accepted too. */
export const LEGACY = '2025-11-25';
const OLDER: readonly string[] = [LEGACY, '2025-06-18', '2025-03-26'];
export const META_VERSION = 'io.modelcontextprotocol/protocolVersion';
export const META_INFO = 'io.modelcontextprotocol/clientInfo';
export const META_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
export const META_LOG_LEVEL = 'io.modelcontextprotocol/logLevel';
export const META_SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
/** What is spoken here, newest first. */
export const SPOKEN = [MODERN, ...OLDER] as const;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The version that is answered to `initialize`: the one that was asked for when it is spoken here, else the newest of its era. */
export const agreedVersion = (asked: unknown): string => OLDER.find((version) => version === asked) ?? LEGACY;

/** One value of a header that was checked to occur at most once. */
const header = (req: IncomingMessage, name: string): string | undefined => {
  const value = req.headers[name];
  return typeof value === 'string' ? value : undefined;
};

/**
 * @throws Refusal CORDON-3011 header and body disagree, CORDON-3006 `_meta` lacks what every request of 2026-07-28 carries, CORDON-3021 a
 * version that is not spoken
 */
export function eraOf(req: IncomingMessage, params: JsonObject): McpEra {
  const version = header(req, 'mcp-protocol-version');
  const meta = isJsonObject(params['_meta']) ? params['_meta'] : {};
  const said = meta[META_VERSION];
  if (said !== undefined && said !== version) {
    throw new Refusal('CORDON-3011', 'the protocol version of the header is not that of the body');
  }
  if (version === undefined || OLDER.includes(version)) return 'legacy';
  if (version !== MODERN) throw new Refusal('CORDON-3021', 'protocol version not supported', { expected: SPOKEN.join(', ') });
  if (said === undefined) throw new Refusal('CORDON-3006', `\`_meta\` lacks \`${META_VERSION}\``);
  if (!isJsonObject(meta[META_CAPABILITIES])) throw new Refusal('CORDON-3006', `\`_meta\` lacks \`${META_CAPABILITIES}\``);
  return 'modern';
}

/** What a request of 2026-07-28 says of its caller. @throws Refusal CORDON-3006 */
export function envelopeIn(params: JsonObject): CallerEnvelope {
  const meta = isJsonObject(params['_meta']) ? params['_meta'] : {};
  const { [META_CAPABILITIES]: capabilities, [META_LOG_LEVEL]: logLevel } = meta;
  if (logLevel !== undefined && !isLogLevel(logLevel)) throw new Refusal('CORDON-3006', `\`${META_LOG_LEVEL}\` is no log level`);
  return { capabilities: isJsonObject(capabilities) ? capabilities : {}, ...(logLevel === undefined ? {} : { logLevel }) };
}

const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
export const isLogLevel = (value: Json | undefined): value is string => LOG_LEVELS.some((level) => level === value);

/** Headers are hints for proxies on the way; they may not say anything else than the body. @throws Refusal CORDON-3011 */
export function checkMirror(req: IncomingMessage, era: McpEra, method: string, params: JsonObject): void {
  mirror(req, 'mcp-method', method, era === 'modern');
  const name = namedIn(method, params);
  mirror(req, 'mcp-name', name, era === 'modern' && NAMED.has(method));
}

/** The member of `params` that `Mcp-Name` repeats, by method. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
]);

export const namedMember = (method: string): string | undefined => NAMED.get(method);

/** What `Mcp-Name` of a message says, if it is one that has it. */
export function namedIn(method: string, params: JsonObject): string | undefined {
  const member = namedMember(method);
  const name = member === undefined ? undefined : params[member];
  return typeof name === 'string' ? name : undefined;
}

function mirror(req: IncomingMessage, name: string, expected: string | undefined, required: boolean): void {
  const value = header(req, name);
  if (value === undefined && !required) return;
  if (value === undefined || decodeHeader(value) !== expected) {
    throw new Refusal('CORDON-3011', `the header \`${name}\` is not what the body says`);
  }
}

/** Values that do not fit a header travel as `=?base64?…?=`. @throws Refusal CORDON-3011 when two readers could decode it differently */
export function decodeHeader(value: string): string {
  const match = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value);
  if (match?.[1] === undefined) return value;
  const bytes = Buffer.from(match[1], 'base64');
  if (bytes.toString('base64') !== match[1]) throw new Refusal('CORDON-3011', 'header value is not canonical base64');
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Refusal('CORDON-3011', 'header value is not UTF-8', { cause });
  }
}

/** Visible ASCII without padding goes as it is, everything else in base64; so no value can end the header or begin another. */
export const encodeHeader = (value: string): string =>
  /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?')
    ? value
    : `=?base64?${Buffer.from(value).toString('base64')}?=`;
