// A decision as J4 of the UX reference shows it: what, who, why with every clause and what it saw, what would allow it, proof.
import { CODES, isCode, type Code } from '../domain/codes.ts';
import type { Mark, Paint, Style } from './paint.ts';
import { remediesOf, type Remedy } from './remedies.ts';
import type { DecisionRecord, Explanation, ReplyOf } from './replies.ts';
import { padTo, table, widthOf } from './table.ts';
import { count } from './units.ts';
import { plain } from './untrusted.ts';

const WIDTH = 96;

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
/** From a reply, or from a policy set of this process. */
type Explained = DeepReadonly<Explanation>;
type Clauses = Explained['nearest'][number]['clauses'];

const VERDICTS: Readonly<Record<string, readonly [word: string, style: Style]>> = {
  allow: ['ALLOW', 'good'],
  deny: ['DENY', 'bad'],
  approval_required: ['APPROVAL REQUIRED', 'warn'],
  error: ['ERROR', 'bad'],
};
const WOULD: Readonly<Record<string, string>> = { approval_required: 'ask for approval', error: 'fail' };

/** A verdict, and what something that is not enforced would have decided. */
interface Told {
  readonly verdict: string;
  readonly code?: string | undefined;
  readonly shadow?: { readonly verdict: string } | undefined;
}

/** `DENY  …                CORDON-3001`; `ALLOW (shadow: would deny)  …`, which never looks like an allow alone. */
export function headline(paint: Paint, { verdict, code, shadow }: Told, parts: readonly string[]): string {
  const [done, style] = VERDICTS[verdict] ?? [plain(verdict).toUpperCase(), 'warn'];
  const word = shadow === undefined ? done : `${done} (shadow: would ${WOULD[shadow.verdict] ?? plain(shadow.verdict)})`;
  const rest = parts.map((part) => plain(part, 120)).join('  ');
  const left = padTo(`${word}  ${rest}`, WIDTH - widthOf(code ?? ''));
  return `${paint(style, word)}${left.slice(word.length)}${code === undefined ? '' : ` ${paint('bold', plain(code))}`}`.trimEnd();
}

/** The whole of `cordon why`. */
export function renderWhy(paint: Paint, { record, seq, explanation, explained_with: since }: ReplyOf<'why'>): readonly string[] {
  const { id, ts, mode, pep, policy, shadow } = record;
  const lines = [headline(paint, record, [id, ts, mode, pep.id]), `  ${who(record)}`];
  lines.push(...labelled(paint, 'wanted', [wanted(record)]), ...enforcedLines(paint, record));
  lines.push(...becauseLines(paint, { ...record, errors: record.errors ?? [] }, explanation), ...gateLines(paint, record.gates));
  lines.push(...riskLines(paint, record.risk), ...labelled(paint, 'grant', record.grants_used ?? []));
  if (shadow !== undefined) lines.push(...shadowLines(paint, { ...shadow, ...shadow.policy }));
  if (since !== undefined)
    lines.push(...labelled(paint, '', [`explained with the policies in force now (version ${since}); they have changed since`]));
  lines.push(...fixLines(paint, remediesOf({ ...record, determining: policy.determining }, explanation)));
  const bundle = policy.bundle_hash === undefined ? 'none' : `sha256:${policy.bundle_hash.slice(0, 12)}..`;
  return [...lines, ...labelled(paint, 'proof', [`bundle ${bundle}  policy v${policy.version}   log ${pep.id} seq ${count(seq)}`])];
}

/** What spoke against the run when it called, and what this call added. */
function riskLines(paint: Paint, risk: DecisionRecord['risk']): readonly string[] {
  if (risk === undefined) return [];
  const { value, causes, raised = {} } = risk;
  const rose = Object.keys(raised).length === 0 ? [] : [`raised by this call: ${pointsText(raised, '+')}`];
  return labelled(paint, 'risk', [value === 0 ? '0' : `${value}: ${pointsText(causes)}`, ...rose]);
}

