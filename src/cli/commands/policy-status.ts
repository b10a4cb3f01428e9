// `cordon policy status`: what is enforced, what is looked at beside it and what that would change, and whether the files are either.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Mark, Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { shortActor, shortHash } from '../rollout-lines.ts';
import { table, type Cell } from '../table.ts';
import { count, duration, several } from '../units.ts';
import { showExamples } from '../usage.ts';

type Policies = ReplyOf<'policies'>;
type Version = NonNullable<Policies['enforced']>;

export function policyStatus(policy: Command): void {
  const command = policy
    .command('status')
    .summary('show what is enforced, and what the candidate would change')
    .description(
      'Shows the version that is enforced, the candidate with what it would have decided otherwise, and what the policy files hold.',
    )
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.policies());
      context.out.print(json, (paint) => render(paint, value));
    });
  showExamples(command, ['cordon policy status', 'cordon policy status --json | jq .candidate.wouldDeny']);
}

function render(paint: Paint, { enforced, candidate, error, directory }: Policies): readonly string[] {
  const at = (mark: Mark): Cell => [mark, () => paint.mark(mark)];
  const rows: Cell[][] = [];
  if (enforced !== undefined) rows.push([at(error === undefined ? 'v' : 'x'), 'enforced', ...versionCells(enforced)]);
  if (error !== undefined) rows.push(...errorRows(at('x'), 'nothing is enforced, every call is denied', error));
  if (candidate !== undefined) {
    const { seen, wouldDeny, wouldAllow } = candidate;
    rows.push([at(candidate.error === undefined ? 'v' : 'x'), 'candidate', ...versionCells(candidate)]);
    rows.push(['', '', `${several(seen, 'decision')} seen, ${count(wouldDeny)} would deny, ${count(wouldAllow)} would allow`]);
    if (candidate.error !== undefined) rows.push(...errorRows(at('x'), 'it is not evaluated', candidate.error));
  }
  rows.push(directoryRow(at, directory, enforced, candidate));
  return table(rows);
}

function versionCells({ version, hash, policies, since, act, actor, note }: Version): readonly Cell[] {
  const when = since === undefined ? '' : `since ${duration(Date.now() - since)}`;
  const by = act === undefined || actor === undefined ? '' : `${act} by ${shortActor(actor)}`;
  return [`version ${version}`, shortHash(hash), several(policies, 'policy', 'policies'), when, by, note === undefined ? '' : `"${note}"`];
}

const errorRows = (mark: Cell, what: string, { code, message, fix }: NonNullable<Policies['error']>): Cell[][] => [
  [mark, '', `${what}: ${code} ${message.split('\n', 1)[0] ?? ''}`],
  ['', '', `fix  ${fix}`],
];

function directoryRow(
  at: (mark: Mark) => Cell,
  { path, version, error }: Policies['directory'],
  enforced: Version | undefined,
  candidate: Version | undefined,
): Cell[] {
  if (error !== undefined) return [at('x'), 'files', `${path}: ${error.code} ${error.message}`];
  if (version === undefined) return [at('!'), 'files', `${path} is no version yet: cordon policy impact, then cordon policy apply`];
  if (version === enforced?.version) return [at('v'), 'files', `${path} is version ${version}, enforced`];
  if (version === candidate?.version) return [at('-'), 'files', `${path} is version ${version}, the candidate`];
  return [at('!'), 'files', `${path} is version ${version}, not enforced: cordon policy apply to go forward`];
}
