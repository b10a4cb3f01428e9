// Configuration files of MCP clients: what servers they start, and where in the text each stands, so that one can be replaced and put back
// without touching another byte. JSON with comments (Claude, Cursor, VS Code, Windsurf, Gemini), TOML (Codex). attacker-controlled: the files
import { isDeepStrictEqual } from 'node:util';
import { getNodeValue, parse as parseJsonc, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser';
import { parse as parseToml } from 'smol-toml';
import { Failure } from './errors.ts';

/** What a file holds that others write: any JSON, and the dates of TOML. */
export type Members = Readonly<Record<string, unknown>>;

export interface ServerEntry {
  /** As the client calls it. */
  readonly name: string;
  readonly value: Members;
  /** Where what is replaced stands in the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** Where clients keep their servers: members, from the outside in. */
const JSON_PLACES: readonly (readonly string[])[] = [['mcpServers'], ['servers'], ['mcp', 'servers']];
const TOML_PLACE = 'mcp_servers';
const MOST_SERVERS = 200;

const isToml = (path: string): boolean => path.endsWith('.toml');

/** The servers that a file names, in its order. @throws Failure when it is malformed or could be read in two ways */
export function serversIn(path: string, text: string): readonly ServerEntry[] {
  const found = isToml(path) ? tomlServers(path, text) : jsonServers(path, text);
  const twice = found.find(({ name }, at) => found.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined) throw unreadable(path, `\`${twice.name}\` is there twice`);
  if (found.length > MOST_SERVERS) throw unreadable(path, `more than ${String(MOST_SERVERS)} servers`);
  return found;
}

/** The text of an entry as the file has it, with these members in place of its own; `undefined` leaves one out. */
export function written(path: string, text: string, { name, value, start }: ServerEntry, changed: Members): string {
  const next = Object.fromEntries(Object.entries({ ...value, ...changed }).filter(([, member]) => member !== undefined));
  return isToml(path) ? tomlTable(name, next, text.slice(start)) : jsonValue(next, text, start);
}

/**
 * The text with one entry replaced. Whatever the text looked like, it is read again: nothing but this entry may have changed.
 * @throws Failure when something has
 */
export function replaced(path: string, text: string, name: string, by: string): string {
  const entry = serversIn(path, text).find((each) => each.name === name);
  if (entry === undefined) throw unreadable(path, `no server \`${name}\``);
  const next = `${text.slice(0, entry.start)}${by}${text.slice(entry.end)}`;
  const others = (servers: readonly ServerEntry[]): readonly unknown[] =>
    servers.filter((each) => each.name !== name).map((each) => [each.name, each.value]);
  const after = serversIn(path, next);
  if (isDeepStrictEqual(others(after), others(serversIn(path, text))) && isDeepStrictEqual(rest(path, next), rest(path, text))) return next;
  throw unreadable(path, `\`${name}\` cannot be replaced without changing something else`);
}

const unreadable = (path: string, observed: string): Failure =>
  new Failure('usage', `\`${path}\` is not changed`, {
    observed,
    fix: ['mend it by hand; `cordon mcp connect --help` says what to write'],
  });

/** All that is not a server. */
function rest(path: string, text: string): unknown {
  const whole: unknown = isToml(path) ? parseToml(text) : parseJsonc(text, [], { allowTrailingComma: true });
  const places = isToml(path) ? [[TOML_PLACE]] : JSON_PLACES;
  return places.reduce(without, structuredClone(whole));
}

function without(whole: unknown, place: readonly string[]): unknown {
  const last = place.at(-1) ?? '';
  let at = whole;
  for (const member of place.slice(0, -1)) at = isRecord(at) ? at[member] : undefined;
  if (isRecord(at)) Reflect.deleteProperty(at, last);
  return whole;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function jsonServers(path: string, text: string): readonly ServerEntry[] {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error !== undefined || root === undefined) {
    throw unreadable(
      path,
      `malformed JSON, ${error === undefined ? 'nothing' : printParseErrorCode(error.error)} at character ${String(error?.offset ?? 0)}`,
    );
  }
  return JSON_PLACES.flatMap((place) => serversOf(path, memberAt(path, root, place)));
}

function memberAt(path: string, root: Node, place: readonly string[]): Node | undefined {
  let at: Node | undefined = root;
  for (const member of place) at = at === undefined ? undefined : members(path, at).find(([name]) => name === member)?.[1];
  return at;
}

function serversOf(path: string, servers: Node | undefined): readonly ServerEntry[] {
  if (servers === undefined) return [];
  return members(path, servers).flatMap(([name, node]) => {
    const value: unknown = getNodeValue(node);
    return isRecord(value) ? [{ name, value, start: node.offset, end: node.offset + node.length }] : [];
  });
}

/** The members of an object; a name that is there twice means one thing to one client and another to the next. @throws Failure */
function members(path: string, { type, children = [] }: Node): readonly (readonly [string, Node])[] {
  if (type !== 'object') return [];
  const all = children.flatMap(({ children: [key, value] = [] }) =>
    key === undefined || value === undefined ? [] : [[String(key.value), value] as const],
  );
  const twice = all.find(([name], at) => all.findIndex(([other]) => other === name) !== at);
  if (twice !== undefined) throw unreadable(path, `\`${twice[0]}\` is there twice`);
  return all;
}

/** As the file indents: the depth of the line that it begins on, and the step that leads there. */
function jsonValue(value: Members, text: string, start: number): string {
  const line = text.slice(text.lastIndexOf('\n', start - 1) + 1, start);
  const depth = /^[ \t]*/.exec(line)?.[0] ?? '';
  const step = depth.startsWith('\t') ? '\t' : (/\n( +)\S/.exec(text)?.[1] ?? '  ');
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return JSON.stringify(value, undefined, step).replaceAll('\n', `${eol}${depth}`);
}

/** A table from its header to the next one that is not its own, without the blank lines and comments before that. */
function tomlServers(path: string, text: string): readonly ServerEntry[] {
  let whole: unknown;
  try {
    whole = parseToml(text);
  } catch (cause) {
    throw unreadable(path, cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : 'malformed TOML');
  }
  const servers = isRecord(whole) ? whole[TOML_PLACE] : undefined;
  if (!isRecord(servers)) return [];
  const headers = [...text.matchAll(/^[ \t]*\[(\[?)([^\]\n]+)\]?\][^\n]*$/gm)];
  return Object.entries(servers).flatMap(([name, value]) => {
    const first = headers.findIndex(([, , header = '']) => keysOf(header).join('\0') === `${TOML_PLACE}\0${name}`);
    const header = headers[first];
    if (header === undefined || !isRecord(value)) return [];
    const next = headers.slice(first + 1).find(([, , other = '']) => !isUnder(keysOf(other), name));
    const span = text.slice(header.index, next?.index);
    const end = header.index + span.replace(/(?:\s*(?:#[^\n]*)?\n?)*$/, '').length;
    return [{ name, value, start: header.index, end }];
  });
}

const isUnder = ([place, server]: readonly string[], name: string): boolean => place === TOML_PLACE && server === name;

/** The keys of a header: `mcp_servers."my files"`. */
const keysOf = (header: string): readonly string[] =>
  [...header.matchAll(/\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*(?:\.|$)/g)].map(([, double, single, bare]) => double ?? single ?? bare ?? '');

function tomlTable(name: string, value: Members, before: string): string {
  const header = before.slice(0, before.indexOf('\n') < 0 ? undefined : before.indexOf('\n')).trimEnd();
  const eol = before.includes('\r\n') ? '\r\n' : '\n';
  const lines = Object.entries(value).map(([key, member]) => `${key} = ${tomlValue(member)}`);
  return [header === '' ? `[${TOML_PLACE}.${JSON.stringify(name)}]` : header, ...lines].join(eol);
}

/** JSON is TOML for texts, numbers, truth values and lists of them; a table stands on one line. */
function tomlValue(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (isRecord(value)) {
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)} = ${tomlValue(member)}`)
      .join(', ')} }`;
  }
  return Array.isArray(value) ? `[${value.map((each: unknown) => tomlValue(each)).join(', ')}]` : JSON.stringify(value);
}
