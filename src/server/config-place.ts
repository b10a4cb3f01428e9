// Where in a configuration file the thing stands that does not fit: `cordon.yaml:8:3`.
import { isMap, isNode, isPair, isScalar, isSeq, type Document, type LineCounter } from 'yaml';
import type * as z from 'zod';
import { Refusal } from '../domain/refusal.ts';

/** A member of a configuration and what is wrong with it. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A configuration file that was parsed as YAML. */
export interface Source {
  readonly path: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** `path:line:column` of a character of the file. */
export function placeOf({ path, lines }: Pick<Source, 'path' | 'lines'>, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${path}:${line}:${col}`;
}

/** The refusal of a file for one member, or for what stands above it when the member is missing. */
export function misfit(source: Source, { path, message }: Issue): Refusal {
  const where = placeOf(source, offsetOf(source.document, path));
  const member = path.map(String).join('.');
  return new Refusal('CORDON-9006', `${where}: \`${member === '' ? 'the file' : member}\`: ${message}`, { fix: `edit ${where}` });
}

/** Of the branches of a union, the one that went furthest is the one that was meant; a misspelt member explains the missing one. */
export function deepest(issues: readonly z.core.$ZodIssue[]): Issue {
  const first = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  if (first === undefined) return { path: [], message: 'does not fit' };
  if (first.code === 'unrecognized_keys') {
    const [key = ''] = first.keys;
    return { path: [...first.path, key], message: `unknown member \`${key}\`` };
  }
  if (first.code !== 'invalid_union') return { path: first.path, message: first.message };
  const [best] = first.errors.map((branch) => deepest(branch)).toSorted((a, b) => b.path.length - a.path.length);
  return best === undefined ? { path: first.path, message: first.message } : { path: [...first.path, ...best.path], message: best.message };
}

/** Where the member at `path` stands, or the nearest one above it. */
export function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const offset = startOf(memberOf(parent, path[length - 1]));
    if (offset !== undefined) return offset;
  }
  return 0;
}

function memberOf(parent: unknown, key: PropertyKey | undefined): unknown {
  if (isSeq(parent) && typeof key === 'number') return parent.items[key];
  if (!isMap(parent)) return undefined;
  return parent.items.find((pair) => isPair(pair) && isScalar(pair.key) && pair.key.value === key)?.key;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);
