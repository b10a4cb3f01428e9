// What an MCP server offers besides tools: reading a resource, getting a prompt, completing an argument. What policy sees and what goes on
// are made of the same members. Standards: MCP 2026-07-28, MCP 2025-11-25. attacker-controlled. INVARIANT I2
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { isLogLevel } from './mcp-headers.ts';

export interface Offered {
  /** `context.input` of the decision. */
  readonly input?: JsonObject;
  /** `params` of what goes to the server. */
  readonly params: JsonObject;
}

const MAX_URI = 2_048;
const MAX_NAME = 256;
const MAX_TEXT = 16_384;
const MAX_ARGUMENTS = 64;
const CONTROL = /[\u0000-\u001f\u007f]/u;

/** @throws Refusal CORDON-9011 */
export function readResource({ uri }: JsonObject): Offered {
  const members = { uri: word(uri, 'uri', MAX_URI) };
  return { input: members, params: members };
}

/** @throws Refusal CORDON-3006 */
export function logged({ level }: JsonObject): Offered {
  if (!isLogLevel(level)) throw new Refusal('CORDON-3006', '`params.level` is no log level');
  return { params: { level } };
}

/** @throws Refusal CORDON-9011 */
export function prompted({ name, arguments: given }: JsonObject): Offered {
  const members = { name: word(name, 'name', MAX_NAME), ...(given === undefined ? {} : { arguments: texts(given, 'arguments') }) };
  return { input: members, params: members };
}

/** @throws Refusal CORDON-9011 */
export function completed({ ref, argument, context }: JsonObject): Offered {
  const { type, ...by } = isJsonObject(ref) ? ref : {};
  if (type !== 'ref/prompt' && type !== 'ref/resource') throw malformed('ref.type');
  const isPrompt = type === 'ref/prompt';
  const name = isPrompt ? word(by['name'], 'ref.name', MAX_NAME) : word(by['uri'], 'ref.uri', MAX_URI);
  const asked = isJsonObject(argument) ? argument : {};
  const typed = { name: word(asked['name'], 'argument.name', MAX_NAME), value: text(asked['value'], 'argument.value') };
  const before = isJsonObject(context) && context['arguments'] !== undefined ? texts(context['arguments'], 'context.arguments') : undefined;
  return {
    input: { of: isPrompt ? 'prompt' : 'resource', name, argument: typed.name, value: typed.value },
    params: {
      ref: isPrompt ? { type, name } : { type, uri: name },
      argument: typed,
      ...(before === undefined ? {} : { context: { arguments: before } }),
    },
  };
}

const malformed = (member: string): Refusal => new Refusal('CORDON-9011', `\`params.${member}\` does not fit`);

function word(value: Json | undefined, member: string, most: number): string {
  if (typeof value !== 'string' || value === '' || value.length > most || CONTROL.test(value)) throw malformed(member);
  return value;
}

function text(value: Json | undefined, member: string): string {
  if (typeof value !== 'string' || value.length > MAX_TEXT) throw malformed(member);
  return value;
}

/** Arguments of prompts are texts. */
function texts(value: Json, member: string): JsonObject {
  const entries = isJsonObject(value) ? Object.entries(value) : undefined;
  if (entries === undefined || entries.length > MAX_ARGUMENTS) throw malformed(member);
  return Object.fromEntries(entries.map(([name, each]) => [word(name, member, MAX_NAME), text(each, `${member}.${name.slice(0, 80)}`)]));
}
