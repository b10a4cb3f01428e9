// What came of an order about policy versions, and what a set would change, as people read it (UX reference J3).
import type { Context } from './context.ts';
import { EXIT } from './errors.ts';
import { failedTestLines } from './failed-test.ts';
import { isCall } from './offered.ts';
import type { Paint } from './paint.ts';
import type { Reply } from './client.ts';
import type { ReplyOf } from './replies.ts';
import { table } from './table.ts';
import { plain } from './untrusted.ts';
import { count, duration, several } from './units.ts';

type Rollout = ReplyOf<'rollout'>;
type Impact = NonNullable<Rollout['impact']>;

/** Rows shown of each direction; `--json` has all. */
const SHOWN = 10;

/** The first digits of a hash, as people compare them. */
export const shortHash = (hash: string): string => hash.slice(0, 8);

/** Who it was, without what every operator has in common. */
export const shortActor = (actor: string): string => plain(actor.replace(/^spiffe:\/\/[^/]+\//, '').replace(/\/run\/.*$/, ''));

/** Prints what came of an order about `dir`; exit 7 when it was refused for what it widens, or because a test failed. */
export function printRollout(context: Context, { json, value }: Reply<'rollout'>, dir = ''): void {
  context.out.print(json, (paint) => rolloutLines(paint, value, dir));
  if (value.status === 'not_accepted' || value.status === 'tests_failed') process.exitCode = EXIT.gate;
}

function rolloutLines(paint: Paint, rollout: Rollout, dir: string): readonly string[] {
  const { status, version, hash, policies, before, impact, unaccepted = [] } = rollout;
  const changes = impact === undefined ? [] : impactLines(paint, impact, unaccepted);
  const named = `version ${version}`;
  const what = `${several(policies, 'policy', 'policies')}, ${shortHash(hash)}`;
  const next = (label: string, command: string): string => `  ${paint('dim', label.padEnd(6))}${command}`;
  switch (status) {
    case 'not_accepted':
      return changes;
    case 'tests_failed':
      return rollout.tests === undefined ? [] : failureLines(paint, rollout.tests, dir);
    case 'enforced': {
      const was = before === undefined || before === version ? '' : `, was version ${before}`;
      return [
        ...(impact?.changes.length === 0 ? [] : changes),
        `${paint.mark('v')} ${named} is enforced  ${what}${was}`,
        ...testedLines(paint, rollout),
        next('undo', before === undefined ? 'cordon policy rollback' : `cordon policy rollback --to ${before}`),
      ];
    }
    case 'candidate':
      return [
        `${paint.mark('v')} ${named} is the candidate  ${what}; every decision is compared with it, none is changed`,
        ...testedLines(paint, rollout),
        next('next', 'cordon policy status, then cordon policy promote'),
        next('undo', 'cordon policy withdraw'),
      ];
    case 'withdrawn':
      return [`${paint.mark('v')} ${named} is no longer the candidate`];
    case 'unchanged':
      return [`${paint.mark('-')} ${named} is there already  ${what}; nothing to do`];
  }
}

/** What was tested; a rollback is not. */
function testedLines(paint: Paint, { tests }: Rollout): readonly string[] {
  if (tests === undefined) return [];
  if (tests.passed > 0) return [`  ${paint('dim', 'tests ')}${several(tests.passed, 'test')} passed`];
  return [`${paint.mark('!')} nothing was tested: write what it should decide as \`*.test.yaml\` beside the policies`];
}

function failureLines(paint: Paint, { passed, failed, failures }: NonNullable<Rollout['tests']>, dir: string): readonly string[] {
  const more = failed > failures.length ? [`  ${paint('dim', `and ${several(failed - failures.length, 'more', 'more')}`)}`] : [];
  return [
    ...failures.flatMap((failure) => failedTestLines(paint, failure)),
    ...more,
    `${paint.mark('x')} ${failed} of ${several(passed + failed, 'test')} failed, so nothing changes`,
    `  ${paint('dim', 'fix   ')}see the clause: ${`cordon policy test ${plain(dir)}`.trimEnd()}`,
  ];
}

/** What a set would change. `unaccepted`: policies by whose name widening has to be accepted. */
export function impactLines(paint: Paint, impact: Impact, unaccepted: readonly string[]): readonly string[] {
  const { from, to, since, decisions, complete, counts } = impact;
  const { allowToDeny, denyToAllow, unchanged, notEvaluable, skipped } = counts;
  const which = complete ? 'all' : 'the newest';
  const span = `${which} of ${duration(Date.now() - since)}; ${count(skipped)} were refused before policy was asked`;
  const head = `impact of version ${from} > ${to} on ${several(decisions, 'decision')} (${span})`;
  const numbers = table([
    ['allow > deny', count(allowToDeny), agentsOf(impact, 'allow>deny')],
    ['deny  > allow', count(denyToAllow), agentsOf(impact, 'deny>allow')],
    ['unchanged', count(unchanged)],
    ['not evaluable', count(notEvaluable)],
  ]);
  return [
    paint('bold', head),
    ...numbers,
    ...changeLines(paint, impact, 'deny>allow'),
    ...changeLines(paint, impact, 'allow>deny'),
    ...gateLines(paint, unaccepted),
  ];
}

const only = ({ changes }: Impact, change: Impact['changes'][number]['change']): Impact['changes'] =>
  changes.filter((one) => one.change === change);

function agentsOf(impact: Impact, change: Impact['changes'][number]['change']): string {
  const agents = new Set(only(impact, change).map(({ agent }) => agent)).size;
  return agents === 0 ? '' : several(agents, 'agent');
}

function changeLines(paint: Paint, impact: Impact, change: Impact['changes'][number]['change']): readonly string[] {
  const rows = only(impact, change);
  if (rows.length === 0) return [];
  const widens = change === 'deny>allow';
  const lines = table(
    rows
      .slice(0, SHOWN)
      .map(({ agent, action, resource, segment, policies, count: times, example }) => [
        [widens ? '!' : '-', () => paint.mark(widens ? '!' : '-')],
        `${agent} ${isCall(action) ? '' : `${action} `}${resource}`,
        `x${count(times)}`,
        `by ${policies.join(', ')}`,
        example,
        widens && segment !== undefined ? `widens access (segment ${segment})` : '',
      ]),
  );
  const more = rows.length > SHOWN ? [`  ${paint('dim', `and ${several(rows.length - SHOWN, 'more', 'more')}: --json has all`)}`] : [];
  return ['', paint('dim', widens ? 'would be allowed' : 'would be denied'), ...lines, ...more];
}

function gateLines(paint: Paint, unaccepted: readonly string[]): readonly string[] {
  if (unaccepted.length === 0) return [];
  const flags = unaccepted.map((policy) => `--accept-widening ${plain(policy)}`).join(' ');
  return ['', `${paint.mark('x')} deny > allow has to be accepted by name`, `  ${paint('dim', 'fix   ')}if it is meant: ${flags}`];
}
