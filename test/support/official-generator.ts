// The official generator of schemas and requests from MCP tools, and what it makes of them: types in short, calls as plain data.
import assert from 'node:assert/strict';
import { generateRequest, generateSchema } from '@cedar-policy/mcp-schema-generator-wasm';
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson, writeJson } from '../../src/domain/json.ts';
import type { Tool } from '../../src/domain/registry.ts';
import { valueFromJson } from '../../src/policy/cedar/json.ts';
import { exactly, extension, type Plain, setOf } from './read-back.ts';
import { inputOf, type Resolve, type Short, shortType } from './short-types.ts';

export type Listed = Pick<Tool, 'name' | 'inputSchema'>;

const STUB = `namespace S {
  @mcp_principal entity Agent;
  @mcp_resource entity Tool;
  action "tools/call" appliesTo { principal: [Agent], resource: [Tool] };
}`;

const onWire = (text: string): Json => parseJson(new TextEncoder().encode(text), { maxBytes: 10_000_000, maxDepth: 128 });

/** The answer of the official generator; a member `error` says that there is none. */
function answerOf(text: string): JsonObject {
  const answer = onWire(text);
  return isJsonObject(answer) ? answer : assert.fail('no answer');
}

const wordIn = (value: Json | undefined): string => (typeof value === 'string' ? value : assert.fail('no text'));

const config = (objectsAsRecords: boolean): string => JSON.stringify({ objectsAsRecords, numbersAsDecimal: true });

/** By tool; or why the whole list is refused. */
export function officialTypes(listed: readonly Listed[]): ReadonlyMap<string, Short> | string {
  const { schemaJson, error } = answerOf(
    generateSchema(STUB, writeJson(listed.map(({ name, inputSchema }) => ({ name, inputSchema }))), config(true)),
  );
  if (typeof schemaJson !== 'string') return wordIn(error);
  const schema = answerOf(schemaJson);
  const actions = isJsonObject(schema['S']) && isJsonObject(schema['S']['actions']) ? schema['S']['actions'] : {};
  return new Map(listed.map(({ name }) => [name, shortType(inputOf(actions[name]), resolverIn(schema))]));
}

/** Names of the official schema: common types, entity types, and those of Cedar itself. */
const resolverIn =
  (schema: JsonObject): Resolve =>
  (name) => {
    if (name === 'Bool') return 'Boolean';
    const base = name.slice(name.lastIndexOf(':') + 1);
    if (name === `S::${base}` && ['Null', 'Unknown'].includes(base)) return base;
    // without a namespace it is one of where it stands
    const spaces = name === base ? Object.values(schema) : [schema[name.slice(0, -base.length - 2)]];
    const types = spaces.filter(isJsonObject).flatMap(({ commonTypes, entityTypes }) => [commonTypes, entityTypes].filter(isJsonObject));
    const declared = types.map((all) => all[base]).find(isJsonObject);
    return declared === undefined ? name : 'enum' in declared ? 'String' : declared;
  };

/** What a call becomes, as plain data; or why it is refused. `name`: a tool with one required argument `w`, an object. */
export function officialCall(listed: readonly Listed[], name: string, args: JsonObject): Plain | Refused {
  const call = writeJson({ params: { tool: name, args } });
  const tools = writeJson(listed.map((one) => ({ name: one.name, inputSchema: one.inputSchema })));
  const { entitiesJson, error } = answerOf(generateRequest(STUB, tools, call, 'Agent', 'clerk', 'Tool', name, config(false)));
  if (typeof entitiesJson !== 'string') return new Refused(wordIn(error));
  const entities = onWire(entitiesJson);
  const stored = new Map((isJsonArray(entities) ? entities : []).filter(isJsonObject).map((entity) => [keyOf(entity['uid']), entity]));
  const root = [...stored.values()].find(({ uid }) => isJsonObject(uid) && uid['type'] === `S::${name}::Input::w`);
  return root === undefined ? assert.fail('no entity for `w`') : objectOf(root, stored);
}

export class Refused {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

const keyOf = (uid: Json | undefined): string => (isJsonObject(uid) ? `${wordIn(uid['type'])}::${wordIn(uid['id'])}` : '');

function objectOf({ attrs, tags }: JsonObject, stored: ReadonlyMap<string, JsonObject>): Plain {
  const all = [attrs, tags].flatMap((members) => (isJsonObject(members) ? Object.entries(members) : []));
  return Object.fromEntries(all.map(([name, value]) => [name, plainOf(value, stored)]));
}

function plainOf(value: Json, stored: ReadonlyMap<string, JsonObject>): Plain {
  if (typeof value === 'number' || typeof value === 'bigint') return exactly(value);
  if (isJsonArray(value)) return setOf(value.map((element) => plainOf(element, stored)));
  if (!isJsonObject(value)) return value;
  if (value['__extn'] !== undefined) return extension(valueFromJson(value));
  const { __entity: uid } = value;
  if (isJsonObject(uid)) {
    const known = stored.get(keyOf(uid));
    if (known !== undefined) return objectOf(known, stored);
    const { type, id } = uid;
    return type === 'S::Null' ? null : type === 'S::Unknown' ? 'untyped' : wordIn(id);
  }
  const members = Object.entries(value).map(([name, member]) => [name, plainOf(member, stored)] as const);
  const [[first, only] = assert.fail('an empty record')] = members;
  return first.startsWith('typeChoice') ? only : setOf(members.map(([, member]) => member));
}
