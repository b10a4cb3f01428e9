// What annotations say, beside what admission refuses: a misspelt one says nothing, and a forbid owes its reason to whom it stops.
import { similar } from '../../domain/similar.ts';
import type { Identified } from '../identify.ts';
import { atHead } from './draft.ts';
import type { Flaw } from './rules.ts';

/** Annotations that Cordon reads. */
const KNOWN = ['id', 'mode', 'reason', 'fix', 'owner', 'code', 'approval'];

export function annotationFlaws(one: Identified): readonly Flaw[] {
  const { annotations, effect, code } = one.policy;
  const flaws: Flaw[] = [];
  if (effect === 'forbid' && (annotations['reason'] ?? '').trim() === '') {
    const help = 'begin it with `@reason("…")`: who is denied is told so';
    flaws.push({ rule: 'forbid-without-reason', ...atHead(one), message: 'the forbid does not say why', help });
  }
  for (const name of Object.keys(annotations)) {
    const [meant] = KNOWN.includes(name) ? [] : similar(name, KNOWN);
    if (meant === undefined) continue;
    const message = `\`@${name}\` is no annotation that Cordon reads`;
    flaws.push({ rule: 'unknown-annotation', ...atAnnotation(one, name), message, help: `did you mean \`@${meant}\`?` });
  }
  const given = annotations['code'];
  if (given !== undefined && given !== code) {
    const message = `a policy cannot give the code \`${given}\`: ${code} stands in`;
    flaws.push({
      rule: 'invalid-code',
      ...atAnnotation(one, 'code'),
      message,
      expected: 'a code of kind policy, containment, access or delegation',
    });
  }
  return flaws;
}

function atAnnotation(one: Identified, name: string): ReturnType<typeof atHead> {
  const { tokens } = one.statement;
  const word = tokens.find((token, index) => token.text === name && tokens[index - 1]?.text === '@');
  return word === undefined ? atHead(one) : { ...atHead(one), at: word.at - 1, length: name.length + 1 };
}
