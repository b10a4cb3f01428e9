// `cordon mandate draft`: a mandate for a plan (docs/delegation.md).
import type { Command } from 'commander';
import { isJsonArray, type Json } from '../../domain/json.ts';
import type { Callable } from '../../domain/mandate-draft.ts';
import type { World } from '../../domain/registry.ts';
import { readBounded, readBoundedStream } from '../../server/bounded-file.ts';
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
    .summary('a mandate for a plan')
    .description(
      'Reads a plan, a list of tools and of what their arguments are to be, and prints the mandate that allows its calls: on standard\noutput, to be asked for as `authorization_details`. A step that says nothing of its arguments allows any; one that does allows no\nothers. Standard error tells what the plan leaves open, and which tools have their calls counted together: a mandate counts the\ncalls of a tool, not those of each step. With `ordered: true` in the plan a tool is called after the one of the step before.',
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
    const [open, pooled] = [draft.open.map((one) => ({ ...one })), draft.pooled.map((one) => ({ ...one }))];
    const json = { schema: 'cordon.mandate/v1', authorization_details: mandateJson(draft.mandate), open, pooled };
    context.out.print(json, () => JSON.stringify(draft.mandate, undefined, 2).split('\n'));
    for (const { callable, argument, sink } of open.toSorted((a, b) => Number(b.sink) - Number(a.sink)))
      context.out.hint(`! ${inSight(`${callable} ${argument}`)} may be anything${sink ? ', and says where something goes' : ''}`);
    for (const { callable, calls, ways } of pooled)
      context.out.hint(`! ${inSight(callable)}: ${calls} calls in all, each in any of ${ways} ways: they are counted together`);
  });
  showExamples(command, ['cordon mandate draft plan.yaml', 'planner | cordon mandate draft -']);
}

const MAX_BYTES = 1_048_576;

/** @throws Failure when there is none, or it is no YAML */
async function readPlan(file: string): Promise<Json> {
  const fix = ['name a file with a plan, or `-`: a list of tools, each with its arguments'];
  let text: string | undefined;
  try {
    text = file === '-' ? await readBoundedStream(process.stdin, MAX_BYTES) : await readBounded(file, MAX_BYTES);
  } catch (cause) {
    throw new Failure('usage', `the plan cannot be read from \`${file}\``, { fix, cause });
  }
  if (text === undefined) throw new Failure('usage', `\`${file}\` is longer than ${MAX_BYTES} bytes`, { fix });
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
      const { required } = tool.inputSchema;
      return {
        id: `${resource.name}/${tool.name}`,
        type: tool.route === undefined ? 'tool' : 'route',
        arguments: roles.map(([name]) => name),
        required: roles.map(([name]) => name).filter((name) => isJsonArray(required) && required.includes(name)),
        sinks: roles.filter(([, role]) => role === 'sink').map(([name]) => name),
      };
    }),
  );
}
