// `cordon version`: this command's version and, when one runs, the server's.
import type { Command } from 'commander';
import { VERSION } from '../../server/version.ts';
import { contextOf, type Context } from '../context.ts';
import { Failure } from '../errors.ts';
import { table } from '../table.ts';
import { showExamples } from '../usage.ts';

export function versionCommand(program: Command): void {
  program.version(`cordon ${VERSION}`, '-V, --version', 'print the version');
  const command = program
    .command('version')
    .summary('print the versions of this command and of the server')
    .description('Prints the version of this command, of Node, and of the Cordon that runs on the data directory.')
    .action(async (_options: object, self: Command) => {
      const context = contextOf(self);
      const server = await serverVersion(context);
      const skew = server !== undefined && server !== VERSION;
      const json = { schema: 'cordon.version/v1', client: VERSION, server: server ?? null, skew, node: process.version };
      context.out.print(json, () =>
        table(
          [
            ['cordon', VERSION],
            ['server', server ?? 'not running'],
            ['node', process.version],
          ],
          0,
        ),
      );
      if (skew) context.out.hint('client and server differ: restart `cordon up`');
    });
  showExamples(command, ['cordon version', 'cordon version --json']);
}

/** Undefined when none answers: a version is told in any case. */
async function serverVersion(context: Context): Promise<string | undefined> {
  try {
    return (await context.connected((client) => client.status())).value.version;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
