// A route of an HTTP API from what a table or an OpenAPI document says of it: which parameters it has, what its body is, and the JSON Schema
// of what policy sees. What cannot be said so that it has one reading is refused.
import type { HttpMethod, HttpParameter, HttpRoute, JsonBody, ParameterType } from '../domain/http-route.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { readPath } from '../gateway/http-target.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly schema: Json;
  /** In one parameter with commas, rather than repeated. */
  readonly commas?: boolean;
}

export interface RouteDescription extends Pick<HttpRoute, 'name' | 'path' | 'headers' | 'trailers'> {
  readonly method: HttpMethod;
  readonly parameters: readonly Parameter[];
  readonly json?: { readonly type: string; readonly required: boolean; readonly schema: Json };
  readonly bytes?: { readonly types: readonly string[]; readonly required: boolean };
  readonly websocket?: HttpRoute['websocket'];
  /** The document that `$ref`s lead into. */
  readonly root: JsonObject;
}

/** @throws Refusal CORDON-9006 */
export function routeFrom(from: RouteDescription): HttpRoute {
  const { name, method, path, parameters, json, bytes, headers, trailers, websocket, root } = from;
  checkTemplate(path, parameters);
  if (json !== undefined && bytes !== undefined) throw bad('a body that is JSON or bytes, not both');
  if (websocket !== undefined && (method !== 'GET' || json !== undefined || bytes !== undefined))
    throw bad('a WebSocket is a `GET` without a body');
  const taken = parameters.map((parameter) => parameter.name);
  const twice = taken.find((one, at) => taken.indexOf(one) !== at);
  if (twice !== undefined) throw bad(`two parameters are called \`${twice}\``);
  const members = json === undefined ? undefined : membersOf(json.schema, root, taken);
  const body: JsonBody | undefined = json && {
    kind: 'json',
    type: json.type,
    required: json.required,
    input: members === undefined ? 'body' : 'members',
  };
  return {
    name,
    method,
    path,
    parameters: parameters.map((parameter) => typed(parameter, root)),
    ...(body === undefined ? {} : { body }),
    ...(bytes === undefined ? {} : { body: { kind: 'bytes', ...bytes } }),
    headers,
    trailers,
    ...(websocket === undefined ? {} : { websocket }),
    inputSchema: schemaOf(from, members),
  };
}

const bad = (what: string): Refusal => new Refusal('CORDON-9006', what);

function checkTemplate(path: string, parameters: readonly Parameter[]): void {
  const named = path
    .slice(1)
    .split('/')
    .flatMap((part) => {
      const name = /^\{([^{}]+)\}$/.exec(part)?.[1];
      if (name === undefined && (/[{}]/.test(part) || readPath(`/${part}`)[0] !== part))
        throw bad(`\`${part}\` in the path: a text as it is, or one \`{parameter}\``);
      return name === undefined ? [] : [name];
    });
  const stray = parameters.find((parameter) => parameter.in === 'path' && !named.includes(parameter.name));
  if (stray !== undefined) throw bad(`\`${stray.name}\` is not in the path`);
  const untold = named.find((name) => !parameters.some((parameter) => parameter.in === 'path' && parameter.name === name));
  if (untold !== undefined) throw bad(`\`${untold}\` in the path is not described`);
}

const TYPES: ReadonlySet<string> = new Set<ParameterType>(['string', 'integer', 'number', 'boolean']);
const isType = (type: Json | undefined): type is ParameterType => typeof type === 'string' && TYPES.has(type);

function typed({ name, in: place, required, schema, commas = false }: Parameter, root: JsonObject): HttpParameter {
  const of = resolved(schema, root);
  const isList = isJsonObject(of) && of['type'] === 'array';
  const item = isList ? resolved(of['items'] ?? {}, root) : of;
  const type = isJsonObject(item) ? (item['type'] ?? 'string') : undefined;
  if (!isType(type)) throw bad(`parameter \`${name}\`: a string, a number, a boolean, or a list of one of them`);
  if (isList && place === 'path') throw bad(`parameter \`${name}\`: a list in a path`);
  return { name, in: place, type, required, ...(isList ? { list: commas ? 'commas' : 'repeated' } : {}) };
}

const MOST_STEPS = 32;

