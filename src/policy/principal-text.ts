// Whom a policy is about, told from its text, before the engine has parsed it and for an engine that knows no kinds of principals.
import { openingOf } from './clauses.ts';
import { endOf, type Token } from './lexer.ts';
import { type Principal, PRINCIPAL_TYPES, principalOfType } from './principals.ts';
import type { Statement } from './statements.ts';

/** As `principalOf` says of the parsed policy; of one that does not parse, some answer. */
export function principalIn({ tokens }: Pick<Statement, 'tokens'>): Principal {
  const [, operator, type, colons, id] = tokens.slice(openingOf(tokens) + 1);
  const isQualified = isOneOf(colons, '::') && id?.kind === 'word';
  return principalOfType(isOneOf(operator, 'is', '==', 'in') && !isQualified ? type?.text : undefined);
}

/** For the official engine: an open principal is an agent. */
export function closedText({ tokens, text, at }: Statement): string {
  const [principal, operator] = tokens.slice(openingOf(tokens) + 1);
  if (principal === undefined || !isOneOf(operator, ',')) return text;
  const end = endOf(principal) - at;
  return `${text.slice(0, end)} is ${PRINCIPAL_TYPES.agent}${text.slice(end)}`;
}

const isOneOf = (token: Token | undefined, ...texts: readonly string[]): boolean => token !== undefined && texts.includes(token.text);
