// The architecture as rules (the picture is in ARCHITECTURE.md): what may stand where under src/, and what it may import and call.
// Each rule gives its reason. `test/architecture.test.ts` holds the tree against them; a rule changes after the picture, never before.
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { type Import, importsIn, says } from './imports.ts';
import { type Token, tokens } from './tokens.ts';

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly rule: Rule;
  readonly reason: string;
}

export type Rule =
  | 'place'
  | 'name'
  | 'floor'
  | 'view'
  | 'outside'
  | 'computed'
  | 'built-in'
  | 'package'
  | 'call'
  | 'brand'
  | 'size'
  | 'cycle'
  | 'unreadable';

/** A folder under src/ → its floor. A folder imports only from floors below its own. */
export const FLOORS = {
  domain: 0,
  crypto: 1,
  identity: 2,
  policy: 2,
  trust: 2,
  sts: 2,
  audit: 2,
  pdp: 3,
  store: 3,
  gateway: 4,
  control: 4,
  sdk: 5,
  server: 5,
  cli: 6,
  console: 6,
} as const;
export type Folder = keyof typeof FLOORS;

/** Folders that see less than all floors below them. */
const VIEWS: Partial<Record<Folder, { readonly sees: readonly Folder[]; readonly why: string }>> = {
  sdk: { sees: ['domain', 'crypto', 'audit'], why: 'agents install it, so it stays small' },
  console: {
    sees: ['domain', 'sdk'],
    why: 'it runs in a browser and speaks to the control plane through the client alone',
  },
};

const FOLDERS = Object.keys(FLOORS).filter((name): name is Folder => Object.hasOwn(FLOORS, name));
/** Floors 3 and up; those below are values, keys and engines. */
const IMPURE = FOLDERS.filter((folder) => FLOORS[folder] > FLOORS.audit);
const isFolder = (name: string): name is Folder => Object.hasOwn(FLOORS, name);

interface Allowance {
  readonly in: readonly Folder[];
  readonly why: string;
}

const sockets: Allowance = { in: IMPURE, why: 'engines are pure: input and output live in floors 3 and up' };

/** Built-in modules that only some folders import; `node:fs` stands for `node:fs/promises` too. */
const BUILT_INS: Readonly<Record<string, Allowance>> = {
  'node:crypto': { in: ['crypto'], why: 'crypto/ is the only folder that touches key material' },
  'node:sqlite': { in: ['store'], why: 'the database is behind the ports of store/' },
  'node:fs': sockets,
  'node:net': sockets,
  'node:tls': sockets,
  'node:http': sockets,
  'node:http2': sockets,
  'node:https': sockets,
  'node:dgram': sockets,
  'node:dns': sockets,
  'node:child_process': sockets,
  'node:test': { in: [], why: 'mocks and test clocks stay in test/' },
};

/** Every dependency of package.json → the folders that may import it. */
export const PACKAGES: Readonly<Record<string, readonly Folder[]>> = {
  '@cedar-policy/cedar-wasm': ['policy'],
  '@grpc/grpc-js': ['gateway', 'control'],
  '@grpc/proto-loader': ['gateway', 'control'],
  '@grpc/reflection': ['control'],
  '@peculiar/x509': ['crypto'],
  '@simplewebauthn/server': ['control'],
  canonicalize: ['crypto', 'audit'],
  commander: ['cli'],
  'eventsource-parser': ['gateway'],
  fastify: ['control', 'server'],
  'jsonc-parser': ['cli'],
  koffi: ['control'],
  kysely: ['store'],
  'openid-client': ['control'],
  'reflect-metadata': ['crypto'],
  'smol-toml': ['cli'],
  undici: ['gateway', 'sdk'],
  yaml: ['server', 'cli'],
  zod: ['gateway', 'control', 'server', 'sdk', 'cli'],
};

const timeless = {
  in: IMPURE,
  why: 'time is an argument: an engine that reads the clock cannot be tested or replayed',
};
const ambientKeys = { in: ['crypto'], why: 'crypto/ is the only folder that makes or touches key material' } as const;

/** What only some folders may say. */
const CALLS: Readonly<Record<string, Allowance>> = {
  'Math.random': { in: [], why: 'it can be guessed; randomness comes from crypto/' },
  'Date.now': timeless,
  'new Date()': timeless,
  'performance.now': timeless,
  'process.': { in: IMPURE, why: 'engines take their settings as arguments' },
  'crypto.subtle': ambientKeys,
  'crypto.randomUUID': ambientKeys,
  'crypto.getRandomValues': ambientKeys,
};

/** Names that say nothing: what stands there belongs to the noun it serves, and moves a floor down when two on a floor need it. */
const NAMELESS = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'shared', 'lib', 'core', 'misc']);

