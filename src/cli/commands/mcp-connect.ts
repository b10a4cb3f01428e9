// `cordon mcp connect`: what an MCP client starts in place of a server. The client speaks over stdio, as to any server; Cordon sees a run
// of an agent over mTLS. The key of the run never leaves this process, and the client needs no change. INVARIANT I5
import type { Command } from 'commander';
import { contextOf, type Context } from '../context.ts';
import { asFailure } from '../errors.ts';
import { endingWith, endRun, startRun } from '../started-run.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { evidenceOf } from './run-evidence.ts';

export function addConnect(mcp: Command): void {
  const command = mcp
    .command('connect')
    .summary('be an MCP server on stdio, through the gateway')
    .description(
      'What an MCP client starts in place of a server: reads its messages from stdin, carries them to the gateway as a new run of the agent,\nand writes the answers to stdout. Ends with its input. Exit 125 when it could not begin.',
    )
    .argument('<server>', 'name of a registered resource')
    .requiredOption('--as <agent>', 'name of a registered agent')
    .option('--task <text>', 'what it is started for, in your words: what `context.session` of policies goes by')
    .action(async (server: string, options: ConnectOptions, self: Command) => connect(contextOf(self), server, options));
  showExamples(command, ['cordon mcp connect files --as assistant']);
}

interface ConnectOptions {
  readonly as: string;
  readonly task?: string;
}

async function connect(context: Context, server: string, { as, task }: ConnectOptions): Promise<void> {
  // what they bring with them (TLS, HTTP, schemas) is not for commands that connect nobody
  const [{ connect: join }, { bridge }] = await Promise.all([import('../../sdk/index.ts'), import('../mcp-bridge.ts')]);
  const [node = '', ...script] = process.argv;
  const seen = await evidenceOf(node, script.slice(0, 1));
  const started = await context
    .connected((client) => startRun(client, { as, kind: 'agent', seen, task }))
    .catch((error: unknown) => {
      throw endingWith(asFailure(error), 'runFailed');
    });
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    const cordon = await join({
      CORDON_JOIN_TOKEN: started.token,
      CORDON_IDENTITY_URL: started.identity_url,
      CORDON_BUNDLE: started.bundle,
    });
    context.out.hint(`cordon: agent ${as}, run ${plain(started.run)}, server ${server}`);
    const onNotice = (line: string): void => context.out.hint(`cordon: ${plain(line)}`);
    const { stdin: input, stdout: output } = process;
    await bridge({ input, output, url: cordon.mcpUrl(server), fetch: cordon.fetch, onNotice, signal: stop.signal });
    await cordon.close();
  } finally {
    for (const signal of SIGNALS) process.off(signal, end);
    await endRun(context, started.run);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
