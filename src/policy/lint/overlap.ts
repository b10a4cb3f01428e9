// Policies that others make useless: the same thing said twice, a permit inside a wider one, a permit that a forbid takes back whole.
// Why a policy with a wider scope and fewer conditions holds wherever this one does: its conditions are among this one's, and what this
// one evaluated to true is true there too, whatever stands before it.
import type { Entities } from '../cedar/entities.ts';
import { type Place, ScopeIndex } from '../cedar/scope-index.ts';
import type { Constraint } from '../cedar/scope.ts';
import { atHead, type Draft } from './draft.ts';
import type { Flaw } from './rules.ts';
import { isWithin, namedBy, widerKeys } from './scope.ts';
import { METHODS } from '../methods.ts';

export function overlapFlaws(drafts: readonly Draft[], entities: Entities): readonly Flaw[] {
  const index = new ScopeIndex<Draft>();
  // one that is only watched changes nothing, so it makes nothing useless
  for (const draft of drafts) if (draft.policy.mode === 'enforce') index.add(draft, draft.place);
  return drafts.flatMap((draft) => flawOf(draft, wider(draft, index, entities), entities) ?? []);
}

/** Policies that hold wherever `draft` does. */
function wider(draft: Draft, index: ScopeIndex<Draft>, entities: Entities): readonly Draft[] {
  const { principal, action, resource } = narrowed(draft.place);
  const keys = (constraint: Constraint): readonly string[] => widerKeys(constraint.keys[0] ?? '*', constraint.also, entities);
  return index.find(keys(principal), keys(action), keys(resource)).filter((other) => other !== draft && covers(other, draft, entities));
}

function covers(wide: Draft, narrow: Draft, entities: Entities): boolean {
  const facts = new Set(narrow.atoms.map(({ key }) => key));
  const { principal, action, resource } = narrowed(narrow.place);
  return (
    wide.atoms.every(({ key }) => facts.has(key)) &&
    isWithin(principal, wide.place.principal, entities) &&
    isWithin(action, wide.place.action, entities) &&
    isWithin(resource, wide.place.resource, entities)
  );
}

const ACTION = /^=Action::"(?=.*\/)/s;

/** What calls a tool is on that tool, whatever else the scope says. */
function narrowed(place: Place): Place {
  const { keys } = place.action;
  const isTool = (key: string): boolean => ACTION.test(key) && !METHODS.has(namedBy(key)?.id ?? '');
  return keys.every(isTool) ? { ...place, resource: { keys: keys.map((key) => key.replace(ACTION, '=Tool::"')) } } : place;
}

function flawOf(draft: Draft, others: readonly Draft[], entities: Entities): Flaw | undefined {
  const { effect, order } = draft.policy;
  const named = ({ policy: { id, source } }: Draft): string => `\`${id}\` (${source})`;
  const twins = others.filter((other) => other.policy.effect === effect && covers(draft, other, entities));
  const twin = twins.find((other) => other.policy.order < order);
  if (twin !== undefined) {
    return { rule: 'duplicate-policy', ...atHead(draft), message: `says what ${named(twin)} says`, help: 'remove one of them' };
  }
  if (effect !== 'permit') return undefined;
  const forbid = others.find((other) => other.policy.effect === 'forbid');
  if (forbid !== undefined) {
    const help = 'remove it, or narrow the forbid';
    return { rule: 'shadowed', ...atHead(draft), message: `allows nothing: ${named(forbid)} forbids all of it`, help };
  }
  const permit = others.find((other) => other.policy.effect === 'permit' && !twins.includes(other));
  if (permit === undefined) return undefined;
  const help = 'remove it, or narrow the other one';
  return { rule: 'shadowed', ...atHead(draft), message: `decides nothing: ${named(permit)} permits all of it`, help };
}
