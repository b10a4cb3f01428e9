// `cordon agents`: who is registered, at which level, and which of its runs live.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { AgentRow } from '../levels.ts';
import type { Paint, Style } from '../paint.ts';
import { table } from '../table.ts';
import { showExamples } from '../usage.ts';
import { count } from '../units.ts';

export function agentsCommand(program: Command): void {
  const command = program
    .command('agents')
    .summary('list the registered agents')
    .description('Lists the registered agents with level, live runs and open connections.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.agents());
      context.out.print(json, (paint) => render(paint, value.items));
      if (value.items.length === 0) context.out.hint('no agent is registered; add one under `agents` in cordon.yaml');
    });
  showExamples(command, ['cordon agents', `cordon agents --json | jq -r '.items[] | select(.level == "off") | .name'`]);
}

const LEVEL_STYLES: Readonly<Record<AgentRow['level'], Style>> = { normal: 'good', watched: 'warn', restricted: 'warn', off: 'bad' };
const HEAD = ['NAME', 'SEGMENT', 'LEVEL', 'RUNS', 'CONNECTIONS', 'OWNER', 'PURPOSE'];

function render(paint: Paint, agents: readonly AgentRow[]): readonly string[] {
  const now = Date.now();
  const head = HEAD.map((text) => [text, (shown: string) => paint('dim', shown)] as const);
  const rows = agents.map(({ name, segment, level, runs, connections, owner, purpose }) => {
    const live = runs.filter(({ notAfter }) => notAfter > now).length;
    return [
      name,
      segment,
      [level, (shown: string) => paint(LEVEL_STYLES[level], shown)] as const,
      count(live),
      count(connections),
      owner,
      purpose,
    ];
  });
  return table([head, ...rows], 0);
}
