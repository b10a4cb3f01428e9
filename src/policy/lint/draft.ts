// A policy as the rules look at it: what was admitted of it, and its scope and conditions in one form for one meaning.
import type { Place } from '../cedar/scope-index.ts';
import type { PolicyClause } from '../clauses.ts';
import { isScope } from '../clauses.ts';
import type { Identified } from '../identify.ts';
import { type Conditions, conditionsOf } from './conditions.ts';
import type { Flaw } from './rules.ts';
import { placeOf } from './scope.ts';

export interface Draft extends Identified, Conditions {
  readonly place: Place;
}

/** @throws Error for what is not Cedar 4.5 */
export const draftOf = (identified: Identified): Draft => ({
  ...identified,
  ...conditionsOf(identified.est),
  place: placeOf(identified.est),
});

/** Where a flaw of a whole policy stands: at its first line, annotations left out. */
export function atHead({
  statement: { source, tokens, at, text },
  policy: { id },
}: Identified): Pick<Flaw, 'source' | 'at' | 'length' | 'policy'> {
  const effect = tokens.find((token, index) => isEffect(token.text) && tokens[index - 1]?.text !== '@' && tokens[index + 1]?.text === '(');
  const from = effect?.at ?? at;
  const line = text.slice(from - at).split('\n', 1)[0] ?? '';
  return { source, at: from, length: line.trimEnd().length, policy: id };
}

const isEffect = (text: string): boolean => text === 'permit' || text === 'forbid';

/** Where a flaw of one condition stands. */
export function atCondition(draft: Identified, condition: number): Pick<Flaw, 'source' | 'at' | 'length' | 'policy'> {
  const clause = draft.policy.clauses.filter((one) => !isScope(one))[condition];
  return clause === undefined ? atHead(draft) : { ...atHead(draft), ...placeOfClause(clause) };
}

/** Where a constraint of the scope stands; the head of the policy when there is none. */
export function atScope(draft: Identified, kind: PolicyClause['kind']): Pick<Flaw, 'source' | 'at' | 'length' | 'policy'> {
  const clause = draft.policy.clauses.find((one) => one.kind === kind);
  return clause === undefined ? atHead(draft) : { ...atHead(draft), ...placeOfClause(clause) };
}

/** Of several lines, the first. */
const placeOfClause = ({ at, text, kind }: PolicyClause): Pick<Flaw, 'at' | 'length'> => ({
  at,
  length: text.length - (kind === 'unless' ? 'unless '.length : 0),
});
