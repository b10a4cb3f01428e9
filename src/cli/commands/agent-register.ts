// `cordon agent register`: a new agent, or one more way to show that one is it.
import { Option, type Command } from 'commander';
import type { JsonObject } from '../../domain/json.ts';
import { COMPOSITION_PARTS } from '../../identity/composition.ts';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import type { Paint } from '../paint.ts';
import type { ReplyOf } from '../replies.ts';
import { spanOf } from '../span.ts';
import { table } from '../table.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

interface RegisterOptions {
  readonly kind: 'agent' | 'resource';
  readonly segment?: string;
  readonly owner?: string;
  readonly purpose?: string;
  readonly selector: readonly string[];
  readonly uid?: string;
  readonly sha256?: string;
  readonly expect: readonly string[];
  readonly ttl?: string;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addRegister(agent: Command): void {
  const command = agent
    .command('register')
    .summary('register an agent, or what a workload must show to be it')
    .description(
      'Registers an agent (--segment, --owner, --purpose), an entry for it (selectors, which must all be seen), or both. What stands in\ncordon.yaml is not changed by it. Idempotent: what is there already is left as it is.',
    )
    .argument('<name>', 'lower case letters, digits and `-`')
    .addOption(new Option('--kind <kind>', 'what it is').choices(['agent', 'resource']).default('agent'))
    .option('--segment <name>', 'where a new agent stands')
    .option('--owner <who>', 'who answers for it')
    .option('--purpose <text>', 'what it is for')
    .option('--selector <selector>', 'a fact that must be seen: `unix:path:/srv/clerk`, `oidc:sub:..`; again for more', collect, [])
    .option('--uid <number>', 'the user of its process, `unix:uid:..`')
    .option('--sha256 <hex>', 'the digest of its executable, `unix:sha256:..`')
    .option('--expect <part=value>', `what it must be made of: ${COMPOSITION_PARTS.join(', ')}; again for more`, collect, [])
    .option('--ttl <span>', 'lifetime of its SVIDs: `5m`')
    .action(async (name: string, options: RegisterOptions, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected((client) => client.register(orderOf(name, options)));
      context.out.print(json, (paint) => resultLines(paint, value));
    });
  showExamples(command, [
    'cordon agent register clerk --segment finance --owner finance-it --purpose "pays invoices"',
    'cordon agent register clerk --uid 1001 --sha256 "$(sha256sum < /srv/clerk | cut -c-64)"',
    `cordon agent register clerk --selector oidc:iss:https://kubernetes.default.svc --selector oidc:sub:system:serviceaccount:desk:clerk`,
  ]);
}

function orderOf(name: string, { kind, segment, owner, purpose, selector, uid, sha256, expect, ttl }: RegisterOptions): JsonObject {
  const selectors = [
    ...selector,
    ...(uid === undefined ? [] : [`unix:uid:${uid}`]),
    ...(sha256 === undefined ? [] : [`unix:sha256:${sha256}`]),
  ];
  return {
    name,
    kind,
    ...(segment === undefined ? {} : { segment }),
    ...(owner === undefined ? {} : { owner }),
    ...(purpose === undefined ? {} : { purpose }),
    selectors,
    composition: Object.fromEntries(expect.map(partOf)),
    ...(ttl === undefined ? {} : { ttl: spanOf(ttl, '--ttl') }),
  };
}

function partOf(given: string): readonly [string, string] {
  const [, part, value] = /^(\w+)=(.+)$/.exec(given) ?? [];
  if (part !== undefined && value !== undefined) return [part, value];
  throw new Failure('usage', '`--expect` is not a part and its value', {
    observed: `\`${given}\``,
    expected: '`model=m-2`, `prompt=<hex of its SHA-256>`',
  });
}

function resultLines(paint: Paint, { kind, name, added, entry }: ReplyOf<'registration'>): readonly string[] {
  const what = [...(added.agent ? ['is registered'] : []), ...(added.entry ? ['has an entry more'] : [])].join(' and ');
  if (what === '') return [`${paint.mark('-')} ${kind} ${plain(name)} is registered so already; nothing has changed`];
  return [
    `${paint.mark('v')} ${kind} ${paint('bold', plain(name))} ${what}`,
    ...(entry === undefined
      ? []
      : [
          `  entry ${plain(entry.id)}`,
          ...table(
            entry.selectors.map((selector) => [selector]),
            4,
          ),
        ]),
    `  ${paint('dim', 'undo')} ${added.agent ? `cordon agent delete ${plain(name)} --reason TEXT` : `cordon agent delete ${plain(name)} --entry ${plain(entry?.id ?? '')} --reason TEXT`}`,
    ...(entry === undefined ? [`  ${paint('dim', 'next')} start it: cordon run --as ${plain(name)} -- CMD`] : []),
  ];
}
