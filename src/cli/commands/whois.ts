// `cordon whois`: whose is this address, serial, SPIFFE ID or decision.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { table } from '../table.ts';
import { showExamples } from '../usage.ts';
import { until } from '../units.ts';

export function whoisCommand(program: Command): void {
  const command = program
    .command('whois')
    .summary('say who is behind an address, serial, SPIFFE ID, decision or name')
    .description('Says who is behind the address of a live connection, a certificate serial, a SPIFFE ID, a decision id or an agent name.')
    .argument('<what>', 'what was seen')
    .action(async (what: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.whois(what));
      context.out.print(json, (paint) => render(paint, value));
    });
  showExamples(command, ['cordon whois 127.0.0.1:50312', 'cordon whois dec_7Q2FM3XK9A', 'cordon whois researcher']);
}

function render(paint: Paint, who: ReplyOf<'whois'>): readonly string[] {
  const { asked, as, kind, name, spiffeId, run, segment, level, owner, notAfter, live } = who;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['asked', `${asked}  (${as})`],
    ['who', `${kind ?? 'unknown'} ${name ?? ''}`.trim()],
    ['spiffe id', spiffeId],
    ['run', run],
    ['segment', segment],
    ['level', level],
    ['owner', owner],
    ['certificate', notAfter === undefined ? undefined : `${until(notAfter, Date.now())}, to ${new Date(notAfter).toISOString()}`],
    ['live', live ? 'yes' : 'no'],
  ];
  return table(
    rows.flatMap(([label, value]) => (value === undefined ? [] : [[[label, (text: string) => paint('dim', text)] as const, value]])),
  );
}