/** `denied 20, first-tool 8`, most first. */
export const pointsText = (points: Readonly<Record<string, number>>, sign = ''): string =>
  Object.entries(points)
    .toSorted(([, a], [, b]) => b - a)
    .map(([cause, its]) => `${plain(cause)} ${sign}${its}`)
    .join(', ');

interface Shadow {
  readonly verdict: string;
  readonly code?: string | undefined;
  readonly version: number;
  readonly determining: readonly string[];
}

/** What would have been decided, by which version and policies; nothing came of it. */
export function shadowLines(paint: Paint, { verdict, code, version, determining }: Shadow): readonly string[] {
  const by = determining.length === 0 ? '' : ` by ${determining.map((policy) => `\`${plain(policy)}\``).join(', ')}`;
  const why = code === undefined ? '' : `, ${plain(code)}`;
  return labelled(paint, 'shadow', [`version ${version} would ${WOULD[verdict] ?? plain(verdict)}${why}${by}; nothing came of it`]);
}

function who({ principal, claimed, on_behalf_of: user, chain }: DecisionRecord): string {
  if (principal === undefined) {
    return claimed === undefined ? 'nobody: no identity was proven' : `unproven: the certificate claims ${plain(claimed)}`;
  }
  const hops = chain === undefined ? [] : [user ?? 'nobody', ...chain.map(({ sub }) => nameOf(sub))];
  const through = hops.length === 0 ? '' : `  chain ${hops.map((hop) => plain(hop, 80)).join(' > ')}`;
  return `${plain(nameOf(principal))} (${plain(principal)})${user === undefined ? '' : `  for ${plain(user, 80)}`}${through}`;
}

export const nameOf = (spiffeId: string): string => spiffeId.replace('spiffe://', '').split('/')[2] ?? spiffeId;

function wanted({ action, resource, segment, args }: DecisionRecord): string {
  const what = `${plain(resource, 200).replace('/', ' / ')}  ${plain(action, 120)}`;
  const digest = args === undefined ? '' : `  args ${plain(args.digest, 90).replace('sha256:', '').slice(0, 12)}..`;
  const from = segment?.src;
  const to = segment?.dst;
  return `${what}${digest}${from === undefined && to === undefined ? '' : `   segment ${plain(from ?? '?')} > ${plain(to ?? '?')}`}`;
}

/** Who carries it out when that is another data plane, and what it showed. */
const enforcedLines = (paint: Paint, { enforced_by: by, body }: DecisionRecord): readonly string[] =>
  by === undefined ? [] : labelled(paint, 'enforced', [`by ${plain(by)}${body === 'unseen' ? ', body unseen' : ''}; no outcome on record`]);

/** What each gate said: of a call on behalf of a user, where three are asked. */
export function gateLines(paint: Paint, gates: DecisionRecord['gates']): readonly string[] {
  const said = Object.entries(gates ?? {}).map(([gate, { verdict, determining }]) => {
    const by = determining.length === 0 ? '' : ` by ${determining.map((policy) => plain(policy)).join(', ')}`;
    return `${plain(gate)} ${plain(verdict)}${by}`;
  });
  return labelled(paint, 'gates', said.length === 0 ? [] : [said.join('   ')]);
}

interface Outcome {
  readonly verdict: string;
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  readonly gate?: string | undefined;
  readonly errors: readonly { readonly policy: string; readonly message: string }[];
}

/** Why: the policies that decided, or the permits that came nearest, each with its clauses. */
export function becauseLines(paint: Paint, outcome: Outcome, explanation: Explained | undefined): readonly string[] {
  const lines = [...labelled(paint, 'because', [because(outcome, explanation)])];
  for (const { policy, message } of outcome.errors) lines.push(`     ${paint.mark('!')} ${plain(policy)}  ${plain(message)}`);
  for (const { policy, source, effect, clauses, annotations } of explanation?.determining ?? []) {
    const reason = annotations['reason'];
    const said = reason === undefined || reason === outcome.reason ? '' : `  "${plain(reason)}"`;
    lines.push(`     ${effect}  ${plain(policy)}${at(source)}${said}`);
    lines.push(...clauseLines(paint, clauses, true));
  }
  for (const { policy, source, clauses } of explanation?.nearest ?? []) {
    lines.push(`     nearest  ${plain(policy)}${at(source)}   ${tally(clauses)}`);
    lines.push(...clauseLines(paint, clauses, false));
  }
  return lines;
}

const at = (source: string | undefined): string => (source === undefined ? '' : ` (${plain(source)})`);

const BY: Readonly<Record<string, string>> = { error: 'failed to evaluate', approval_required: 'a person is asked by' };

function because({ verdict, code, reason, gate }: Outcome, explanation: Explained | undefined): string {
  const by = explanation?.determining.map(({ policy }) => `\`${plain(policy)}\``).join(', ') ?? '';
  if (verdict === 'allow') return by === '' ? 'permitted' : `permitted by ${by}`;
  const gated = gate === undefined ? '' : `; gate ${plain(gate)}`;
  if (by !== '') return `${BY[verdict] ?? 'forbidden by'} ${by}${reason === undefined ? '' : `: ${plain(reason)}`}${gated}`;
  if (reason !== undefined) return `${plain(reason)}${gated}`;
  return `${code !== undefined && isCode(code) ? (UNEXPLAINED[code] ?? CODES[code].title) : 'no reason was recorded'}${gated}`;
}

