// The text of a policy taken apart, as far as an analysis needs it. An admitted policy can be read: admission did, with the same lexer.
import { bracket, endOf, lex, type Token } from '../lexer.ts';
import type { PolicyRow } from '../policy-set.ts';

/** Every token of a policy. @throws Error for a text that was not admitted */
export function tokensOf({ text }: Pick<PolicyRow, 'text'>): readonly Token[] {
  const tokens = lex(text);
  if ('message' in tokens) throw new Error('an admitted policy cannot be read');
  return tokens;
}

/** The tokens from `permit` or `forbid` on: what it says, without annotations. `@permit("…")` is the name of one. */
export function statementOf(policy: Pick<PolicyRow, 'text' | 'effect'>): readonly Token[] {
  const tokens = tokensOf(policy);
  return tokens.slice(
    tokens.findIndex((token, at) => token.text === policy.effect && token.kind === 'word' && tokens[at - 1]?.text !== '@'),
  );
}

/** Its `when` and `unless`, as written. */
export function conditionsIn(policy: Pick<PolicyRow, 'text' | 'effect'>): readonly string[] {
  const tokens = statementOf(policy);
  let depth = 0;
  const scopeEnd = tokens.findIndex((token, at) => at > 0 && (depth += bracket(token)) === 0);
  const [first, last] = [tokens[scopeEnd + 1], tokens.at(-2)];
  return first === undefined || last === undefined || last.at < first.at ? [] : [policy.text.slice(first.at, endOf(last))];
}
