// What every command needs to know of how it was called: where Cordon is, what to print and how.
import { dirname, join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Client } from './client.ts';
import type { CredentialsPlace } from './credentials.ts';
import { createOutput, type Output } from './output.ts';

/** Options that every command takes, before or after its name. */
interface GlobalOptions {
  readonly config: string;
  readonly data?: string;
  readonly credentials?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
}

export interface Context {
  readonly json: boolean;
  readonly quiet: boolean;
  /** The cordon.yaml, absolute. */
  readonly config: string;
  /** The data directory, absolute. */
  readonly data: string;
  /** Where the credentials of whoever calls are looked for. */
  readonly place: CredentialsPlace;
  readonly out: Output;
  /** Runs `work` with the control API of the Cordon of this data directory. */
  connected<T>(work: (client: Client) => Promise<T>): Promise<T>;
}

export function addGlobalOptions(program: Command): void {
  program
    .addOption(new Option('--config <file>', 'the configuration file').default('cordon.yaml').env('CORDON_CONFIG'))
    .addOption(new Option('--data <dir>', 'the data directory (default: .cordon beside the configuration file)').env('CORDON_DATA'))
    .addOption(new Option('--credentials <file>', 'act as who signed in with `cordon login` and keeps it there').env('CORDON_CREDENTIALS'))
    .option('--json', 'print JSON instead of text')
    .option('-q, --quiet', 'no hints and no progress')
    .option('-v, --verbose', 'show where an error came from')
    .option('--no-color', 'no colour, as NO_COLOR');
}

export function contextOf(command: Command): Context {
  const options = command.optsWithGlobals<GlobalOptions>();
  const config = resolve(options.config);
  const data = resolve(options.data ?? join(dirname(config), '.cordon'));
  const json = options.json === true;
  const quiet = options.quiet === true;
  const place = { data, credentials: options.credentials === undefined ? undefined : resolve(options.credentials) };
  return {
    json,
    quiet,
    config,
    data,
    place,
    out: createOutput({ json, quiet, noColor: !options.color }),
    async connected(work) {
      // the client brings TLS and schemas with it: commands that need no server start without them
      const { openClient } = await import('./client.ts');
      const client = await openClient(place);
      try {
        return await work(client);
      } finally {
        await client.close();
      }
    },
  };
}