const UNEXPLAINED: Partial<Record<Code, string>> = {
  'CORDON-3001': 'no permit matched (default deny)',
  'CORDON-3005': 'no permit matched with these arguments (default deny)',
};

const STATES: Readonly<Record<Clauses[number]['state'], readonly [mark: Mark, words: string]>> = {
  held: ['v', 'held'],
  failed: ['x', 'failed'],
  error: ['!', 'could not be evaluated'],
  not_reached: ['.', 'not reached'],
};

function tally(clauses: Clauses): string {
  const groups = Object.entries(STATES).map(
    ([state, [, words]]) => [clauses.filter((clause) => clause.state === state).length, words] as const,
  );
  return groups
    .filter(([size]) => size > 0)
    .map(([size, words]) => `${size} ${words}`)
    .join(', ');
}

/** What a scope constraint saw is the call itself, which stands above. */
const SCOPE = /^(?:principal|action|resource): /;

/** Of a policy that decided, all that it saw; of one that came near, what stopped it. */
function clauseLines(paint: Paint, clauses: Clauses, all: boolean): readonly string[] {
  const rows = clauses.map(({ clause, state, observed }) => {
    const told = observed !== undefined && (state === 'failed' || state === 'error' || (all && !SCOPE.test(observed)));
    const seen = state === 'not_reached' ? 'not reached' : told ? `observed ${plain(observed, 160)}` : '';
    const [mark] = STATES[state];
    return [[mark, () => paint.mark(mark)], plain(clause, 160), [seen, (text: string) => paint('dim', text)]] as const;
  });
  return table(rows, 8);
}

/** `fix  1 …`, at most three. */
export function fixLines(paint: Paint, remedies: readonly Remedy[]): readonly string[] {
  const rows = remedies.slice(0, 3).map(({ text, cmd, file, line, owner }, index) => {
    const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}`;
    return [remedies.length > 1 ? `${index + 1} ${text}` : text, cmd ?? place, owner === undefined ? '' : `(owner ${owner})`];
  });
  return labelled(paint, 'fix', table(rows, 0));
}

/** A label in the left margin, its lines beside it. */
export const labelled = (paint: Paint, label: string, lines: readonly string[]): readonly string[] =>
  lines.map((line, index) => `  ${paint('dim', (index === 0 ? label : '').padEnd(9))}${line}`);
