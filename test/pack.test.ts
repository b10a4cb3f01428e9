// What `npm pack` ships: exactly what belongs, and it runs with nothing but its production dependencies. Works on a copy of the tree,
// because packing builds dist/, and a clone must not change under the other tests.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const root = join(import.meta.dirname, '..');
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', '.cordon']);
const BELONGS = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'cordon', 'dist', 'package.json', 'packs', 'scripts'];

const work = mkdtempSync(join(tmpdir(), 'cordon-pack-'));
const copy = join(work, 'copy');
const installed = join(work, 'package');
let paths: readonly string[] = [];

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 120_000 });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

function npm(args: readonly string[], cwd: string): string {
  const cli = process.env['npm_execpath'] ?? '';
  return basename(cli) === 'npm-cli.js' ? run(process.execPath, [cli, ...args], cwd) : run('npm', args, cwd);
}

/** Links what `npm install --omit=dev` would install: every package of the lock file that is not there for development alone. */
function linkProduction(target: string): void {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const wanted = Object.entries(packages).filter(([path, { dev }]) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && dev !== true);
  for (const [path] of wanted.filter(([name]) => existsSync(join(root, name)))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    symlinkSync(join(root, path), join(target, path));
  }
}

describe('the package', () => {
  before(() => {
    cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const [packed] = JSON.parse(npm(['pack', '--json'], copy)) as [{ filename: string; files: { path: string }[] }];
    paths = packed.files.map(({ path }) => path);
    run('tar', ['-xzf', join(copy, packed.filename)], work);
    linkProduction(installed);
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  test('holds what belongs and nothing else', () => {
    assert.deepEqual([...new Set(paths.map((path) => path.split('/', 1)[0] ?? ''))].toSorted(), BELONGS);
    assert.deepEqual(
      paths.filter((path) => path.startsWith('scripts/')),
      ['scripts/node.cjs'],
    );
  });

  test('has no source, no test and no map in dist, and every module of src', () => {
    const built = paths.filter((path) => path.startsWith('dist/'));
    assert.deepEqual(
      built.filter((path) => /(?<!\.d)\.tsx?$|\.map$|\.test\./.test(path)),
      [],
    );
    const modules = globSync('**/*.ts', { cwd: join(root, 'src') }).filter((path) => !path.endsWith('.test.ts'));
    assert.deepEqual(
      modules.map((path) => `dist/${path.replace(/\.ts$/, '.js')}`).filter((path) => !built.includes(path)),
      [],
    );
  });

  test('has every file that its manifest names', () => {
    const { bin, exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
      exports: Record<string, Record<string, string>>;
    };
    const named = [bin, ...Object.values(exports)].flatMap((each) => Object.values(each));
    assert.deepEqual(
      named.filter((path) => !existsSync(join(installed, path))),
      [],
    );
  });

  test('runs with production dependencies alone', () => {
    const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
    assert.ok(!existsSync(join(installed, 'node_modules/typescript')));
    assert.match(run(join(installed, 'cordon'), ['--version'], work), new RegExp(version.replaceAll('.', '\\.')));
  });
});
