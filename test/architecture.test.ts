// The house as ARCHITECTURE.md draws it: floors, reserved modules, names and sizes. The rules and their reasons stand in scripts/architecture.ts;
// here the tree is held against them, and each rule is shown to bite.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { PACKAGES, type Rule, violations } from '../scripts/architecture.ts';
import { tokens } from '../scripts/tokens.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('the tree', () => {
  test('keeps the architecture', () => {
    const paths = globSync('{src,test,scripts,bench,conformance,examples}/**/*.{ts,tsx}', {
      cwd: root,
      exclude: ['**/node_modules/**'],
    });
    const found = violations(paths.map((path) => ({ path: path.replaceAll('\\', '/'), text: read(path) })));
    const told = found.map(({ path, line, rule, reason }) => `${path}:${line} ${rule}: ${reason}`);
    assert.ok(paths.length > 0, 'no source file found');
    assert.equal(told.join('\n'), '');
  });

  test('every dependency is pinned, has its line in docs/dependencies.md and its row in PACKAGES', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
    const { dependencies = {}, optionalDependencies = {}, devDependencies = {} } = manifest;
    const all = { ...dependencies, ...optionalDependencies, ...devDependencies };
    const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
    assert.deepEqual(loose, [], 'pin exactly: npm under an older Node picks older versions for a range');
    const told = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name);
    assert.deepEqual(told.toSorted(), Object.keys(all).toSorted(), 'docs/dependencies.md has one line for each dependency');
    // a Node of its own is run, not imported
    const imported = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !name.startsWith('node-'));
    assert.deepEqual(Object.keys(PACKAGES).toSorted(), imported.toSorted(), 'PACKAGES has one row for each dependency of src/');
  });

  test('documents name only files that exist', () => {
    const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root, exclude: ['CHANGELOG.md'] });
    const named = documents.flatMap((document) =>
      [...read(document).matchAll(/(?:src|test|scripts|docs|bench|conformance|examples)\/[\w./-]*\.\w+/g)].map(([path]) => ({
        document,
        path,
      })),
    );
    assert.deepEqual(
      named.filter(({ path }) => !existsSync(join(root, path))),
      [],
    );
  });

  test('the lock file names no registry and no machine', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { resolved?: string; link?: boolean }>;
    };
    const bound = Object.entries(packages).filter(([, { resolved, link }]) => resolved !== undefined || link === true);
    assert.deepEqual(bound, [], '.npmrc has `omit-lockfile-registry-resolved`: install with it');
  });
});

interface Case {
  readonly rule: Rule;
  readonly says: RegExp;
  readonly files: Readonly<Record<string, string>>;
}

const ID = "declare const brand: unique symbol;\nexport type SpiffeId = string & { readonly [brand]: 'SpiffeId' };\n";
const LONG = 'export const x = 1;\n'.repeat(401);

