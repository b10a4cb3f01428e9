// Random policies: every form of scope, conditions that begin with what could stand in the scope, templates with their links.
import type { Expressions } from './expressions.ts';
import type { Uid } from './decisions.ts';
import { drawn, drawnLeaves, leaf, type Node, node, redrawn, textOf, uidText } from './node.ts';
import type { Random } from './random.ts';
import { ACTIONS, ALL_UIDS, ENTITIES, ENTITY_TYPES } from './vocabulary.ts';

export interface Policy {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** Principal, action, resource, as they are written. */
  readonly scope: readonly [string, string, string];
  readonly conditions: readonly Condition[];
  /** Of a template: the policies that it makes. */
  readonly links?: readonly Link[];
}

export interface Condition {
  readonly kind: 'when' | 'unless';
  readonly body: Node;
}

export interface Link {
  readonly id: string;
  readonly values: Readonly<Record<string, Uid>>;
}

export const policyText = ({ effect, scope, conditions }: Policy): string =>
  `${effect}(${scope.join(', ')})${conditions.map(({ kind, body }) => ` ${kind} { ${textOf(body)} }`).join('')};`;

/** They come last, so much is below them. */
const GROUPS = ENTITIES.slice(-6);

const SLOT = { principal: '?principal', resource: '?resource' } as const;

/** 1 to 25 of them, some of which have the shape of another. */
export function randomPolicies(random: Random, expressions: Expressions): readonly Policy[] {
  const count = random.chance(0.2) ? random.between(1, 25) : random.between(1, 10);
  const policies: Policy[] = [];
  for (let at = 0; at < count; at++) {
    const id = random.chance(0.05) ? `__proto__${at}` : `policy${at}`;
    policies.push(
      policies.length > 0 && random.chance(0.3) ? relativeOf(random, random.pick(policies), id) : randomPolicy(random, expressions, id),
    );
  }
  return policies;
}

/** The same conditions with other names and values in them, or the other way round. */
function relativeOf(random: Random, { effect, conditions }: Policy, id: string): Policy {
  const flips = random.chance(0.2);
  return {
    id,
    effect: random.chance(0.8) ? effect : 'forbid',
    scope: ['principal', 'action', 'resource'],
    conditions: conditions.map(({ kind, body }) => {
      const only = random.below(drawnLeaves(body) + 1);
      const several = random.chance(0.4);
      return {
        kind: flips ? (kind === 'when' ? 'unless' : 'when') : kind,
        body: redrawn(body, (at) => (several ? random.chance(0.4) : at === only)),
      };
    }),
  };
}

function randomPolicy(random: Random, expressions: Expressions, id: string): Policy {
  const isTemplate = random.chance(0.15);
  const scope = [scopeOf(random, 'principal', isTemplate), actionScope(random), scopeOf(random, 'resource', isTemplate)] as const;
  const policy: Policy = {
    id,
    effect: random.chance(0.7) ? 'permit' : 'forbid',
    scope,
    conditions: random.list(random.pick([0, 0, 1, 1, 1, 2, 3, 4]), () => condition(random, expressions)),
  };
  const slots = Object.values(SLOT).filter((slot) => scope.some((part) => part.includes(slot)));
  if (slots.length === 0) return policy;
  const link = (_: unknown, at: number): Link => ({
    id: `${id} link${at}`,
    values: Object.fromEntries(slots.map((slot) => [slot, random.pick(ENTITIES)])),
  });
  return { ...policy, links: Array.from({ length: random.between(1, 3) }, link) };
}

function scopeOf(random: Random, variable: 'principal' | 'resource', isTemplate: boolean): string {
  const target = isTemplate && random.chance(0.7) ? SLOT[variable] : uidText(random.pick(ENTITIES));
  const group = isTemplate ? target : uidText(random.pick(GROUPS));
  const type = random.pick(ENTITY_TYPES);
  return random.pick([
    variable,
    variable,
    variable,
    variable,
    `${variable} == ${target}`,
    `${variable} in ${target}`,
    `${variable} in ${group}`,
    `${variable} is ${type}`,
    `${variable} is ${type} in ${target}`,
  ]);
}

function actionScope(random: Random): string {
  const list = random.list(random.below(4), () => uidText(random.pick(ACTIONS)));
  const one = uidText(random.pick(ACTIONS));
  return random.pick(['action', 'action', 'action', `action == ${one}`, `action in ${one}`, `action in [${list.join(', ')}]`]);
}

function condition(random: Random, expressions: Expressions): Condition {
  const body = expressions.of('bool', random.pick([1, 1, 2, 3, 4]));
  const kind = random.chance(0.7) ? 'when' : 'unless';
  if (random.chance(0.6)) return { kind, body };
  const operator = leaf('bool', random.chance(0.85) ? '&&' : '||');
  const scope = drawn(() => scopeLike(random));
  return { kind, body: random.chance(0.7) ? node('bool')`${scope} ${operator} ${body}` : node('bool')`${body} ${operator} ${scope}` };
}

/** What could stand in the scope, and what only looks like it. */
function scopeLike(random: Random): Node {
  const variable = random.pick(['principal', 'action', 'resource', 'principal', 'resource', 'context.owner']);
  const one = uidText(random.pick(ALL_UIDS));
  const group = uidText(random.pick(GROUPS));
  const list = random.list(random.below(4), () => (random.chance(0.15) ? '1' : uidText(random.pick(ALL_UIDS))));
  const text = random.pick([
    `${variable} == ${one}`,
    `${one} == ${variable}`,
    `${variable} != ${one}`,
    `${variable} in ${one}`,
    `${variable} in ${group}`,
    `${variable} in ${group}`,
    `${one} in ${variable}`,
    `${one} in ${variable}`,
    `${variable} in [${list.join(', ')}]`,
    `${variable} is ${random.pick(ENTITY_TYPES)}`,
    `${variable} is ${random.pick(ENTITY_TYPES)} in ${one}`,
    `!(${variable} == ${one})`,
    `(${variable} == ${one} && ${variable === 'principal' ? 'resource' : 'principal'} in ${one})`,
    `(${variable} == ${one} || ${variable} in ${one})`,
  ]);
  return leaf('bool', text);
}
