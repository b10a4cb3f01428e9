// `cordon mcp wrap`, `cordon mcp unwrap`: MCP clients as they are, behind Cordon. Nothing is changed before it was shown (UX reference J2).
import { existsSync } from 'node:fs';
import { homedir, platform } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { JsonObject } from '../../domain/json.ts';
import type { ServerEntry } from '../client-files.ts';
import type { ClientFile, Launcher, Unwrapped } from '../client-wrap.ts';
import { contextOf, type Context } from '../context.ts';
import { EXIT, Failure } from '../errors.ts';
import { unknownAgent } from '../levels.ts';
import type { Mark, Paint } from '../paint.ts';
import { plain } from '../untrusted.ts';
import { showExamples } from '../usage.ts';
import { several } from '../units.ts';

/** Where clients keep their configuration: beside a project, and of a user. */
const IN_PROJECT = ['.mcp.json', '.vscode/mcp.json', '.cursor/mcp.json', '.gemini/settings.json', '.codex/config.toml'];
const AT_HOME = ['.claude.json', '.cursor/mcp.json', '.codeium/windsurf/mcp_config.json', '.gemini/settings.json', '.codex/config.toml'];
const DESKTOP: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'Library/Application Support/Claude/claude_desktop_config.json',
  win32: 'AppData/Roaming/Claude/claude_desktop_config.json',
};

const candidates = (): readonly string[] => [
  ...IN_PROJECT.map((path) => resolve(path)),
  ...[...AT_HOME, DESKTOP[platform()] ?? '.config/Claude/claude_desktop_config.json'].map((path) => join(homedir(), path)),
];

export function addWrap(mcp: Command): void {
  const command = mcp
    .command('wrap')
    .summary('put the servers of an MCP client behind Cordon')
    .description(
      'Shows what would change in the configuration files of MCP clients: an entry whose server is a resource of this Cordon then starts\n`cordon mcp connect`; of the others it says what to add to cordon.yaml. Changes nothing without --apply, and then nothing but those entries.',
    )
    .argument('[file...]', 'configuration files (default: those of known clients, here and at home)')
    .requiredOption('--as <agent>', 'the agent that the client is')
    .option('--apply', 'do it; `cordon mcp unwrap` takes it back')
    .action(async (files: readonly string[], { as, apply }: { readonly as: string; readonly apply?: true }, self: Command) => {
      await wrapAll(contextOf(self), files, { as, apply: apply === true });
    });
  showExamples(command, ['cordon mcp wrap --as assistant', 'cordon mcp wrap .mcp.json --as assistant --apply']);
}

type State = 'ready' | 'wrapped' | 'unregistered';

interface Seen {
  readonly file: ClientFile;
  readonly entries: readonly { readonly entry: ServerEntry; readonly state: State; readonly resource: string }[];
}

async function wrapAll(
  context: Context,
  named: readonly string[],
  { as, apply }: { readonly as: string; readonly apply: boolean },
): Promise<void> {
  const { wrap } = await import('../client-wrap.ts');
  const { agents, resources } = await context.connected(async (client) => (await client.world()).value);
  const names = agents.map(({ name }) => name);
  if (!names.includes(as)) throw unknownAgent(as, names);
  const registered = new Set(resources.map(({ name }) => name));
  const seen = await seenIn(named, registered);
  for (const { file, entries } of apply ? seen : []) {
    const ready = entries.filter(({ state }) => state === 'ready');
    if (ready.length > 0)
      await wrap(context.data, file, new Map(ready.map(({ entry, resource }) => [entry.name, launcherOf(context, resource, as)])));
  }
  context.out.print({ schema: 'cordon.mcp-wrap/v1', applied: apply, files: seen.map(fileJson) }, (paint) =>
    seen.flatMap((one) => fileLines(paint, one, { as, apply })),
  );
  if (!apply && seen.some(({ entries }) => entries.some(({ state }) => state === 'ready')))
    context.out.hint('nothing is changed yet; do it: --apply');
}

async function seenIn(named: readonly string[], registered: ReadonlySet<string>): Promise<readonly Seen[]> {
  const [{ serversIn }, { isWrapped, readClientFile }] = await Promise.all([import('../client-files.ts'), import('../client-wrap.ts')]);
  const missing = named.find((path) => !existsSync(path));
  if (missing !== undefined) throw new Failure('usage', `\`${missing}\` is not there`);
  const paths = named.length > 0 ? named : candidates().filter((path) => existsSync(path));
  const files = await Promise.all(paths.map((path) => readClientFile(path)));
  const seen = files.map((file) => ({
    file,
    entries: serversIn(file.path, file.text).map((entry) => {
      const resource = resourceOf(entry.name);
      const state: State = isWrapped(entry) ? 'wrapped' : registered.has(resource) ? 'ready' : 'unregistered';
      return { entry, state, resource };
    }),
  }));
  if (seen.some(({ entries }) => entries.length > 0)) return seen;
  throw new Failure('usage', 'no server of an MCP client is found', {
    observed: `looked at ${paths.length === 0 ? candidates().join(', ') : paths.join(', ')}`,
    fix: ['name the file: `cordon mcp wrap FILE --as AGENT`'],
  });
}

/** `GitHub MCP` is the resource `github-mcp`. */
const resourceOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);

function launcherOf({ data, place }: Context, resource: string, as: string): Launcher {
  const where = place.credentials === undefined ? ['--data', data] : ['--credentials', place.credentials];
  return { command: process.execPath, args: [process.argv[1] ?? 'cordon', 'mcp', 'connect', resource, '--as', as, ...where] };
}

