// The command tree. Each command is a file of commands/; what commander refuses is told like any other failure.
import { Command, CommanderError } from 'commander';
import { addGlobalOptions } from './context.ts';
import { EXIT } from './errors.ts';
import { showExamples, usageFailure } from './usage.ts';
import { agentCommand } from './commands/agent.ts';
import { auditCommand } from './commands/audit.ts';
import { blastCommand } from './commands/blast.ts';
import { caCommand } from './commands/ca.ts';
import { canCommand } from './commands/can.ts';
import { delegationCommand } from './commands/delegation.ts';
import { doctorCommand } from './commands/doctor.ts';
import { federationCommand } from './commands/federation.ts';
import { grantCommand } from './commands/grant.ts';
import { initCommand } from './commands/init.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts';
import { mandateCommand } from './commands/mandate.ts';
import { mcpCommand } from './commands/mcp.ts';
import { offCommand } from './commands/off.ts';
import { operatorCommand } from './commands/operator.ts';
import { orderCommand } from './commands/order.ts';
import { policyCommand } from './commands/policy.ts';
import { releaseCommand } from './commands/release.ts';
import { runCommand } from './commands/run.ts';
import { statusCommand } from './commands/status.ts';
import { toolsCommand } from './commands/tools.ts';
import { upCommand } from './commands/up.ts';
import { versionCommand } from './commands/version.ts';
import { whoisCommand } from './commands/whois.ts';
import { whyCommand } from './commands/why.ts';

/** In the order of the help. */
const COMMANDS: readonly ((program: Command) => void)[] = [
  initCommand,
  upCommand,
  runCommand,
  mcpCommand,
  statusCommand,
  agentCommand,
  whoisCommand,
  canCommand,
  blastCommand,
  whyCommand,
  offCommand,
  releaseCommand,
  grantCommand,
  delegationCommand,
  mandateCommand,
  policyCommand,
  toolsCommand,
  caCommand,
  federationCommand,
  auditCommand,
  loginCommand,
  logoutCommand,
  whoamiCommand,
  operatorCommand,
  orderCommand,
  doctorCommand,
  versionCommand,
];

const EXIT_CODES = `
Exit codes:
  0  done, allowed, verified          6  integrity: log altered or truncated, signature bad
  1  unexpected error                 7  a gate failed: tests, impact, doctor
  2  usage, input, configuration      8  conflict: exists, or at that level already
  3  log in, or a role is lacking     9  partial: not every gateway confirmed
  4  server unreachable             130  interrupted
  5  the answer is no               125, 126, 127  cordon run could not start its command`;

/** Runs the command that `args` name. Sets `process.exitCode`. @throws Failure, Refusal */
export async function runProgram(args: readonly string[]): Promise<void> {
  const program = new Command('cordon')
    .description('zero trust for multi-agent systems')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true })
    .helpCommand('help [command]', 'help for a command');
  showExamples(program, ['cordon demo', 'cordon init && cordon up', 'cordon why --last']);
  program.addHelpText('after', EXIT_CODES);
  addGlobalOptions(program);
  await addDemo(program, args);
  for (const add of COMMANDS) add(program);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === EXIT.ok) return;
    if (error.code !== 'commander.help') throw usageFailure(error, program, args);
    process.exitCode = EXIT.usage; // no command was named; the help stands on stderr
  }
}

/** The demo is a program of its own: it is loaded to run, and to stand in the help. */
async function addDemo(program: Command, args: readonly string[]): Promise<void> {
  const named = args.find((arg) => !arg.startsWith('-'));
  if (named !== undefined && named !== 'demo' && named !== 'help') return;
  const { demoCommand } = await import('./commands/demo.ts');
  demoCommand(program);
}