const MAX_LINES = 400;
/** Tests are mostly tables. */
const MAX_TEST_LINES = 600;
/** Longer files, and why they have one reason to be opened all the same. */
const LONG_FILES: Readonly<Record<string, string>> = {};

interface Unit extends SourceFile {
  readonly folder: Folder;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

/** Holds `files` against every rule. Files outside src/ are held against names and size only. */
export function violations(files: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  const units: Unit[] = [];
  for (const file of files) {
    found.push(...nameAndSize(file));
    if (!file.path.startsWith('src/')) continue;
    const folder = file.path.split('/')[1] ?? '';
    if (!isFolder(folder) || file.path.split('/').length < 3) found.push(misplaced(file));
    else {
      try {
        units.push(unit(file, folder));
      } catch (error) {
        found.push({ path: file.path, line: 1, rule: 'unreadable', reason: `the scanner stopped: ${String(error)}` });
      }
    }
  }
  const owners = brandOwners(units);
  for (const each of units) found.push(...importRules(each), ...callRules(each), ...brandRule(each, owners));
  return [...found, ...cycles(units)];
}

function nameAndSize({ path, text }: SourceFile): Violation[] {
  const found: Violation[] = [];
  const nameless = path.split('/').find((part) => NAMELESS.has(part.split('.', 1)[0] ?? ''));
  if (nameless !== undefined) {
    found.push({
      path,
      line: 1,
      rule: 'name',
      reason: `\`${nameless}\` says nothing: a helper lives with the noun it serves`,
    });
  }
  const lines = text.trimEnd().split('\n').length;
  const most = path.startsWith('test/') ? MAX_TEST_LINES : MAX_LINES;
  if (lines > most && LONG_FILES[path] === undefined) {
    found.push({
      path,
      line: lines,
      rule: 'size',
      reason: `${lines} lines, over ${most}: it has two reasons to be opened; find the second one's name`,
    });
  }
  return found;
}

const misplaced = ({ path }: SourceFile): Violation => ({
  path,
  line: 1,
  rule: 'place',
  reason: `not in a folder of FLOORS (${FOLDERS.join(' ')}): redraw the picture in ARCHITECTURE.md first, then add the folder`,
});

const unit = (file: SourceFile, folder: Folder): Unit => {
  const read = tokens(file.text);
  return { ...file, folder, tokens: read, imports: importsIn(read) };
};

function importRules(each: Unit): Violation[] {
  return each.imports.flatMap(({ specifier, line }) => {
    const problem = importProblem(each, specifier);
    return problem === undefined ? [] : [{ path: each.path, line, rule: problem[0], reason: problem[1] }];
  });
}

/** Files that may compute what they import, and why. */
const COMPUTED: Readonly<Record<string, string>> = {
  'src/cli/commands/demo.ts': 'loads examples/invoice-desk, which is no part of the package and stands above every floor',
};

/** Files of pure floors that use one reserved module, and why. */
const EXCEPTED: Readonly<Record<string, { readonly module: string; readonly why: string }>> = {
  'src/policy/cedar/official-glue.ts': {
    module: 'node:fs',
    why: 'reads the two files of the package that it loads, once, and nothing else',
  },
};

function importProblem({ path, folder }: Unit, specifier: string): readonly [Rule, string] | undefined {
  if (specifier === '')
    return Object.hasOwn(COMPUTED, path) ? undefined : ['computed', 'a computed import hides what it reaches: name the module'];
  if (specifier.startsWith('.')) return floorProblem(folder, posix.join(posix.dirname(path), specifier));
  if (folder === 'domain') return ['package', `domain imports nothing, not even \`${specifier}\``];
  if (isBuiltin(specifier)) {
    if (EXCEPTED[path]?.module === specifier) return undefined;
    if (!specifier.startsWith('node:')) return ['built-in', `write \`node:${specifier}\`: a package could take the bare name`];
    return notIn(BUILT_INS[specifier.split('/', 1)[0] ?? ''], folder, 'built-in', specifier);
  }
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const folders = Object.hasOwn(PACKAGES, name) ? (PACKAGES[name] ?? []) : [];
  return notIn({ in: folders, why: 'PACKAGES says who may import it, and src/ uses no development dependency' }, folder, 'package', name);
}

function notIn(allowance: Allowance | undefined, folder: Folder, rule: Rule, what: string): readonly [Rule, string] | undefined {
  if (allowance === undefined || allowance.in.includes(folder)) return undefined;
  const where =
    allowance.in.length === 0
      ? 'nowhere in src/'
      : allowance.in.length > 4
        ? `not in ${folder}/`
        : `only in ${allowance.in.map((f) => `${f}/`).join(', ')}`;
  return [rule, `\`${what}\` ${where}: ${allowance.why}`];
}

function floorProblem(from: Folder, target: string): readonly [Rule, string] | undefined {
  const [top, to = ''] = target.split('/');
  if (top !== 'src' || !isFolder(to)) return ['outside', `\`${target}\` is outside src/: what ships imports only what ships`];
  if (to === from) return undefined;
  const view = VIEWS[from];
  const [mine, its] = [FLOORS[from], FLOORS[to]];
  if (its > mine)
    return [
      'floor',
      `up: ${from}/ (floor ${mine}) must not know ${to}/ (floor ${its}); types count. Turn the dependency round, or move the noun down`,
    ];
  if (its === mine)
    return ['floor', `sideways: ${from}/ and ${to}/ share floor ${mine} and are blind to each other; what both need moves one floor down`];
  if (view !== undefined && !view.sees.includes(to)) return ['view', `${from}/ sees only ${view.sees.join(', ')}: ${view.why}`];
  return undefined;
}

const PATTERNS = Object.entries(CALLS).map(([call, allowance]) => ({
  call,
  allowance,
  words: tokens(call).map((token) => token.text),
}));

function callRules({ path, folder, tokens: read }: Unit): Violation[] {
  return read.flatMap((token, at) => {
    if (token.kind !== 'word' || ['.', '?.'].includes(read[at - 1]?.text ?? '')) return [];
    const said = PATTERNS.find(({ words }) => says(read, at, words));
    const problem = said && notIn(said.allowance, folder, 'call', said.call);
    return problem === undefined ? [] : [{ path, line: token.line, rule: problem[0], reason: problem[1] }];
  });
}

/** Brand → the file that declares it: a type with a key `[x]` where `x` is a `unique symbol` of the same file. */
function brandOwners(units: readonly Unit[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const { path, tokens: read } of units) {
    const symbols = new Set(read.filter((_, at) => says(read, at + 1, [':', 'unique', 'symbol'])).map((token) => token.text));
    let type = '';
    read.forEach(({ text }, at) => {
      if (['type', 'interface', 'class'].includes(text)) type = read[at + 1]?.text ?? '';
      if (text === '[' && symbols.has(read[at + 1]?.text ?? '') && says(read, at + 2, [']', ':'])) owners.set(type, path);
    });
  }
  return owners;
}

/** A branded value comes only from its parser: no `as Brand` and no `value is Brand` outside the file that declares it. */
function brandRule({ path, tokens: read }: Unit, owners: ReadonlyMap<string, string>): Violation[] {
  return read.flatMap(({ text, kind, line }, at) => {
    if (kind !== 'word' || (text !== 'as' && text !== 'is') || isRenaming(read, at)) return [];
    const brand = typeWords(read, at + 1).find((word) => owners.has(word) && owners.get(word) !== path);
    if (brand === undefined) return [];
    return [
      {
        path,
        line,
        rule: 'brand',
        reason: `\`${text} ${brand}\`: ${brand} comes only from its parser in ${owners.get(brand)}`,
      },
    ];
  });
}

/** `{ a as b }` of an import or export: `as` between two names, followed by `,` or `}` with only names before it. */
function isRenaming(read: readonly Token[], at: number): boolean {
  const open = read.findLastIndex((token, i) => i < at && token.kind === 'mark' && token.text !== ',');
  return ['{', '*'].includes(read[open]?.text ?? '') && ['import', 'export', 'type', ','].includes(read[open - 1]?.text ?? '');
}

/** The words of the type that starts at token `at`, as far as its brackets and operators reach. */
function typeWords(read: readonly Token[], at: number): string[] {
  const words: string[] = [];
  let depth = 0;
  for (const { kind, text } of read.slice(at)) {
    if (text === '{' && depth === 0 && words.length > 0) break;
    if (kind === 'mark' && '<([{'.includes(text)) depth++;
    else if (kind === 'mark' && '>)]}'.includes(text) && --depth < 0) break;
    else if (kind === 'mark' && depth === 0 && !['.', '|', '&'].includes(text)) break;
    else if (text === 'as' || text === 'satisfies') break;
    else if (kind === 'word') words.push(text);
  }
  return words;
}

/** Every import cycle between files once, type imports included. */
function cycles(units: readonly Unit[]): Violation[] {
  const byPath = new Map(units.map((each) => [each.path, each]));
  const done = new Set<string>();
  const found: Violation[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) found.push({ path, line: 1, rule: 'cycle', reason: [...trail.slice(start), path].join(' → ') });
    if (start !== -1 || done.has(path)) return;
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      if (specifier.startsWith('.')) visit(posix.join(posix.dirname(path), specifier), [...trail, path]);
    }
    done.add(path);
  };
  for (const path of byPath.keys()) visit(path, []);
  return found;
}
