// Parameters that travel in headers too (MCP 2026-07-28, SEP-2243): `x-mcp-header` in the pinned definition of a tool says which. What a
// header says must be what the body says; towards the server the headers are made anew. attacker-controlled. INVARIANT I2
import type { IncomingMessage } from 'node:http';
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { decodeHeader, encodeHeader } from './mcp-headers.ts';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const MAX_DEPTH = 16;

interface Marked {
  /** `mcp-param-region` */
  readonly header: string;
  /** Absent or null in the arguments: undefined. */
  readonly value: string | number | boolean | undefined;
}

/** The headers that go with a call of the tool. */
export const paramHeaders = (definition: JsonObject | undefined, args: JsonObject): Readonly<Record<string, string>> =>
  Object.fromEntries(
    markedIn(definition, args).flatMap(({ header, value }) => (value === undefined ? [] : [[header, encodeHeader(String(value))]])),
  );

/** @throws Refusal CORDON-3011 when a header is missing, or says something else than the arguments */
export function checkParams(req: IncomingMessage, definition: JsonObject | undefined, args: JsonObject): void {
  for (const { header, value } of markedIn(definition, args)) {
    const said = req.headers[header];
    const shown = typeof said === 'string' ? decodeHeader(said) : undefined;
    if (!isSame(shown, value)) throw new Refusal('CORDON-3011', `the header \`${header}\` is not what the body says`);
  }
}

function isSame(shown: string | undefined, value: Marked['value']): boolean {
  if (shown === undefined || value === undefined) return shown === value;
  return typeof value === 'number' ? /^-?\d{1,16}(?:\.0{1,6})?$/.test(shown) && Number(shown) === value : shown === String(value);
}

/** The marked parameters: strings, exact integers and booleans that are reached through `properties` alone. */
function markedIn(definition: JsonObject | undefined, args: JsonObject): readonly Marked[] {
  const schema = definition?.['inputSchema'];
  return isJsonObject(schema) ? markedBelow(schema, args, 0) : [];
}

function markedBelow({ properties }: JsonObject, args: JsonObject, depth: number): readonly Marked[] {
  if (!isJsonObject(properties) || depth > MAX_DEPTH) return [];
  return Object.entries(properties).flatMap(([name, property]) => {
    if (!isJsonObject(property)) return [];
    const given: Json | undefined = Object.hasOwn(args, name) ? args[name] : undefined;
    const mark = property['x-mcp-header'];
    const own = typeof mark === 'string' && TOKEN.test(mark) ? [{ header: `mcp-param-${mark.toLowerCase()}`, value: valueOf(given) }] : [];
    return [...own, ...markedBelow(property, isJsonObject(given) ? given : {}, depth + 1)];
  });
}

const valueOf = (given: Json | undefined): Marked['value'] =>
  typeof given === 'string' || typeof given === 'boolean' || (typeof given === 'number' && Number.isSafeInteger(given)) ? given : undefined;
