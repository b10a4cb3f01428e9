// `cordon federation`: the trust domains whose SVIDs are believed here, and how old what is known of them is.
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Paint, Style } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { table, type Cell } from '../table.ts';
import { duration, several } from '../units.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

type Domain = ReplyOf<'federatedDomain'>;

export function federationCommand(program: Command): void {
  const federation = program
    .command('federation')
    .helpCommand(false)
    .summary('other trust domains: list, refresh')
    .description('Trust domains that stand under `federation` in cordon.yaml, and their bundles.');
  showExamples(federation, ['cordon federation list', 'cordon federation refresh vendor.example']);
  const list = federation
    .command('list')
    .summary('who is believed, and since when')
    .description('Every federated trust domain, the state of its bundle, and where others fetch the bundle of this one.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.federation());
      const now = Date.now();
      context.out.print(json, (paint) => [
        `${value.trust_domain} publishes its bundle at ${value.bundle_url}`,
        ...(value.items.length === 0 ? ['no other trust domain is believed'] : domainLines(value.items, now, paint)),
      ]);
    });
  showExamples(list, ['cordon federation list', 'cordon federation list --json']);
  const refresh = federation
    .command('refresh')
    .summary('fetch a bundle now')
    .description('Fetches the bundle of a federated trust domain now. When that fails, the one before stays, until it is too old.')
    .argument('<domain>', 'a trust domain under `federation` in cordon.yaml')
    .action(async (domain: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.refreshFederated(domain));
      context.out.print(json, (paint) => domainLines([value], Date.now(), paint));
    });
  showExamples(refresh, ['cordon federation refresh vendor.example']);
}

const STYLES: Readonly<Record<Domain['state'], Style>> = { trusted: 'good', stale: 'bad', waiting: 'warn' };

const domainLines = (items: readonly Domain[], now: number, paint: Paint): readonly string[] => [
  ...table(items.map((item) => domainRow(item, now, paint))),
  ...items.flatMap(({ trust_domain, error }) =>
    error === undefined ? [] : [`${paint.mark('!')} ${trust_domain}: ${plain(error.message)}`, `  ${plain(error.fix)}`],
  ),
];

function domainRow({ trust_domain, state, roots, sequence, fetched_at, until }: Domain, now: number, paint: Paint): readonly Cell[] {
  return [
    trust_domain,
    [state, (text) => paint(STYLES[state], text)],
    several(roots, 'root'),
    sequence === undefined ? '' : `sequence ${sequence}`,
    fetched_at === undefined ? '' : `fetched ${duration(Math.max(0, now - fetched_at))} ago`,
    until === undefined || until <= now ? '' : `believed for ${duration(until - now)} more`,
  ];
}
