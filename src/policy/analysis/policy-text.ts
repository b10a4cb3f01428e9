// The text of a policy taken apart, as far as an analysis needs it. An admitted policy can be read: admission did, with the same lexer.
import { bracket, endOf, lex, splitAt, type Token } from '../lexer.ts';
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

/** Its constraints on principal, action and resource, and its `when` and `unless` as they were written; empty without any. */
export function partsOf(policy: Pick<PolicyRow, 'text' | 'effect'>): {
  readonly scope: readonly (readonly Token[])[];
  readonly conditions: string;
} {
  const tokens = statementOf(policy);
  let depth = 0;
  const end = tokens.findIndex((token, at) => at > 0 && (depth += bracket(token)) === 0);
  const [first, last] = [tokens[end + 1], tokens.at(-2)];
  const isBare = first === undefined || last === undefined || last.at < first.at;
  return { scope: splitAt(tokens.slice(2, end), ','), conditions: isBare ? '' : policy.text.slice(first.at, endOf(last)) };
}
