// `cordon agent list | get | register | approve | token | delete`: who is registered, and what proves it.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { pointsText } from '../explain.ts';
import type { AgentRow } from '../levels.ts';
import type { Paint, Style } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { table } from '../table.ts';
import { showExamples } from '../usage.ts';
import { plain } from '../untrusted.ts';
import { count, duration, until } from '../units.ts';
import { addDelete } from './agent-delete.ts';
import { addRegister } from './agent-register.ts';
import { addApprove, addToken } from './agent-token.ts';

export function agentCommand(program: Command): void {
  const agent = program
    .command('agent')
    .helpCommand(false)
    .summary('agents: list, get, register, approve, token, delete')
    .description('Registered agents, and what a workload must show to be one of them.');
  showExamples(agent, ['cordon agent list', 'cordon agent register clerk --uid 1001', 'cordon agent get clerk']);
  addList(agent);
  addGet(agent);
  addRegister(agent);
  addApprove(agent);
  addToken(agent);
  addDelete(agent);
}

function addList(agent: Command): void {
  const command = agent
    .command('list')
    .summary('list the registered agents')
    .description('Lists the registered agents with level, live runs and open connections.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.agents());
      context.out.print(json, (paint) => listLines(paint, value.items));
      if (value.items.length === 0)
        context.out.hint('no agent is registered; add one under `agents` in cordon.yaml, or: cordon agent register');
    });
  showExamples(command, ['cordon agent list', `cordon agent list --json | jq -r '.items[] | select(.level == "off") | .name'`]);
}

const LEVEL_STYLES: Readonly<Record<AgentRow['level'], Style>> = { normal: 'good', watched: 'warn', restricted: 'warn', off: 'bad' };
const HEAD = ['NAME', 'SEGMENT', 'LEVEL', 'RUNS', 'CONNECTIONS', 'OWNER', 'PURPOSE'];

function listLines(paint: Paint, agents: readonly AgentRow[]): readonly string[] {
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

function addGet(agent: Command): void {
  const command = agent
    .command('get')
    .summary('show one agent: identity, entries, runs, their risk and posture')
    .description(
      'Shows an agent with its identity, owner and purpose, what a workload must show to be it, its live runs, what speaks against them, and what they are made of.',
    )
    .argument('<name>', 'of a registered agent')
    .action(async (name: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.agent(name));
      context.out.print(json, (paint) => detailLines(paint, value));
    });
  showExamples(command, ['cordon agent get clerk', 'cordon agent get clerk --json']);
}

type Detail = ReplyOf<'agent'>;
const SOURCES = { config: 'cordon.yaml', api: 'the API' } as const;

function detailLines(paint: Paint, agent: Detail): readonly string[] {
  const { name, spiffe_id: id, segment, level, owner, purpose, source, created_by: by, connections } = agent;
  const dim = (text: string) => [text, (shown: string) => paint('dim', shown)] as const;
  return [
    paint('bold', plain(name)),
    ...table([
      [dim('identity'), id],
      [dim('segment'), segment],
      [dim('level'), [level, (shown) => paint(LEVEL_STYLES[level], shown)]],
      [dim('owner'), owner],
      [dim('purpose'), purpose],
      [dim('registered'), source === 'config' ? 'in cordon.yaml' : `over the API by ${by}`],
      [dim('connections'), count(connections)],
    ]),
    ...(agent.entries.length === 0 ? ['no entry: it runs where an operator starts it (cordon run, cordon agent token)'] : ['entries']),
    ...agent.entries.flatMap((entry) => entryLines(paint, entry)),
    ...(agent.runs.length + agent.waiting.length === 0 ? ['no live run'] : ['runs']),
    ...agent.runs.flatMap((run) => runLines(paint, run)),
    ...agent.waiting.map(
      ({ id: run, started_at: at }) => `  ${plain(run)}  started ${duration(Date.now() - at)} ago, has asked for no SVID yet`,
    ),
  ];
}

function entryLines(paint: Paint, { id, selectors, ttl, composition, source }: Detail['entries'][number]): readonly string[] {
  const life = ttl === undefined ? '' : `  SVIDs for ${duration(ttl)}`;
  return [
    `  ${plain(id)}  ${paint('dim', `by ${SOURCES[source]}${life}`)}`,
    ...table(
      selectors.map((selector) => [selector]),
      4,
    ),
    ...table(
      Object.entries(composition).map(([part, value]) => [[`expects ${part}`, (shown) => paint('dim', shown)], value]),
      4,
    ),
  ];
}

function runLines(paint: Paint, { id, notAfter, risk, posture }: Detail['runs'][number]): readonly string[] {
  const doubt = risk === undefined || risk.value === 0 ? '' : `  ${paint('warn', `risk ${risk.value}: ${pointsText(risk.causes)}`)}`;
  const life = `${until(notAfter, Date.now())}${doubt}`;
  if (posture === undefined) return [`  ${plain(id)}  ${life}`];
  const { attestor, selectors, composition, drift } = posture;
  const mark = paint.mark(drift.length > 0 ? 'x' : 'v');
  const state = drift.length > 0 ? paint('bad', `drift: ${drift.map((part) => plain(part)).join(', ')}`) : 'as registered';
  return [
    `  ${mark} ${plain(id)}  ${life}  shown by ${plain(attestor)}  ${state}`,
    ...table(
      selectors.slice(0, 12).map((selector) => [selector]),
      6,
    ),
    ...table(
      Object.entries(composition).map(([part, value]) => [[part, (shown) => paint('dim', shown)], value]),
      6,
    ),
  ];
}
