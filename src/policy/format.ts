// `cordon policy fmt`: each policy as the official formatter writes it; what stands between policies, comments and paragraphs, stays.
// Never a change of meaning: what comes out must parse to what went in, and hold the same comments.
import { isDeepStrictEqual } from 'node:util';
import { Refusal } from '../domain/refusal.ts';
import { Official } from './cedar/official.ts';
import { lineOf } from './findings.ts';
import type { Parsed } from './identify.ts';
import { endOf, lex } from './lexer.ts';
import { cutsOf, parsedOf } from './lint/parse.ts';
import { findingOf, type LintFinding } from './lint/rules.ts';
import type { PolicySource } from './policy-set.ts';

/**
 * The source in its one form, or why it cannot be read. Formatting it again changes nothing.
 * @throws Refusal CORDON-9001 when the formatter would change what a policy says, @throws Error when the engine fails
 */
export function formatted(source: PolicySource): string | readonly LintFinding[] {
  const engine = new Official();
  const { statements, flaws: unread } = cutsOf([source]);
  const answers = statements.map(({ text }) => engine.parsePolicy(text));
  const { parsed, flaws: unparsed } = parsedOf(statements, answers);
  const flaws = [...unread, ...unparsed];
  if (flaws.length > 0) return flaws.map(findingOf);
  let text = '';
  let end = 0;
  for (const policy of parsed) {
    const { at, text: written } = policy.statement;
    text += between(source.text.slice(end, at), end === 0) + formattedOne(policy, engine);
    end = at + written.length;
  }
  const last = `${text}${between(source.text.slice(end), end === 0)}`.trimEnd();
  return last === '' ? '' : `${last}\n`;
}

function formattedOne({ statement, est }: Parsed, engine: Official): string {
  const laidOut = engine.format(statement.text);
  const text = typeof laidOut === 'string' ? laidOut.trim() : '';
  if (isDeepStrictEqual(engine.parsePolicy(text), est) && isDeepStrictEqual(commentsIn(text), commentsIn(statement.text))) return text;
  throw new Refusal(
    'CORDON-9001',
    `${lineOf(statement.source, statement.at)}: the formatter would change this policy; nothing is written`,
    {
      fix: 'move the comments out of the policy, and report this',
    },
  );
}

/** Comments and blank lines between two policies: what stands behind a `;` stays there, one blank line stands for several. */
function between(gap: string, isFirst: boolean): string {
  const lines = gap.split(/\r?\n/).map((line) => line.trim());
  if (lines.at(-1) === '') lines.pop(); // the line on which the policy begins
  const behind = isFirst ? '' : (lines.shift() ?? '');
  const kept = lines.filter((line, at) => line !== '' || lines[at - 1] !== '').map((line) => `${line}\n`);
  if (isFirst) return kept.join('').trimStart();
  return `${behind === '' ? '' : ` ${behind}`}\n${kept.every((line) => line === '\n') ? '\n' : kept.join('')}`;
}

/** What is between tokens is space and comments. */
function commentsIn(text: string): readonly string[] {
  const tokens = lex(text);
  if ('message' in tokens) return [];
  const starts = [0, ...tokens.map(endOf)];
  return starts.flatMap((start, at) => text.slice(start, tokens[at]?.at).match(/\/\/[^\n\r]*/g) ?? []).map((comment) => comment.trimEnd());
}
