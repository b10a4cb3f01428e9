// What an operator looks at before a definition (of a tool, a prompt, a resource) is accepted: the pinned one beside the one that the server gives, and a digest by
// which the acceptance names exactly what was looked at. attacker-controlled: what servers say
import { sha256Hex } from '../crypto/hash.ts';
import { writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Defined } from '../domain/registry.ts';
import { changedTools, textOf } from './tools.ts';

type ToolChange = {
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed';
  /** Of the definition that the server gives; of a tool that is gone the digest of `null`. */
  readonly digest: string;
  readonly pinned: JsonObject | null;
  readonly offered: JsonObject | null;
};

export type ToolReview = {
  readonly resource: string;
  /** Of all definitions that the server gives. */
  readonly digest: string;
  /** Names of all that are pinned or given. */
  readonly tools: readonly string[];
  readonly changes: readonly ToolChange[];
};

export interface Acceptance {
  readonly resource: string;
  /** A tool, or `prompts/NAME`, `resources/URI`, `templates/URI`. Absent: all that the server defines. */
  readonly tool?: string;
  /** What was looked at, whole: a server could find another definition for a digest cut short. */
  readonly digest: string;
}

const digestOf = (text: string): string => `sha256:${sha256Hex(text)}`;

const digestOfTools = (tools: readonly Defined[]): string => digestOf(textOf(tools));

export const reviewOf = (resource: string, found: readonly Defined[], pinned: readonly Defined[]): ToolReview => ({
  resource,
  digest: digestOfTools(found),
  tools: [...new Set([...found, ...pinned].map(({ name }) => name))],
  changes: changesOf(found, pinned),
});

/** Every tool whose definition is not the pinned one, those that are gone last. */
function changesOf(found: readonly Defined[], pinned: readonly Defined[]): readonly ToolChange[] {
  const [offered, known] = [definitionsOf(found), definitionsOf(pinned)];
  const gone = pinned.map(({ name }) => name).filter((name) => !offered.has(name));
  return [...changedTools(found, pinned), ...gone].map((name) => {
    const [before, after] = [known.get(name) ?? null, offered.get(name) ?? null];
    const change = before === null ? 'added' : after === null ? 'removed' : 'changed';
    return { name, change, digest: digestOf(writeJson(after)), pinned: before, offered: after };
  });
}

const definitionsOf = (tools: readonly Defined[]): ReadonlyMap<string, JsonObject> =>
  new Map(tools.map((tool) => [tool.name, tool.definition]));

interface Accepted {
  /** What is pinned from now on. */
  readonly tools: readonly Defined[];
  /** Names of the tools that differed. */
  readonly accepted: readonly string[];
}

/** @throws Refusal CORDON-3003 no such tool, CORDON-3004 the server gives something else than what was looked at */
export function accepting({ resource, tool, digest }: Acceptance, found: readonly Defined[], pinned: readonly Defined[]): Accepted {
  const changes = changesOf(found, pinned);
  if (tool === undefined) {
    assertLookedAt(resource, digest, digestOfTools(found));
    return { tools: found, accepted: changes.map(({ name }) => name) };
  }
  const offered = found.find(({ name }) => name === tool);
  const before = pinned.some(({ name }) => name === tool);
  if (offered === undefined && !before) throw new Refusal('CORDON-3003', `\`${resource}\` defines no \`${tool}\``);
  assertLookedAt(resource, digest, digestOf(writeJson(offered?.definition ?? null)));
  const accepted = changes.filter(({ name }) => name === tool).map(({ name }) => name);
  return { tools: withTool(pinned, tool, offered), accepted };
}

/** The pinned tools, with one of them in its new form, in its place. */
function withTool(pinned: readonly Defined[], name: string, offered: Defined | undefined): readonly Defined[] {
  const one = offered === undefined ? [] : [offered];
  if (!pinned.some((tool) => tool.name === name)) return [...pinned, ...one];
  return pinned.flatMap((tool) => (tool.name === name ? one : [tool]));
}

function assertLookedAt(resource: string, digest: string, now: string): void {
  if (digest === now) return;
  throw new Refusal('CORDON-3004', `\`${resource}\` does not define it as it did when it was looked at`, {
    observed: now,
    expected: digest,
    fix: `look at it again: \`cordon tools diff ${resource}\``,
  });
}
