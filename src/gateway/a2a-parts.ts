// What a message of A2A 1.0 is made of (§4.1.6), and what policy sees of it. Text always passes to the decision; data and files only where the
// operator says that the agent takes them, because policies that were written for text see nothing in them. INVARIANT I2: a part is made anew
// of the members that policy sees. attacker-controlled
import { sha256Hex } from '../crypto/hash.ts';
import { isJsonArray, isJsonObject, writeSorted, type Json, type JsonObject } from '../domain/json.ts';
import type { PartKind } from '../domain/registry.ts';
import { Refusal } from '../domain/refusal.ts';
import { readAuthority, writeHost } from './egress-host.ts';

/** A part as the callee gets it, and what is said of it. */
interface ReadPart {
  readonly part: JsonObject;
  readonly text?: string;
  /** Canonical JSON. */
  readonly data?: string;
  readonly file?: FileFacts;
  readonly mediaType?: string;
}

interface FileFacts {
  readonly name?: string;
  /** Of one that is sent along. */
  readonly bytes?: Uint8Array;
  /** Of one that the agent is to fetch: `files.example`, `files.example:8443`. */
  readonly host?: string;
}

export interface ReadParts {
  readonly parts: readonly JsonObject[];
  /** Members of `context.input`. */
  readonly facts: JsonObject;
}

const MOST_PARTS = 256;

/** @throws Refusal CORDON-9011 no list of parts; CORDON-3006 a part that is not accepted, or that two readers could read in two ways */
export function readParts(json: Json | undefined, accepts: ReadonlySet<PartKind>): ReadParts {
  if (!isJsonArray(json)) throw new Refusal('CORDON-9011', '`params.message.parts` is missing');
  if (json.length > MOST_PARTS) throw new Refusal('CORDON-9011', 'too many parts', { expected: `at most ${MOST_PARTS}` });
  const read = json.map((part) => readPart(part, accepts));
  return { parts: read.map(({ part }) => part), facts: factsOf(read) };
}

type Content = 'text' | 'data' | 'raw' | 'url';
const CONTENTS: readonly Content[] = ['text', 'data', 'raw', 'url'];
const KIND_OF: Readonly<Record<Content, PartKind>> = { text: 'text', data: 'data', raw: 'file', url: 'file' };
const TAKES: Readonly<Record<Content, (value: Json) => Omit<ReadPart, 'part'>>> = {
  text: (value) => ({ text: textOf(value, 'text') }),
  data: (value) => ({ data: writeSorted(value) }),
  raw: (value) => ({ file: { bytes: bytesOf(textOf(value, 'raw')) } }),
  url: (value) => ({ file: { host: hostOf(textOf(value, 'url')) } }),
};

function readPart(json: Json, accepts: ReadonlySet<PartKind>): ReadPart {
  if (!isJsonObject(json)) throw noPart('no object');
  const [content, more] = CONTENTS.filter((name) => Object.hasOwn(json, name));
  // `file` and `kind` are those of 0.3, which some readers still know
  if (content === undefined || more !== undefined || Object.hasOwn(json, 'file')) throw noPart('not one content');
  if (!accepts.has(KIND_OF[content])) {
    throw new Refusal('CORDON-3006', `only ${[...accepts].join(', ')} parts are accepted`, {
      fix: `list \`${KIND_OF[content]}\` under \`parts\` of the agent in cordon.yaml, when its policies speak of it`,
    });
  }
  const value = json[content] ?? null;
  const { file, ...read } = TAKES[content](value);
  const [mediaType, name] = [namedBy(json, 'mediaType', MEDIA_TYPE), namedBy(json, 'filename', FILE_NAME)];
  return {
    part: {
      [content]: value,
      ...(mediaType === undefined ? {} : { mediaType }),
      ...(name === undefined || file === undefined ? {} : { filename: name }),
    },
    ...read,
    ...(file === undefined ? {} : { file: { ...file, ...(name === undefined ? {} : { name }) } }),
    ...(mediaType === undefined ? {} : { mediaType: mediaType.split(';', 1).join('').trim().toLowerCase() }),
  };
}

const noPart = (observed: string): Refusal =>
  new Refusal('CORDON-3006', 'the part is not accepted', { observed, expected: 'one of `text`, `data`, `raw`, `url`' });

/** RFC 6838 §4.2, with parameters in ASCII. */
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:;[\x20-\x7e]{0,200})?$/;
/** No path, and nothing that looks like another name than it is. */
const FILE_NAME = /^(?!\.{1,2}$)[^/\\\p{C}\p{Zl}\p{Zp}]{1,255}$/u;

function namedBy(json: JsonObject, member: string, pattern: RegExp): string | undefined {
  const value = json[member];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw noPart(`\`${member}\``);
}

function textOf(value: Json, member: string): string {
  if (typeof value === 'string') return value;
  throw noPart(`\`${member}\` is no text`);
}

/** Base64 in its one spelling (RFC 4648 §3.5, §4). */
function bytesOf(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') === text) return bytes;
  throw noPart('`raw` is no base64 in its one spelling');
}

/** RFC 3986, https alone, and what no two readers take for two hosts: no user, no backslash, no space. */
const URL_TEXT = /^https:\/\/([^/?#@]+)(?:[/?#][\w.~!$&'()*+,;=:@/?%#[\]-]*)?$/;
const MOST_URL = 2_048;
const HTTPS = 443;

function hostOf(text: string): string {
  const [, authority] = URL_TEXT.exec(text.slice(0, MOST_URL + 1)) ?? [];
  if (text.length > MOST_URL || authority === undefined) throw noPart('`url` is no https URL');
  const { host, port } = readAuthority(authority, HTTPS);
  return port === HTTPS ? host : `${writeHost(host)}:${port}`;
}

/** Members that say nothing are absent, so that a policy can ask whether there are any. */
function factsOf(read: readonly ReadPart[]): JsonObject {
  const texts = read.flatMap(({ text }) => text ?? []);
  const data = read.flatMap((part) => part.data ?? []);
  const files = read.flatMap(({ file }) => file ?? []);
  const sent = files.flatMap(({ bytes }) => bytes ?? []);
  return {
    ...(texts.length === 0 ? {} : { text: texts.join('\n') }),
    ...(data.length === 0 ? {} : { data: data.join('\n') }),
    ...(files.length === 0 ? {} : { files: files.length }),
    ...(sent.length === 0 ? {} : { file_bytes: sent.reduce((sum, { byteLength }) => sum + byteLength, 0) }),
    ...setOf('file_sha256', sent.map(sha256Hex)),
    ...setOf(
      'file_hosts',
      files.flatMap(({ host }) => host ?? []),
    ),
    ...setOf(
      'file_names',
      files.flatMap(({ name }) => name ?? []),
    ),
    ...setOf(
      'media_types',
      read.flatMap(({ mediaType }) => mediaType ?? []),
    ),
  };
}

const setOf = (name: string, texts: readonly string[]): JsonObject => (texts.length === 0 ? {} : { [name]: [...new Set(texts)] });