const CAUGHT: Readonly<Record<string, Case>> = {
  'an unknown folder': { rule: 'place', says: /redraw the picture/, files: { 'src/brokers/x.ts': '' } },
  'a file beside the floors': { rule: 'place', says: /not in a folder/, files: { 'src/index.ts': '' } },
  'a nameless folder': { rule: 'name', says: /`helpers` says nothing/, files: { 'src/audit/helpers/x.ts': '' } },
  'a nameless file in the tests': { rule: 'name', says: /`utils.ts`/, files: { 'test/utils.ts': '' } },
  'an import from above': {
    rule: 'floor',
    says: /up: policy.*gateway/,
    files: { 'src/policy/a.ts': "import { x } from '../gateway/x.ts';" },
  },
  'a type from above': {
    rule: 'floor',
    says: /types count/,
    files: { 'src/domain/a.ts': "import type { X } from '../crypto/x.ts';" },
  },
  'an inline type import from above': {
    rule: 'floor',
    says: /up/,
    files: { 'src/domain/a.ts': "type X = import('../crypto/x.ts').X;" },
  },
  'a dynamic import from above': {
    rule: 'floor',
    says: /up/,
    files: { 'src/pdp/a.ts': "await import('../server/x.ts');" },
  },
  'a re-export from above': {
    rule: 'floor',
    says: /up/,
    files: { 'src/pdp/a.ts': "export { x, y } from '../server/x.ts';" },
  },
  'a re-export of everything from above': {
    rule: 'floor',
    says: /up/,
    files: { 'src/pdp/a.ts': "export * as s from '../server/x.ts';" },
  },
  'a re-exported type from above': {
    rule: 'floor',
    says: /up/,
    files: { 'src/pdp/a.ts': "export type { X } from '../server/x.ts';" },
  },
  'a worker from above': {
    rule: 'floor',
    says: /up/,
    files: { 'src/pdp/a.ts': "new Worker(new URL('../server/x.ts', import.meta.url));" },
  },
  'an import inside a template': {
    rule: 'floor',
    says: /up/,
    files: { 'src/pdp/a.ts': "const x = `${await import('../server/x.ts')}`;" },
  },
  'an import from the side': {
    rule: 'floor',
    says: /sideways: audit\/ and policy\//,
    files: { 'src/audit/a.ts': "import '../policy/x.ts';" },
  },
  'an sdk that sees a gateway': {
    rule: 'view',
    says: /sdk\/ sees only domain, crypto, audit/,
    files: { 'src/sdk/a.ts': "import { x } from '../gateway/x.ts';" },
  },
  'a console that sees the store': {
    rule: 'view',
    says: /console\/ sees only/,
    files: { 'src/console/a.tsx': "import { x } from '../store/x.ts';" },
  },
  'a way out of src': {
    rule: 'outside',
    says: /what ships/,
    files: { 'src/cli/a.ts': "import { clock } from '../../test/clock.ts';" },
  },
  'a computed import': {
    rule: 'computed',
    says: /name the module/,
    files: { 'src/cli/a.ts': 'await import(`./${name}.ts`);' },
  },
  'keys outside crypto': {
    rule: 'built-in',
    says: /only in crypto/,
    files: { 'src/gateway/a.ts': "import type { KeyObject } from 'node:crypto';" },
  },
  'a database outside the store': {
    rule: 'built-in',
    says: /only in store/,
    files: { 'src/audit/a.ts': "import { DatabaseSync } from 'node:sqlite';" },
  },
  'a file in an engine': {
    rule: 'built-in',
    says: /engines are pure/,
    files: { 'src/identity/a.ts': "import { readFile } from 'node:fs/promises';" },
  },
  'a socket in an engine': {
    rule: 'built-in',
    says: /not in sts/,
    files: { 'src/sts/a.ts': "import https from 'node:https';" },
  },
  'a built-in by its bare name': {
    rule: 'built-in',
    says: /write `node:fs`/,
    files: { 'src/server/a.ts': "import fs from 'fs';" },
  },
  'a test clock': {
    rule: 'built-in',
    says: /stay in test/,
    files: { 'src/server/a.ts': "import { mock } from 'node:test';" },
  },
  'a built-in in domain': {
    rule: 'package',
    says: /domain imports nothing/,
    files: { 'src/domain/a.ts': "import { inspect } from 'node:util';" },
  },
  'a package on the wrong floor': {
    rule: 'package',
    says: /only in store/,
    files: { 'src/control/a.ts': "import { Kysely } from 'kysely';" },
  },
  'a part of a package on the wrong floor': {
    rule: 'package',
    says: /only in policy/,
    files: { 'src/pdp/a.ts': "import '@cedar-policy/cedar-wasm/nodejs';" },
  },
  'a development dependency': {
    rule: 'package',
    says: /nowhere in src/,
    files: { 'src/server/a.ts': "import fc from 'fast-check';" },
  },
  'randomness that can be guessed': {
    rule: 'call',
    says: /guessed/,
    files: { 'src/cli/a.ts': 'const x = Math.random();' },
  },
  'a clock in an engine': {
    rule: 'call',
    says: /time is an argument/,
    files: { 'src/policy/a.ts': 'const x = Date.now();' },
  },
  'a hidden clock in an engine': {
    rule: 'call',
    says: /time is an argument/,
    files: { 'src/trust/a.ts': 'const x = new Date();' },
  },
  'the environment in an engine': {
    rule: 'call',
    says: /settings as arguments/,
    files: { 'src/crypto/a.ts': "const x = process.env['X'];" },
  },
  'ambient key material': {
    rule: 'call',
    says: /only in crypto/,
    files: { 'src/server/a.ts': 'const id = crypto.randomUUID();' },
  },
  'a forged brand': {
    rule: 'brand',
    says: /SpiffeId comes only from its parser in src\/domain\/id.ts/,
    files: { 'src/domain/id.ts': ID, 'src/sdk/a.ts': 'f(x as SpiffeId);' },
  },
  'a forged brand in a container': {
    rule: 'brand',
    says: /as SpiffeId/,
    files: { 'src/domain/id.ts': ID, 'src/sdk/a.ts': 'f(x as unknown as Map<string, SpiffeId[]>);' },
  },
  'a brand by predicate': {
    rule: 'brand',
    says: /is SpiffeId/,
    files: { 'src/domain/id.ts': ID, 'src/sdk/a.ts': 'const f = (x: string): x is SpiffeId => true;' },
  },
  'a file too long': { rule: 'size', says: /401 lines/, files: { 'bench/a.ts': LONG } },
  'a cycle': {
    rule: 'cycle',
    says: /a.ts → .*b.ts → .*a.ts/,
    files: { 'src/pdp/a.ts': "import './b.ts';", 'src/pdp/b.ts': "import type { A } from './a.ts';" },
  },
  'a file that cannot be read': {
    rule: 'unreadable',
    says: /unterminated string/,
    files: { 'src/pdp/a.ts': "const x = 'abc" },
  },
};

