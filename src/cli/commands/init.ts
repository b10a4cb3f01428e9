// `cordon init`: a first configuration that runs as it is.
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import { Failure } from '../errors.ts';
import { labelled } from '../explain.ts';
import { showExamples } from '../usage.ts';

export function initCommand(program: Command): void {
  const command = program
    .command('init')
    .summary('write a first configuration')
    .description(
      'Writes a commented cordon.yaml, a small working set of policies and a .gitignore. Never overwrites: exit 8 names the file that is there.',
    )
    .argument('[dir]', 'where to write it', '.')
    .option('--containment', 'with the containment pack: a run changes only what its task asks for (cordon run --task)')
    .action(async (dir: string, { containment }: { readonly containment?: true }, self: Command) => {
      const context = contextOf(self);
      const { writeStarter } = await import('../../server/init.ts');
      const root = resolve(dir);
      const { made, taken, ignore } = await writeStarter(root, containment);
      if (taken !== undefined) throw exists(taken, dir);
      const shown = (path: string): string => relative(process.cwd(), path) || '.';
      const up = root === process.cwd() ? 'cordon up' : `cordon up --config ${shown(`${root}/cordon.yaml`)}`;
      const next = [up, 'cordon status', 'cordon can assistant tools/list files'];
      context.out.print({ schema: 'cordon.init/v1', made: [...made], next }, (paint) => [
        ...made.map((path) => `${paint.mark('v')} ${shown(path)}`),
        ...(ignore === undefined ? [] : [`${paint.mark('!')} ${shown(ignore)} was there: add the line \`.cordon/\` to it`]),
        ...labelled(paint, 'next', next),
      ]);
    });
  showExamples(command, ['cordon init', 'cordon init ./desk --containment']);
}

const exists = (path: string, dir: string): Failure =>
  new Failure('conflict', `\`${path}\` is there already; nothing was written`, {
    fix: ['start what is there: `cordon up`', `write elsewhere: \`cordon init ${dir === '.' ? 'DIR' : `${dir}-2`}\``],
  });
