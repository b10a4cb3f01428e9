// The public Cedar integration tests, read from their archives as a stream: 31,000 small files never touch the disk.
import { createReadStream, existsSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { createGunzip } from 'node:zlib';
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson } from '../../src/domain/json.ts';

/** Where the archives are looked for. */
export const CEDAR_VECTORS = join(process.env['CORDON_SHARED'] ?? resolve(import.meta.dirname, '../../../shared'), 'vectors/cedar');

export type Archive = 'corpus-tests.tar.gz' | 'handwritten-tests.tar.gz';

/** One file of requests with what they are decided by. */
export interface CorpusTest {
  readonly name: string;
  /** Cedar text: one policy or more, called `policy0`, `policy1`, … as they stand. */
  readonly policies: string;
  /** Cedar text. */
  readonly schema: string;
  readonly entities: Json;
  readonly shouldValidate: boolean;
  readonly requests: readonly CorpusRequest[];
}

export interface CorpusRequest {
  readonly principal: CorpusUid;
  readonly action: CorpusUid;
  readonly resource: CorpusUid;
  readonly context: JsonObject;
  readonly allowed: boolean;
  /** Ids of the policies that decide, and of those that fail to evaluate. */
  readonly reasons: readonly string[];
  readonly errors: readonly string[];
}

export interface CorpusUid {
  readonly type: string;
  readonly id: string;
}

export const hasVectors = (archive: Archive): boolean => existsSync(join(CEDAR_VECTORS, archive));

/** Every `every`th test in the order of the names, beginning with number `from`. @throws Error when the archive is not what it should be */
export async function* corpusTests(archive: Archive, every = 1, from = 0): AsyncGenerator<CorpusTest> {
  const files = await filesIn(join(CEDAR_VECTORS, archive));
  const names = [...files.keys()].filter((name) => name.endsWith('.json') && !/(?:\.|\/)entities\.json$/.test(name)).toSorted();
  for (const [at, name] of names.entries()) if (at % every === from) yield testOf(name, files);
}

/** Bytes by path. */
type Files = ReadonlyMap<string, Buffer>;

const BOUNDS = { maxBytes: 10_000_000, maxDepth: 100 };

function testOf(name: string, files: Files): CorpusTest {
  const file = (path: Json | undefined): Buffer => {
    const found = typeof path === 'string' ? files.get(path) : undefined;
    if (found === undefined) throw new Error(`\`${name}\` names a file that is not in the archive`);
    return found;
  };
  const { policies, schema, entities, shouldValidate, requests } = objectIn(parseJson(file(name), BOUNDS));
  if (!isJsonArray(requests)) throw new Error(`\`${name}\` has no requests`);
  return {
    name,
    policies: file(policies).toString(),
    schema: file(schema).toString(),
    entities: parseJson(file(entities), BOUNDS),
    shouldValidate: shouldValidate === true,
    requests: requests.map((one) => requestOf(objectIn(one))),
  };
}

function requestOf({ principal, action, resource, context, decision, reason, errors }: JsonObject): CorpusRequest {
  return {
    principal: uidIn(principal),
    action: uidIn(action),
    resource: uidIn(resource),
    context: objectIn(context),
    allowed: decision === 'allow',
    reasons: textsIn(reason),
    errors: textsIn(errors),
  };
}

function objectIn(json: Json | undefined): JsonObject {
  if (!isJsonObject(json)) throw new Error('expected an object');
  return json;
}

function uidIn(json: Json | undefined): CorpusUid {
  const { type, id } = objectIn(json);
  if (typeof type !== 'string' || typeof id !== 'string') throw new Error('expected an entity');
  return { type, id };
}

function textsIn(json: Json | undefined): readonly string[] {
  if (!isJsonArray(json)) throw new Error('expected a list of ids');
  return json.filter((one) => typeof one === 'string');
}

const BLOCK = 512;

/** The files of a gzipped tar (POSIX ustar), by path. */
async function filesIn(archive: string): Promise<Files> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(archive).pipe(createGunzip())) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  const tar = Buffer.concat(chunks);
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0;) {
    const header = tar.subarray(at, at + BLOCK);
    const size = Number.parseInt(field(header, 124, 12), 8);
    const start = at + BLOCK;
    if (isFile(header)) files.set(posix.join(field(header, 345, 155), field(header, 0, 100)), tar.subarray(start, start + size));
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

const isFile = (header: Buffer): boolean => ['0', '\0'].includes(String.fromCharCode(header[156] ?? 0));

/** Text up to the first NUL. */
function field(header: Buffer, at: number, length: number): string {
  const bytes = header.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? length : end);
}