describe('each rule bites', () => {
  for (const [name, { rule, says, files }] of Object.entries(CAUGHT)) {
    test(name, () => {
      const found = violations(Object.entries(files).map(([path, text]) => ({ path, text })));
      assert.deepEqual(
        found.map((violation) => violation.rule),
        [rule],
      );
      assert.match(found[0]?.reason ?? '', says);
    });
  }
});

test('what is allowed, or only looks like a violation, passes', () => {
  const innocent = {
    'src/domain/id.ts': `${ID}export const parse = (text: string): SpiffeId => text as SpiffeId;`,
    'src/crypto/a.ts': "import { sign } from 'node:crypto';\nimport { x } from '../domain/id.ts';",
    'src/policy/a.ts':
      "// import '../gateway/x.ts'\nconst a = \"import '../gateway/x.ts'\"; const b = new Date(0); const re = /Date.now '/; const when = clock.Date.now();",
    'src/gateway/a.ts':
      "import { request } from 'undici';\nimport { type SpiffeId as Id } from '../domain/id.ts';\nexport { x as SpiffeId } from './b.ts';",
    'src/sdk/a.ts':
      "import { x } from '../audit/x.ts';\nimport { readFile } from 'node:fs/promises';\nconst now = Date.now() / 2; const y = 4 / 2;",
    'src/server/a.ts': "import { x } from '../cli.ts';",
    'test/a.test.ts': "import { x } from '../src/server/a.ts'; const y = Math.random();",
  };
  const found = violations(Object.entries(innocent).map(([path, text]) => ({ path, text })));
  assert.deepEqual(
    found.map(({ rule }) => rule),
    ['outside'],
  );
});

test('the scanner keeps strings, templates, regular expressions and divisions apart', () => {
  const text = (source: string): string[] => tokens(source).map((token) => `${token.kind[0]}:${token.text}`);
  assert.deepEqual(text("a / b / 'c'"), ['w:a', 'm:/', 'w:b', 'm:/', 's:c']);
  assert.deepEqual(text('return /[/"]/g'), ['w:return', 'r:/[/"]/g']);
  assert.deepEqual(text('`a${ {b: `c`} }d`'), ['t:a', 'm:{', 'w:b', 'm::', 't:c', 'm:}', 't:d']);
  assert.deepEqual(text('/* x */ y // z\n`//`'), ['w:y', 't://']);
  assert.deepEqual(
    tokens('a\n/*\n*/ b `\n` c').map((token) => token.line),
    [1, 3, 3, 4],
  );
  assert.throws(() => tokens('`a${ b'), /unterminated template/);
});
