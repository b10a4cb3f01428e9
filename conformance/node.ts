// Random expressions as trees that print as Cedar text: shrinking cuts trees, and the engines read text.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import type { Uid } from './decisions.ts';
import type { Type } from './vocabulary.ts';

/** `pieces[0]`, `args[0]`, `pieces[1]`, … */
export interface Node {
  readonly type: Type;
  readonly pieces: readonly string[];
  readonly args: readonly Node[];
  /** Another of its kind: another name, type, pattern, value. */
  readonly redraw?: () => Node;
}

/** The node with some of its leaves drawn anew: the shape stays, what is in it changes. */
export function redrawn(node: Node, isChosen: (at: number) => boolean): Node {
  let at = 0;
  const visit = (one: Node): Node => {
    if (one.redraw !== undefined) return isChosen(at++) ? one.redraw() : one;
    return one.args.length === 0 ? one : { ...one, args: one.args.map(visit) };
  };
  return visit(node);
}

/** How many leaves can be drawn anew. */
export const drawnLeaves = ({ redraw, args }: Node): number =>
  redraw === undefined ? args.reduce((sum, arg) => sum + drawnLeaves(arg), 0) : 1;

/** `node('bool')` followed by a template: text with nodes in it. */
export const node =
  (type: Type) =>
  (pieces: readonly string[], ...args: readonly Node[]): Node => ({ type, pieces, args });

/** Text as it stands. */
export const leaf = (type: Type, text: string): Node => ({ type, pieces: [text], args: [] });

/** A leaf that can be drawn anew. */
export const drawn = (draw: () => Node): Node => ({ ...draw(), redraw: () => drawn(draw) });

export const textOf = ({ pieces, args }: Node): string =>
  pieces.reduce((text, piece, at) => {
    const before = args[at - 1];
    return text + (before === undefined ? '' : textOf(before)) + piece;
  }, '');

/** `a, b, c` */
export function listOf(type: Type, [open, close]: readonly [string, string], nodes: readonly Node[]): Node {
  if (nodes.length === 0) return leaf(type, `${open}${close}`);
  return { type, pieces: [open, ...nodes.slice(1).map(() => ', '), close], args: nodes };
}

/** A value in Cedar's JSON form, as it is written in a policy. */
export function literalOf(value: Json): string {
  if (typeof value === 'string') return quoted(value);
  if (isJsonArray(value)) return `[${value.map(literalOf).join(', ')}]`;
  if (typeof value === 'number' || typeof value === 'bigint') return value < 0 ? `(${value})` : String(value);
  if (!isJsonObject(value)) return String(value);
  const { __entity: entity, __extn: call } = value;
  if (isUid(entity)) return uidText(entity);
  if (isJsonObject(call)) return callText(call);
  return `{${Object.entries(value)
    .map(([name, member]) => `${quoted(name)}: ${literalOf(member)}`)
    .join(', ')}}`;
}

/** A constructor and its text, or a method of the first argument. */
function callText({ fn, arg, args }: JsonObject): string {
  const name = typeof fn === 'string' ? fn : '';
  if (!isJsonArray(args)) return `${name}(${literalOf(arg ?? null)})`;
  const [receiver = null, ...others] = args;
  return `${literalOf(receiver)}.${name}(${others.map(literalOf).join(', ')})`;
}

const isUid = (json: Json | undefined): json is { readonly type: string; readonly id: string } =>
  isJsonObject(json) && typeof json['type'] === 'string' && typeof json['id'] === 'string';

export const uidText = ({ type, id }: Uid): string => `${type}::${quoted(id)}`;

/** A string literal. */
export const quoted = (text: string): string => `"${text.replaceAll(/["\\]|[^ -~]/gu, escaped)}"`;

/** The literal part of a pattern: its `*` are not wildcards. */
export const patternText = (text: string): string => quoted(text).slice(1, -1).replaceAll('*', '\\*');

const escaped = (c: string): string => (c === '"' || c === '\\' ? `\\${c}` : `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