const fileJson = ({ file, entries }: Seen): JsonObject => ({
  path: file.path,
  servers: entries.map(({ entry, state, resource }) => ({ name: entry.name, resource, state })),
});

function fileLines(
  paint: Paint,
  { file, entries }: Seen,
  { as, apply }: { readonly as: string; readonly apply: boolean },
): readonly string[] {
  const lines = entries.flatMap(({ entry, state, resource }) => {
    const name = plain(entry.name);
    if (state === 'wrapped') return [`  ${paint.mark('-')} ${name}  is behind Cordon already`];
    if (state === 'unregistered')
      return [
        `  ${paint.mark('!')} ${name}  is no resource of this Cordon; to have it, add to cordon.yaml, and a policy:`,
        ...resourceLines(entry, resource),
      ];
    const [was, is] = [`- ${startsOf(entry)}`, `+ cordon mcp connect ${resource} --as ${as}`];
    return [
      `  ${paint.mark(apply ? 'v' : '-')} ${name}${apply ? '  is behind Cordon; restart the client' : ''}`,
      `      ${paint('bad', was)}`,
      `      ${paint('good', is)}`,
    ];
  });
  const undo =
    apply && entries.some(({ state }) => state === 'ready') ? [`  ${paint('dim', 'undo')} cordon mcp unwrap ${plain(file.path)}`] : [];
  return [paint('bold', plain(file.path)), ...(lines.length === 0 ? [`  ${paint.mark('-')} names no server`] : lines), ...undo];
}

/** Without what may be a secret: the values of its environment and headers, and what follows a word that names one. */
function startsOf({ value }: ServerEntry): string {
  const { command, url, serverUrl, httpUrl } = value;
  const address = [url, serverUrl, httpUrl].find((each) => typeof each === 'string');
  if (typeof command !== 'string') return plain(typeof address === 'string' ? address.replace(/[?#].*$/, '') : 'something else');
  const names = namesIn(value['env']).map((name) => `${name}=…`);
  return plain([...names, command, ...withoutSecrets(wordsOf(value['args']))].join(' '));
}

const namesIn = (members: unknown): readonly string[] => (typeof members === 'object' && members !== null ? Object.keys(members) : []);
const wordsOf = (args: unknown): readonly string[] => (Array.isArray(args) ? args.filter((word) => typeof word === 'string') : []);

const SECRET = /(key|token|secret|passw|auth|bearer|credential)/i;
const withoutSecrets = (words: readonly string[]): readonly string[] =>
  words.map((word, at) => {
    const before = words[at - 1] ?? '';
    if (before.startsWith('-') && SECRET.test(before) && !/[=:]/.test(before)) return '…';
    if (!SECRET.test(word)) return word;
    return /[=:]/.test(word) ? word.replace(/([=:]).*$/s, '$1…') : word.startsWith('-') ? word : '…';
  });

function resourceLines({ value }: ServerEntry, resource: string): readonly string[] {
  const { command } = value;
  if (typeof command !== 'string') return ['      by hand: it is no program that the gateway could start'];
  const words = [command, ...withoutSecrets(wordsOf(value['args']))].map((word) => JSON.stringify(plain(word)));
  const env = namesIn(value['env']).map((name) => `${JSON.stringify(plain(name))}: "…"`);
  return [
    `      ${resource}:`,
    '        segment: SEGMENT',
    `        mcp: { stdio: [${words.join(', ')}]${env.length === 0 ? '' : `, env: { ${env.join(', ')} }`} }`,
  ];
}

const UNWRAPPED: Readonly<Record<Unwrapped, readonly [mark: Mark, words: string]>> = {
  restored: ['v', 'is as it was'],
  gone: ['-', 'is not in the file any more'],
  changed: ['!', 'was changed since it was wrapped, and is left as it is; what it was is kept'],
};

export function addUnwrap(mcp: Command): void {
  const command = mcp
    .command('unwrap')
    .summary('take back what `wrap` changed')
    .description(
      'Puts the entries that `cordon mcp wrap` changed back, letter for letter, also where the client has written the file anew since.\nExit 8 when nothing is wrapped, or an entry was changed by somebody else.',
    )
    .argument('[file...]', 'configuration files (default: all that are wrapped)')
    .action(async (files: readonly string[], _options: object, self: Command) => {
      const context = contextOf(self);
      const { unwrap, wrappedFiles } = await import('../client-wrap.ts');
      const paths = files.length > 0 ? files : await wrappedFiles(context.data);
      if (paths.length === 0) throw new Failure('conflict', 'nothing is wrapped');
      const done = await Promise.all(paths.map(async (path) => [resolve(path), await unwrap(context.data, path)] as const));
      const json = done.map(([path, became]) => ({ path, servers: [...became].map(([name, state]) => ({ name, state })) }));
      context.out.print({ schema: 'cordon.mcp-unwrap/v1', files: json }, (paint) =>
        done.flatMap(([path, became]) => [
          paint('bold', plain(path)),
          ...[...became].map(([name, state]) => `  ${paint.mark(UNWRAPPED[state][0])} ${plain(name)}  ${UNWRAPPED[state][1]}`),
        ]),
      );
      const left = done.flatMap(([, became]) => [...became.values()]).filter((state) => state === 'changed');
      if (left.length > 0) {
        process.exitCode = EXIT.conflict;
        context.out.hint(`${several(left.length, 'entry', 'entries')} left; the whole file as it was: ${context.data}/mcp-wrapped`);
      }
    });
  showExamples(command, ['cordon mcp unwrap', 'cordon mcp unwrap .mcp.json']);
}
