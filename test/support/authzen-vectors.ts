// The published AuthZEN cases (openid/authzen e287920, see the README beside the vectors), read into one form.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson } from '../../src/domain/json.ts';
import type { AuthzenApi } from '../../src/pdp/authzen/metadata.ts';

const SHARED = process.env['CORDON_SHARED'] ?? resolve(import.meta.dirname, '../../../shared');
const FOLDER = join(SHARED, 'vectors/authzen');

/** Why there are no vectors; undefined when there are. */
export const missingVectors = (): string | undefined =>
  existsSync(FOLDER) ? undefined : `vectors not found: ${FOLDER} (set CORDON_SHARED)`;

const read = (file: string): JsonObject => {
  const json = parseJson(readFileSync(join(FOLDER, file)), { maxBytes: 10_000_000, maxDepth: 20 });
  if (!isJsonObject(json)) throw new Error(`${file} is no object`);
  return json;
};

const objects = (json: Json | undefined): JsonObject[] => (isJsonArray(json) ? json.filter(isJsonObject) : []);
export const textIn = (json: Json | undefined): string => (typeof json === 'string' ? json : '');

export interface InteropCase {
  /** `search-action-results.json 17` */
  readonly name: string;
  /** The application that is asked: a folder of test/authzen. */
  readonly store: string;
  readonly api: AuthzenApi;
  readonly request: JsonObject;
  /** A decision, the decisions of a batch, or `{"results": […]}`. */
  readonly expected: Json;
}

const INTEROP: readonly (readonly [file: string, member: string, store: string, api: AuthzenApi])[] = [
  ['decisions-authorization-api-1_0-02.json', 'evaluation', 'todo', 'evaluation'],
  ['decisions-authorization-api-1_0-02.json', 'evaluations', 'todo', 'evaluations'],
  ['api-gateways-decisions.json', 'evaluation', 'gateway', 'evaluation'],
  ['search-subject-results.json', 'evaluation', 'search', 'search/subject'],
  ['search-resource-results.json', 'evaluation', 'search', 'search/resource'],
  ['search-action-results.json', 'evaluation', 'search', 'search/action'],
  ['idp-results.json', 'search', 'idp', 'search/resource'],
];

/** 272 cases. */
export const interopCases = (): InteropCase[] =>
  INTEROP.flatMap(([file, member, store, api]) =>
    objects(read(file)[member]).map(({ request, expected = null }, at) => {
      if (!isJsonObject(request)) throw new Error(`${file} ${at} has no request`);
      return { name: `${file} ${member} ${at}`, store, api, request, expected };
    }),
  );

export interface CertificationCase {
  readonly name: string;
  /** Certification level: `basic-core`. */
  readonly level: string;
  readonly api: AuthzenApi | 'metadata';
  /** Exactly what is sent. */
  readonly body: string | undefined;
  readonly request: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
  readonly repeat: number;
  readonly expect: JsonObject;
}

/** 76 cases, in the order of the scenario: some go on where an earlier one ended. */
export const certificationCases = (): CertificationCase[] =>
  objects(read('certification.json')['cases']).map((one) => {
    const { body, rawBody, headers, repeat, expect } = one;
    const api = textIn(one['api']).replace('-', '/');
    if (!isApi(api) || !isJsonObject(expect)) throw new Error(`the case \`${textIn(one['case'])}\` cannot be read`);
    return {
      name: textIn(one['case']),
      level: textIn(one['level']),
      api,
      body: typeof rawBody === 'string' ? rawBody : body === undefined ? undefined : JSON.stringify(body),
      request: isJsonObject(body) ? body : {},
      headers: isJsonObject(headers) ? Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, textIn(value)])) : {},
      repeat: typeof repeat === 'number' ? repeat : 1,
      expect,
    };
  });

const APIS: ReadonlySet<string> = new Set(['evaluation', 'evaluations', 'search/subject', 'search/resource', 'search/action', 'metadata']);
const isApi = (api: string): api is AuthzenApi | 'metadata' => APIS.has(api);
