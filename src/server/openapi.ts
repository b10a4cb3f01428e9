// Routes from an OpenAPI 3 document: the operations under `paths`, each by its `operationId`. Standard: OpenAPI 3.0.4, 3.1.1. What such a
// document says of servers, security and answers is not looked at: where the API is, and with which credential, the operator says. An
// operation that cannot be read so that it has one meaning is left out, with the reason; it then does not exist.
import { HTTP_METHODS, type HttpMethod, type HttpRoute } from '../domain/http-route.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import { mayPass } from '../gateway/http-headers.ts';
import { routeName } from './config-http.ts';
import { type Parameter, resolved, routeFrom, type RouteDescription } from './http-route.ts';

export interface OpenApiRoutes {
  readonly routes: readonly HttpRoute[];
  /** Operations that are left out, and why. */
  readonly unusable: readonly { readonly operation: string; readonly why: string }[];
}

/** @throws Refusal CORDON-9006 when it is no OpenAPI 3 document */
export function routesOf(document: Json): OpenApiRoutes {
  if (!isJsonObject(document) || typeof document['openapi'] !== 'string' || !/^3\.[0-2](?:\.|$)/.test(document['openapi'])) {
    throw new Refusal('CORDON-9006', 'no OpenAPI 3 document', { expected: '`openapi: 3.1.1` at its top' });
  }
  const routes: HttpRoute[] = [];
  const unusable: { operation: string; why: string }[] = [];
  for (const found of operationsIn(document)) {
    try {
      routes.push(routeFrom(describe(document, found)));
    } catch (error) {
      unusable.push({ operation: `${found.method} ${found.path}`.slice(0, 120), why: errorTextOf(error) });
    }
  }
  return { routes, unusable };
}

interface Operation {
  readonly method: HttpMethod;
  readonly path: string;
  readonly operation: JsonObject;
  /** Of the path as a whole. */
  readonly shared: Json;
}

function operationsIn({ paths = {} }: JsonObject): readonly Operation[] {
  return Object.entries(isJsonObject(paths) ? paths : {}).flatMap(([path, item]) =>
    HTTP_METHODS.flatMap((method): readonly Operation[] => {
      const operation = isJsonObject(item) ? item[method.toLowerCase()] : undefined;
      return isJsonObject(item) && isJsonObject(operation) ? [{ method, path, operation, shared: item['parameters'] ?? [] }] : [];
    }),
  );
}

function describe(root: JsonObject, { method, path, operation, shared }: Operation): RouteDescription {
  const { operationId = `${method}:${path}`, parameters = [], requestBody } = operation;
  const id = routeName.safeParse(operationId);
  if (!id.success) throw bad('`operationId`: letters, digits, `_`, `-`, `.`');
  const all = parametersOf(root, shared, parameters);
  return {
    name: id.data,
    method,
    path,
    parameters: all.flatMap((one) => parameterOf(one)),
    headers: all.flatMap((one) => headerOf(one)),
    trailers: [],
    ...(requestBody === undefined ? {} : bodyOf(resolved(requestBody, root))),
    root,
  };
}

const bad = (what: string): Refusal => new Refusal('CORDON-9006', what);

/** A parameter object. */
interface Described {
  readonly name: string;
  readonly place: string;
  readonly from: JsonObject;
}

/** Those of the operation stand in place of those of the path. */
function parametersOf(root: JsonObject, ...lists: readonly Json[]): readonly Described[] {
  const found = new Map<string, Described>();
  for (const one of lists.flatMap((list) => (isJsonArray(list) ? list : []))) {
    const parameter = resolved(one, root);
    const { name, in: place, ...from } = isJsonObject(parameter) ? parameter : {};
    if (typeof name !== 'string' || typeof place !== 'string') throw bad('a parameter without a name');
    found.set(`${place} ${name}`, { name, place, from });
  }
  return [...found.values()];
}

function parameterOf({ name, place, from }: Described): readonly Parameter[] {
  const { schema, style, explode, allowReserved, required } = from;
  if (place !== 'path' && place !== 'query') return [];
  if (schema === undefined) throw bad(`parameter \`${name}\` has no \`schema\``);
  const usual = place === 'path' ? 'simple' : 'form';
  if ((style ?? usual) !== usual || allowReserved === true) throw bad(`parameter \`${name}\`: a style that is not the usual one`);
  return [{ name, in: place, required: place === 'path' || required === true, schema, commas: explode === false }];
}

const headerOf = ({ place, name }: Described): readonly string[] => {
  const header = name.toLowerCase();
  return place === 'header' && mayPass(header) && header !== 'authorization' && header !== 'cookie' ? [header] : [];
};

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;

/** JSON where it is one of the forms. */
function bodyOf(body: Json): Pick<RouteDescription, 'json' | 'bytes'> {
  const { content = {}, required = false } = isJsonObject(body) ? body : {};
  const types = Object.entries(isJsonObject(content) ? content : {}).map(([type, media]) => ({ type: type.toLowerCase(), media }));
  const json = types.find(({ type }) => JSON_TYPE.test(type));
  if (json !== undefined) {
    const schema = isJsonObject(json.media) ? (json.media['schema'] ?? {}) : {};
    return { json: { type: json.type, required: required === true, schema } };
  }
  const known = types.map(({ type }) => type).filter((type) => /^[a-z0-9.+-]+\/[a-z0-9.+-]+$/.test(type));
  if (known.length === 0) throw bad('the body has no media type that can be handed on');
  return { bytes: { types: known, required: required === true } };
}
