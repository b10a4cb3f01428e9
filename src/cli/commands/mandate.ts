// `cordon mandate draft`: the narrowest mandate for a plan (docs/delegation.md).
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { Json } from '../../domain/json.ts';
import type { Callable } from '../../domain/mandate-draft.ts';
import type { World } from '../../domain/registry.ts';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import { addWorldOptions, knownWorld, type WorldOptions } from '../known-world.ts';
import { inSight } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

export function mandateCommand(program: Command): void {
  const mandate = program
    .command('mandate')
    .helpCommand(false)
    .summary('what one task may do: draft')
    .description('The `authorization_details` of a task token.');
  showExamples(mandate, ['cordon mandate draft plan.yaml']);
  addDraft(mandate);
}

function addDraft(mandate: Command): void {
  const command = mandate
    .command('draft')
    .summary('the narrowest mandate for a plan')
    .description(
      'Reads a plan, a list of tools and of what their arguments are to be, and prints the mandate that allows it and nothing besides: on\\nstandard output, to be asked for as `authorization_details`. What the plan leaves open is told on standard error.',
    )
    .argument('<file>', 'the plan, YAML or JSON; `-` reads it from stdin');
  addWorldOptions(command).action(async (file: string, options: WorldOptions, self: Command) => {
    const context = contextOf(self);
    const plan = await readPlan(file);
    const { world } = await knownWorld(context, options);
    const [{ draftMandate }, { mandateJson }] = await Promise.all([
      import('../../domain/mandate-draft.ts'),
      import('../../domain/mandate.ts'),
    ]);
    const draft = draftMandate(plan, await callablesOf(world));
    const json = { schema: 'cordon.mandate/v1', authorization_details: mandateJson(draft.mandate), open: [...draft.open] };
    context.out.print(json, () => JSON.stringify(draft.mandate, undefined, 2).split('\n'));
    for (const open of draft.open) context.out.hint(`! ${inSight(open)} says where something goes, and the plan leaves it open`);
  });
  showExamples(command, ['cordon mandate draft plan.yaml', 'planner | cordon mandate draft -']);
}

const MAX_BYTES = 1_048_576;

/** @throws Failure when there is none, or it is no YAML */
async function readPlan(file: string): Promise<Json> {
  const fix = ['name a file with a plan, or `-`: a list of tools, each with its arguments'];
  let text: string;
  try {
    text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8');
  } catch (cause) {
    throw new Failure('usage', `the plan cannot be read from \`${file}\``, { fix, cause });
  }
  if (text.length > MAX_BYTES) throw new Failure('usage', `\`${file}\` is longer than ${MAX_BYTES} bytes`, { fix });
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { uniqueKeys: true, schema: 'core', merge: false });
  const [broken] = document.errors;
  if (broken !== undefined)
    throw new Failure('usage', `\`${file}\` is neither YAML nor JSON: ${broken.message.split('\n', 1)[0] ?? ''}`, { fix });
  try {
    // oxlint-disable-next-line typescript/no-unsafe-return -- YAML of the core schema, without aliases, is JSON
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new Failure('usage', `\`${file}\`: anchors and aliases are not accepted`, { fix, cause });
  }
}

/** What a plan can name: every tool and route, with its arguments as pinned. */
async function callablesOf({ resources, tools }: World): Promise<readonly Callable[]> {
  const { manifestOf } = await import('../../pdp/tool-manifest.ts');
  return resources.flatMap((resource) =>
    (tools.get(resource.name) ?? []).map((tool): Callable => {
      const roles = Object.entries(manifestOf(tool, resource).manifest.roles);
      return {
        id: `${resource.name}/${tool.name}`,
        type: tool.route === undefined ? 'tool' : 'route',
        arguments: roles.map(([name]) => name),
        sinks: roles.filter(([, role]) => role === 'sink').map(([name]) => name),
      };
    }),
  );
}
