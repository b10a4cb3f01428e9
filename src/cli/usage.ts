// How a command line is told that it is wrong, and help that opens with examples.
import type { Command, CommanderError } from 'commander';
import { similar } from '../domain/similar.ts';
import { Failure } from './errors.ts';

/** Puts examples before everything else in the help of a command. */
export const showExamples = (command: Command, lines: readonly string[]): Command =>
  command.addHelpText('before', ['Examples:', ...lines.map((line) => `  ${line}`), ''].join('\n'));

/** What commander refused, in Cordon's words, with what to type instead. */
export function usageFailure(error: CommanderError, program: Command, args: readonly string[]): Failure {
  const { command, path } = commandOf(program, args);
  const [text = '', ...more] = error.message.replace(/^error: /, '').split(/\n|(?<=\.) (?=[A-Z])/);
  const message = text.replaceAll(/(?<=^|[\s(])'([^']*)'/g, '`$1`').replace(/\.$/, '');
  const expected = more.find((line) => /^Allowed|^Expected/.test(line))?.replace(/^Expected /, '');
  const meant = suggestions(error, command).map((name) => `did you mean \`${name}\`?`);
  return new Failure('usage', message, {
    expected: expected?.replace(/^\w/, (first) => first.toLowerCase()).replace(/\.$/, ''),
    fix: [...meant, ...(meant.length === 0 ? missing(error, args) : []), `see \`${path} --help\``],
  });
}

/** The same command line with the option that is missing. */
function missing(error: CommanderError, args: readonly string[]): readonly string[] {
  const [, option, value] = /'(--[a-z-]+) <([a-z]+)>' not specified/.exec(error.message) ?? [];
  if (option === undefined || value === undefined) return [];
  const end = args.indexOf('--');
  const [own, rest] = end === -1 ? [args, []] : [args.slice(0, end), args.slice(end)];
  return [`\`${['cordon', ...own.map(shellWord), option, value.toUpperCase(), ...rest.map(shellWord)].join(' ')}\``];
}

/** A word as a shell takes it, whatever is in it. */
export const shellWord = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

function suggestions(error: CommanderError, command: Command): readonly string[] {
  const typed = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  if (error.code === 'commander.unknownCommand') {
    return similar(
      typed,
      command.commands.map((each) => each.name()),
    ).slice(0, 2);
  }
  if (error.code !== 'commander.unknownOption') return [];
  const known = [command, command.parent, command.parent?.parent].flatMap((each) => each?.options ?? []);
  const flags = known.flatMap(({ long }) => long ?? []);
  return similar(typed.split('=', 1)[0] ?? '', flags).slice(0, 2);
}

/** The command that was meant, as far as its names were right. */
function commandOf(program: Command, args: readonly string[]): { readonly command: Command; readonly path: string } {
  let command = program;
  let path = program.name();
  for (const arg of args) {
    if (arg === '--') break;
    const next = command.commands.find((each) => each.name() === arg);
    if (next === undefined) continue;
    command = next;
    path = `${path} ${arg}`;
  }
  return { command, path };
}
