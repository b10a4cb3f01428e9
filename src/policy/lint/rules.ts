// The rules of `cordon policy check`. Each has a section of its own in docs/policy-lint.md; a rule never changes its meaning.
import { excerptOf, type Finding } from '../findings.ts';

export type Severity = 'error' | 'warning';

/** An error: the server refuses the set, or a policy certainly does not do what it says. A warning: it is probably not what was meant. */
export const RULES = {
  syntax: 'error',
  'missing-id': 'error',
  'invalid-id': 'error',
  'duplicate-id': 'error',
  'unsupported-mode': 'error',
  'unsupported-approval': 'error',
  'too-many-clauses': 'error',
  'unknown-entity': 'error',
  types: 'error',
  'unguarded-optional': 'error',
  'impossible-value': 'error',
  'never-matches': 'error',
  'not-admitted': 'error',
  'duplicate-policy': 'warning',
  shadowed: 'warning',
  'too-broad': 'warning',
  unlinked: 'warning',
  'unused-link': 'warning',
  'forbid-without-reason': 'warning',
  'unknown-annotation': 'warning',
  'invalid-code': 'warning',
  'large-set': 'warning',
  'confusable-text': 'warning',
} as const satisfies Record<string, Severity>;

export type RuleId = keyof typeof RULES;

/** Something found in a source, before anyone is shown it. */
export interface Flaw extends Finding {
  readonly rule: RuleId;
  /** Its `@id`, when it has one. */
  readonly policy?: string | undefined;
  /** What was seen. */
  readonly observed?: string | undefined;
  /** What would be accepted. */
  readonly expected?: string | undefined;
}

/** What people and programs are shown. Lines and columns count from 1, in UTF-16 units. */
export interface LintFinding {
  readonly rule: RuleId;
  readonly severity: Severity;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly observed?: string;
  readonly expected?: string;
  readonly help?: string;
  readonly policy?: string;
  /** The line of the source and, under it, what is meant. */
  readonly excerpt: readonly [line: string, caret: string];
}

export function findingOf(flaw: Flaw): LintFinding {
  const { rule, message, observed, expected, help, policy } = flaw;
  const { line, column, text, caret } = excerptOf(flaw);
  return {
    rule,
    severity: RULES[rule],
    file: flaw.source.path,
    line,
    column,
    message,
    ...(observed === undefined ? {} : { observed }),
    ...(expected === undefined ? {} : { expected }),
    ...(help === undefined ? {} : { help }),
    ...(policy === undefined ? {} : { policy }),
    excerpt: [text, caret],
  };
}
