// `cordon tools diff | accept`: a tool definition that changed, beside the one that is pinned; accepted by the digest of what was looked at.
// `classify`: what the pinned ones do, as drafted and as people corrected it.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import { manifestLines, manifestsYaml, withTool, writtenLines } from '../manifest-lines.ts';
import { reviewLines } from '../tool-lines.ts';
import { several } from '../units.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';

const WHICH = 'a registered MCP server, or what it defines: `ledger`, `ledger/pay_invoice`, `ledger/prompts/NAME`, `ledger/resources/URI`';

export function toolsCommand(program: Command): void {
  const tools = program
    .command('tools')
    .helpCommand(false)
    .summary('tool definitions that changed, and what tools do')
    .description('A tool whose definition is not the pinned one is not served until a person has looked at it and accepts it.');
  showExamples(tools, ['cordon tools diff ledger', 'cordon tools classify ledger']);
  addDiff(tools);
  addAccept(tools);
  addClassify(tools);
}

function addDiff(tools: Command): void {
  const command = tools
    .command('diff')
    .summary('what changed, beside what is pinned')
    .description(
      'Shows every member that differs, whole; what is invisible stands as `\\u` escapes. Closes with the command that accepts it.',
    )
    .argument('<server[/tool]>', WHICH)
    .action(async (which: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const { server, tool } = named(which);
      const { json, value } = await context.connected((client) => client.reviewTools(server));
      context.out.print(json, (paint) => reviewLines(paint, value, tool));
    });
  showExamples(command, ['cordon tools diff ledger', 'cordon tools diff ledger/pay_invoice']);
}

function addAccept(tools: Command): void {
  const command = tools
    .command('accept')
    .summary('pin what was looked at')
    .description(
      'Pins the definitions with this digest, if the server still gives them. `cordon tools diff` shows them and the digest.\nExit 8 when nothing differs, or when the server gives something else by now.',
    )
    .argument('<server[/tool]>', WHICH)
    .requiredOption('--digest <digest>', 'of what was looked at: `cordon tools diff`')
    .action(async (which: string, { digest }: { digest: string }, self: Command) => {
      const context = contextOf(self);
      const { server, tool } = named(which);
      const order = { digest, ...(tool === undefined ? {} : { tool }) };
      const { json, value } = await context.connected((client) => client.acceptTools(server, order));
      if (value.accepted.length === 0) throw new Failure('conflict', `\`${which}\` is defined as it is pinned`, { fix: ['nothing to do'] });
      const accepted = value.accepted.map((each) => plain(each)).join(', ');
      context.out.print(json, (paint) => [
        `${paint.mark('v')} ${plain(value.resource)}: ${several(value.accepted.length, 'changed definition')} accepted  ${accepted}`,
      ]);
    });
  showExamples(command, [`cordon tools accept ledger/pay_invoice --digest sha256:9f86d08…`]);
}

function addClassify(tools: Command): void {
  const command = tools
    .command('classify')
    .summary('what tools do and what their arguments are for')
    .description(
      'What sessions go by (docs/sessions.md): does a tool read or write, which arguments say where something goes. Drafted from the pinned\ndefinitions; `--out` writes it down for a person to correct, `manifests: FILE` of the resource in cordon.yaml makes that count.',
    )
    .argument('<server[/tool]>', 'a registered MCP server or HTTP API, or one tool or route of it')
    .option('--out <file>', 'write it as YAML, of tools that are reviewed what the review says; the file must not exist')
    .action(async (which: string, { out }: { out?: string }, self: Command) => {
      const context = contextOf(self);
      const { server, tool } = named(which);
      const { json, value } = await context.connected((client) => client.manifests(server));
      const shown = { ...value, tools: withTool(value, tool) };
      if (out !== undefined) await writeNew(out, await manifestsYaml(shown));
      context.out.print(json, (paint) => [...manifestLines(paint, shown), ...(out === undefined ? [] : writtenLines(paint, server, out))]);
    });
  showExamples(command, ['cordon tools classify ledger', 'cordon tools classify ledger --out manifests/ledger.yaml']);
}

/** @throws Failure when the file is there already, or cannot be written */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx' });
  } catch (cause) {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    throw new Failure(exists ? 'conflict' : 'usage', exists ? `\`${file}\` is there already` : `\`${file}\` cannot be written`, {
      fix: [exists ? 'name another file; what a person reviewed is not written over' : 'name a file in a directory that you may write to'],
    });
  }
}

/** Neither name has a slash in it. */
function named(which: string): { readonly server: string; readonly tool: string | undefined } {
  const slash = which.indexOf('/');
  return slash === -1 ? { server: which, tool: undefined } : { server: which.slice(0, slash), tool: which.slice(slash + 1) };
}
