// What one policy says that cannot be meant: a scope that no call meets, conditions that contradict one another, values that never
// occur, permits for everybody.
import { LEVELS } from '../../domain/access.ts';
import { Refusal } from '../../domain/refusal.ts';
import { similar } from '../../domain/similar.ts';
import type { Catalog } from '../schema/catalog.ts';
import type { Long } from '../cedar/long.ts';
import { meets } from '../cedar/scope.ts';
import { toText } from '../cedar/text.ts';
import { equal, isSet, uid, type Value } from '../cedar/value.ts';
import { isAnything, within } from './conditions.ts';
import { contradiction } from './contradiction.ts';
import { atCondition, atHead, atScope, type Draft } from './draft.ts';
import type { Flaw } from './rules.ts';
import type { Call, Extent } from './scope.ts';
import type { Shape } from '../schema/shape.ts';

/** More elements than this in one set of a condition belong into tags. */
const LARGE_SET = 50;

/** `warned`: what the validator thinks of this policy. */
export function meaningFlaws(draft: Draft, extent: Extent, catalog: Catalog, warned: readonly Flaw[]): readonly Flaw[] {
  const calls = extent.callsIn(draft.place);
  const [never] = [emptyScope(draft, extent, calls), contradiction(draft), impossible(draft, extent, warned)].flatMap((one) => one ?? []);
  return [
    ...(never === undefined ? [] : [never]),
    ...warned.filter(({ rule }) => rule !== 'never-matches'),
    ...impossibleValues(draft, calls, catalog),
    ...broad(draft),
    ...largeSets(draft),
  ];
}

/** The validator says so too of a policy for tools of which there are none yet: that is no fault of the policy. */
function impossible(draft: Draft, { calls }: Extent, warned: readonly Flaw[]): Flaw | undefined {
  if (!warned.some(({ rule }) => rule === 'never-matches')) return undefined;
  if (!calls.some(({ action }) => meets(draft.place.action, action.keys))) return undefined;
  const message = 'the types in it never fit together, so it never holds';
  return { rule: 'never-matches', ...atHead(draft), message, help: 'compare its scope and conditions with what the action is for' };
}

/** Action and resource each exist, and never together. */
function emptyScope(draft: Draft, { calls }: Extent, met: readonly Call[]): Flaw | undefined {
  if (met.length > 0) return undefined;
  const { place } = draft;
  const of = calls.filter(({ action }) => meets(place.action, action.keys));
  if (of.length === 0 || !calls.some(({ resource }) => meets(place.resource, resource.keys))) return undefined;
  const on = [...new Set(of.map(({ resource }) => toText(resource.uid)))];
  return {
    rule: 'never-matches',
    ...atScope(draft, 'resource'),
    message: 'no call can match: the action is never for this resource',
    expected: `${on.slice(0, 4).join(', ')}${on.length > 4 ? `, and ${on.length - 4} more` : ''}`,
    help: 'name the resource that the action is for, or leave it open: `resource`',
  };
}

/** Comparisons with a value that the subject never has: a misspelt level, a value that the tool does not list. */
function impossibleValues(draft: Draft, calls: readonly Call[], catalog: Catalog): readonly Flaw[] {
  return draft.atoms.flatMap(({ comparison, condition }): Flaw[] => {
    if (comparison?.path === undefined || (comparison.operator !== '==' && comparison.operator !== '!=')) return [];
    const { path, value } = comparison;
    const values = valuesOf(path, calls, catalog);
    if (values === undefined || values.some((one) => equal(one, value))) return [];
    const texts = values.filter((one) => typeof one === 'string');
    const [meant] = typeof value === 'string' ? similar(value, texts) : [];
    return [
      {
        rule: 'impossible-value',
        ...atCondition(draft, condition),
        message: `\`${path.join('.')}\` is never ${toText(value)}`,
        expected: `one of ${values.slice(0, 8).map(toText).join(', ')}`,
        help: meant === undefined ? 'compare it with a value that it can have' : `did you mean \`${JSON.stringify(meant)}\`?`,
      },
    ];
  });
}

/** All values that a path can have, if they are known. */
function valuesOf(path: readonly string[], calls: readonly Call[], catalog: Catalog): readonly Value[] | undefined {
  const [variable, name, ...rest] = path;
  if (path.length === 2 && name === 'level' && (variable === 'principal' || variable === 'resource')) return LEVELS;
  if (variable !== 'context' || name !== 'input' || calls.length === 0) return undefined;
  const values = calls.map(({ action }) => {
    const input = catalog.get(action.uid.id)?.input;
    return input === undefined || input instanceof Refusal ? undefined : allowedAt(input, rest);
  });
  return values.every((one) => one !== undefined) ? values.flat() : undefined;
}

function allowedAt(shape: Shape, path: readonly string[]): readonly Value[] | undefined {
  const [name, ...rest] = path;
  if (name !== undefined) {
    const field = shape.kind === 'record' ? shape.fields.get(name) : undefined;
    return field && allowedAt(field.shape, rest);
  }
  if (shape.kind === 'string') return shape.allowed && [...shape.allowed];
  return shape.kind === 'long' && shape.allowed !== undefined ? [...shape.allowed].map(asLong) : undefined;
}

const asLong = (value: bigint): Long => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

const CALLS_OF_ALL = ['tools/call', 'http/call', 'egress'].map((group) => `^${uid('Action', group).key}`);

/** Permits that leave nothing to be decided, and conditions that ask nothing. */
function broad(draft: Draft): readonly Flaw[] {
  const { place, atoms, policy } = draft;
  const empty = atoms.filter(({ expression }) => [...within(expression)].some(isAnything));
  const flaws = [...new Set(empty.map(({ condition }) => condition))].map((condition): Flaw => {
    const help = 'say what it has to look like, or leave it out';
    return { rule: 'too-broad', ...atCondition(draft, condition), message: '`like "*"` is true of every string', help };
  });
  const open =
    policy.principal === 'agent' &&
    place.principal.keys.includes('*') &&
    ['*', ...CALLS_OF_ALL].some((key) => place.action.keys.includes(key));
  if (policy.effect !== 'permit' || !open || atoms.some((atom) => !empty.includes(atom))) return flaws;
  const what = place.resource.keys.includes('*') ? 'every call' : 'every call of this resource';
  const help = 'name the agent, or the action: what is not permitted is denied';
  return [...flaws, { rule: 'too-broad', ...atHead(draft), message: `permits every agent ${what}`, help }];
}

function largeSets(draft: Draft): readonly Flaw[] {
  const sizes = new Map<number, number>();
  for (const { condition, expression } of draft.atoms) {
    for (const part of within(expression)) {
      const value = part.op === 'constant' ? draft.constants[part.at] : undefined;
      const size = part.op === 'set' ? part.elements.length : isSet(value) ? value.size : 0;
      if (size > LARGE_SET) sizes.set(condition, size);
    }
  }
  return [...sizes].map(([condition, size]) => ({
    rule: 'large-set',
    ...atCondition(draft, condition),
    message: `a set of ${size} values in a condition`,
    expected: `at most ${LARGE_SET}`,
    help: 'put them on record as tags of the resource, and ask for those: `resource.server.hasTag(…)`',
  }));
}
