// `cordon status`: is it up, what does it enforce, who waits for whom; with `--watch` again whenever something changed.
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEVELS } from '../../domain/access.ts';
import type { Client, Reply } from '../client.ts';
import { contextOf, type Context } from '../context.ts';
import { offered } from '../offered.ts';
import type { Mark, Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { table, type Cell } from '../table.ts';
import { showExamples } from '../usage.ts';
import { count, duration, several } from '../units.ts';

type Status = ReplyOf<'status'>;
const EVERY_MS = 1_000;
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

export function statusCommand(program: Command): void {
  const command = program
    .command('status')
    .summary('show what runs and what it enforces')
    .description(
      'Shows gateway, policies, resources, agents and log of the running Cordon.\nWith --watch again every second (with --json, or without a terminal: whenever something changed), until Ctrl-C.',
    )
    .option('--watch', 'keep showing it')
    .action(async ({ watch }: { watch?: boolean }, self: Command) => {
      const context = contextOf(self);
      await context.connected(async (client) => {
        if (watch === true) await keepShowing(context, client);
        else show(context, await client.status());
      });
    });
  showExamples(command, ['cordon status', 'cordon status --watch', 'cordon status --json | jq .ready']);
}

const show = (context: Context, { json, value }: Reply<'status'>): void => context.out.print(json, (paint) => render(paint, value));

async function keepShowing(context: Context, client: Client): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  let shown = '';
  while (!stop.signal.aborted) {
    const reply = await client.status();
    const state = JSON.stringify({ ...reply.value, snapshot: undefined });
    if (context.out.interactive) process.stdout.write(CLEAR);
    if (context.out.interactive || state !== shown) show(context, reply);
    shown = state;
    await sleep(EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

function render(paint: Paint, status: Status): readonly string[] {
  const { gateway, snapshot, log } = status;
  const at = (mark: Mark): Cell => [mark, () => paint.mark(mark)];
  const state = status.ready ? 'ready' : 'not ready';
  return table([
    [at(status.ready ? 'v' : '!'), status.trustDomain, `${state}  cordon ${status.version}, up ${duration(Date.now() - status.startedAt)}`],
    [at('v'), 'gateway', `${gateway.url}  ${several(gateway.connections, 'connection')}, ${several(gateway.openCalls, 'open call')}`],
    ...(status.workers ?? []).map((worker) => workerRow(at, worker)),
    ...policyRows(at, status.policies),
    ...status.resources.map((resource) => resourceRow(at, resource)),
    ...status.upstreams.filter(isInTrouble).map((callee) => calleeRow(at, callee)),
    ...(status.webhook === undefined ? [] : [webhookRow(at, status.webhook)]),
    [at(status.agents.off > 0 ? '!' : 'v'), 'agents', agentsText(status)],
    [at('v'), 'log', `${log.origin}  ${several(log.size, 'entry', 'entries')}`],
    [at('v'), 'snapshot', `version ${count(snapshot.version)}, ${duration(snapshot.ageMs)} old`],
  ]);
}

type At = (mark: Mark) => Cell;

function policyRows(at: At, { state, version, count: size, error }: Status['policies']): readonly Cell[][] {
  if (error === undefined) return [[at('v'), 'policies', `${several(size, 'policy', 'policies')}, version ${version}, ${state}`]];
  const [message = ''] = error.message.split('\n', 1);
  return [
    [at('x'), 'policies', `none: every call is denied  ${error.code} ${message}`],
    ['', '', `fix  ${error.fix}`],
  ];
}

function resourceRow(at: At, known: Status['resources'][number]): Cell[] {
  const { resource, state, changed, error } = known;
  if (state === 'ready') return [at('v'), resource, `ready, ${offered(known)}`];
  if (state === 'changed') {
    const which = changed.join(', ');
    return [
      at('x'),
      resource,
      `${several(changed.length, 'definition')} changed and not served: ${which}  fix  cordon tools diff ${resource}`,
    ];
  }
  return [at('!'), resource, `waiting${error === undefined ? '' : `: ${error}`}`];
}

type Worker = NonNullable<Status['workers']>[number];

const workerRow = (at: At, { pep, pid, connections, openCalls, policies }: Worker): Cell[] => [
  at(policies > 0 ? 'v' : '!'),
  pep,
  `pid ${pid}, ${several(connections, 'connection')}, ${several(openCalls, 'open call')}, ${policies > 0 ? `policies version ${count(policies)}` : 'no policies yet'}`,
];

function webhookRow(at: At, { receiver, waiting, delivered, lost, failing }: NonNullable<Status['webhook']>): Cell[] {
  const counts = `${receiver}  ${count(delivered)} delivered, ${count(waiting)} waiting, ${count(lost)} lost`;
  return [at(failing === undefined ? 'v' : '!'), 'webhook', failing === undefined ? counts : `${counts}: ${failing}`];
}

type Callee = Status['upstreams'][number];

const isInTrouble = ({ circuit, inFlight, most }: Callee): boolean => circuit !== 'closed' || inFlight >= most;

function calleeRow(at: At, { name, circuit, inFlight: open, most }: Callee): Cell[] {
  const what =
    circuit === 'closed' ? 'at capacity: more calls are refused' : `circuit ${circuit}: it has stopped answering, calls are refused`;
  return [at('!'), name, `${what}  ${count(open)} of ${count(most)} in flight`];
}

function agentsText({ agents }: Status): string {
  const present = LEVELS.filter((level) => agents[level] > 0).map((level) => `${count(agents[level])} ${level}`);
  return present.length === 0 ? 'none registered' : present.join(', ');
}
