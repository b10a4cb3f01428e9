// A suggestion as a policy file: to be read, corrected and then put in place of the permits that it narrows.
// Names of tools are their servers' own and stand in comments too: attacker-controlled, so always quoted.
import { isCallable } from '../methods.ts';
import type { PolicyRow, PolicySet } from '../policy-set.ts';
import { TARGET_TYPES } from '../targets.ts';
import { partsOf } from './policy-text.ts';
import { quoted } from './literals.ts';
import type { DeniedCalls, ProposedPermit, Suggestion } from './suggest.ts';

/** How many names a comment lists. */
const LISTED = 20;

/** Cedar policies with comments. `since`: Unix milliseconds, from when the calls are. `set`: that of the suggestion. */
export function suggestionText(suggestion: Suggestion, set: PolicySet, since: number): string {
  const { agent, calls, permits, denied, unused } = suggestion;
  const policies = new Map(set.policies.map((policy) => [policy.id, policy]));
  const head = [
    `What ${quoted(agent)} did in ${plural(calls, 'call')} since ${timeOf(since)}, and no more. Proposed from records, applied nowhere.`,
    'Each permit narrows one that is enforced: it is to stand in place of that one. Forbids and guardrails stay as they are.',
    'Conditions marked `seen` say what was, not what is right: look at each before it becomes policy.',
  ];
  return [
    comment(head),
    ...permits.map((permit) => permitText(agent, permit, policies.get(permit.narrows))),
    listing('Denied, and not proposed:', denied.map(deniedText)),
    listing('Permits that this agent had no use for:', unused.permits),
    listing('It may call these and did not:', unused.resources.map(quoted)),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function permitText(agent: string, permit: ProposedPermit, narrowed: PolicyRow | undefined): string {
  const { id, actions, type, resource, calls, last, narrows, conditions } = permit;
  const names = actions.map((action) => `Action::${quoted(isCallable(type) ? resource : action)}`);
  const owner = narrowed?.annotations['owner'];
  const kept = narrowed === undefined ? '' : partsOf(narrowed).conditions;
  const from = narrowed === undefined ? '' : ` (${narrowed.source})`;
  const lines = [
    `@id(${quoted(id)})`,
    ...(owner === undefined ? [] : [`@owner(${quoted(owner)})`]),
    'permit (',
    `  principal == Agent::${quoted(agent)},`,
    `  action ${names.length === 1 ? `== ${names.join('')}` : `in [${names.join(', ')}]`},`,
    `  resource == ${TARGET_TYPES[type]}::${quoted(resource)}`,
    ')',
    ...(kept === '' ? [] : [kept]),
    ...conditions.flatMap(({ clause, seen }) => [`// seen: ${seen}`, `when { ${clause} }`]),
  ];
  return `${comment([`${plural(calls, 'call')}, the last ${timeOf(last)}; narrows ${narrows}${from}`])}${lines.join('\n')};\n`;
}

const deniedText = ({ action, resource, code, calls }: DeniedCalls): string =>
  `${plural(calls, 'call')}: ${quoted(action)} ${quoted(resource)}${code === undefined ? '' : `, ${code}`}`;

function listing(title: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const more = items.length > LISTED ? [`  and ${items.length - LISTED} more`] : [];
  return comment([title, ...items.slice(0, LISTED).map((item) => `  ${item}`), ...more]);
}

const comment = (lines: readonly string[]): string => lines.map((line) => `// ${line.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')}\n`).join('');
const timeOf = (ms: number): string => new Date(ms).toISOString();
const plural = (value: number, one: string): string => `${value} ${value === 1 ? one : `${one}s`}`;