/** What a `$ref` into the document stands for. @throws Refusal CORDON-9006 */
export function resolved(value: Json, root: JsonObject): Json {
  let found = value;
  for (let steps = 0; isJsonObject(found) && typeof found['$ref'] === 'string'; steps++) {
    if (steps > MOST_STEPS) throw bad('`$ref` leads in a circle');
    found = targetOf(found['$ref'], root);
  }
  return found;
}

function targetOf(ref: string, root: JsonObject): Json {
  if (!ref.startsWith('#/')) throw bad(`\`$ref\` leads out of the document: \`${ref.slice(0, 80)}\``);
  let at: Json | undefined = root;
  for (const step of ref.slice(2).split('/')) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    at = isJsonObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  if (at === undefined) throw bad(`\`$ref\` leads nowhere: \`${ref.slice(0, 80)}\``);
  return at;
}

interface Members {
  readonly properties: JsonObject;
  readonly required: readonly Json[];
}

/** Keywords that leave an object one whose members are listed. */
const PLAIN = new Set([
  'type',
  'properties',
  'required',
  'allOf',
  'additionalProperties',
  'title',
  'description',
  'example',
  'examples',
  'deprecated',
  'externalDocs',
  'xml',
  '$schema',
  'readOnly',
  'writeOnly',
  'minProperties',
  'maxProperties',
]);

/** The members of a body, where they can stand beside the parameters; undefined where only the body as a whole has a name. */
function membersOf(schema: Json, root: JsonObject, taken: readonly string[], depth = 0): Members | undefined {
  const of = resolved(schema, root);
  if (!isJsonObject(of) || depth > 8) return undefined;
  const { type = 'object', properties = {}, required = [], allOf = [], additionalProperties: more = false } = of;
  const isPlain = Object.keys(of).every((keyword) => PLAIN.has(keyword) || keyword.startsWith('x-'));
  if (!isPlain || type !== 'object' || more !== false || !isJsonObject(properties) || !isJsonArray(required) || !isJsonArray(allOf))
    return undefined;
  const parts = allOf.map((part) => membersOf(part, root, taken, depth + 1));
  if (parts.some((part) => part === undefined)) return undefined;
  const all = Object.fromEntries([...parts.flatMap((part) => Object.entries(part?.properties ?? {})), ...Object.entries(properties)]);
  if (depth === 0 && (Object.keys(all).length === 0 || Object.keys(all).some((name) => taken.includes(name)))) return undefined;
  return { properties: all, required: [...parts.flatMap((part) => part?.required ?? []), ...required] };
}

const BYTES = { content_type: { type: 'string' }, body_bytes: { type: 'integer' }, body_sha256: { type: 'string' } };

/** Of `context.input`. */
function schemaOf({ parameters, json, bytes, root }: RouteDescription, members: Members | undefined): JsonObject {
  const properties: JsonObject = Object.fromEntries([
    ...parameters.map(({ name, schema }) => [name, schema] as const),
    ...(members === undefined ? (json === undefined ? [] : [['body', json.schema] as const]) : Object.entries(members.properties)),
    ...(bytes === undefined ? [] : Object.entries(BYTES)),
  ]);
  const required: readonly Json[] = [
    ...parameters.flatMap((parameter) => (parameter.required ? [parameter.name] : [])),
    ...(json?.required === true ? (members?.required ?? ['body']) : []),
    ...(bytes?.required === true ? Object.keys(BYTES) : []),
  ];
  const schema: JsonObject = { type: 'object', properties, required };
  const parts = referenced(schema, root);
  return Object.keys(parts).length === 0 ? schema : { ...schema, components: { schemas: parts } };
}

const SCHEMAS = '#/components/schemas/';

/** The schemas of the document that a schema leads to. */
function referenced(schema: JsonObject, root: JsonObject): JsonObject {
  const { schemas = {} } = isJsonObject(root['components']) ? root['components'] : {};
  const found = new Map<string, Json>();
  const visit = (value: Json): void => {
    if (isJsonArray(value)) value.forEach(visit);
    if (!isJsonObject(value)) return;
    const { $ref: ref } = value;
    const name = typeof ref === 'string' && ref.startsWith(SCHEMAS) ? ref.slice(SCHEMAS.length) : undefined;
    const target = name !== undefined && isJsonObject(schemas) && Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    if (name !== undefined && target !== undefined && !found.has(name)) {
      found.set(name, target);
      visit(target);
    }
    Object.values(value).forEach(visit);
  };
  visit(schema);
  return Object.fromEntries(found);
}
