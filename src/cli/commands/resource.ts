// `cordon resource accept`: the tool definitions as the server gives them now become the pinned ones.
import type { Command } from 'commander';
import { similar } from '../../domain/similar.ts';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import type { ReplyOf } from '../replies.ts';
import { showExamples } from '../usage.ts';
import { plain } from '../untrusted.ts';
import { several } from '../units.ts';

export function resourceCommand(program: Command): void {
  const resource = program
    .command('resource')
    .helpCommand(false)
    .summary('tool servers: accept')
    .description('Tool servers of the running Cordon.');
  showExamples(resource, ['cordon resource accept ledger']);
  const accept = resource
    .command('accept')
    .summary('accept changed tool definitions')
    .description(
      'Pins the tool definitions as the server gives them now. Compare them first: `cordon status` names the tools that changed.\nExit 8 when nothing changed.',
    )
    .argument('<name>', 'name of a registered resource')
    .action(async (name: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { json, value } = await context.connected(async (client) => {
        assertChanged(name, (await client.status()).value.resources);
        return client.acceptResource(name);
      });
      const tools = value.accepted.map((tool) => plain(tool)).join(', ');
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${plain(value.resource)}: ${several(value.accepted.length, 'changed definition')} accepted  ${tools}`.trimEnd(),
      ]);
    });
  showExamples(accept, ['cordon status', 'cordon resource accept ledger']);
}

/** @throws Failure unless the server was seen and differs from what is pinned */
function assertChanged(name: string, resources: ReplyOf<'status'>['resources']): void {
  const found = resources.find(({ resource }) => resource === name);
  if (found === undefined) {
    const names = resources.map(({ resource }) => resource);
    const near = similar(name, names);
    throw new Failure('usage', `no resource is registered as \`${name}\``, {
      code: 'CORDON-3003',
      expected: names.length === 0 ? 'resources in cordon.yaml; there are none' : `one of: ${names.slice(0, 20).join(', ')}`,
      fix: near.length === 0 ? ['list them: `cordon status`'] : near.map((each) => `did you mean \`${each}\`?`),
    });
  }
  if (found.state === 'changed') return;
  const waiting = found.state === 'waiting';
  throw new Failure(
    'conflict',
    waiting ? `\`${name}\` has not answered yet, so there is nothing to accept` : `\`${name}\` gives the definitions that are pinned`,
    {
      observed: found.error,
      fix: [waiting ? 'start the server, then see `cordon status`' : 'nothing to do'],
    },
  );
}
