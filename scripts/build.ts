// `npm run build`: src/ → dist/ as JavaScript and declarations, for the published package alone; a clone runs src/ as it is.
// No source maps: what they would point to is not in the package.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
/** `new URL('./x.ts', import.meta.url)`: a worker or child named by file, which the compiler does not rewrite. */
const NAMED_BY_FILE = /(new URL\(\s*(['"]))(\.{1,2}\/[^'"]+)\.ts(\2,\s*import\.meta\.url)/g;

function compile(): void {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error('x build  the compiler refused\n  fix  mend what it names; `npm run check` says the same');
    process.exit(status ?? 1);
  }
}

/** Schemas, protocol files and the like, beside the code that reads them. @returns how many */
function copyAssets(): number {
  const assets = globSync('**/*.*', { cwd: join(root, 'src'), exclude: ['**/*.ts', '**/*.tsx'] });
  for (const asset of assets) cpSync(join(root, 'src', asset), join(dist, asset));
  return assets.length;
}

function renameNamedFiles(): void {
  for (const file of globSync('**/*.js', { cwd: dist }).map((name) => join(dist, name))) {
    const before = readFileSync(file, 'utf8');
    const after = before.replace(NAMED_BY_FILE, (_all, open: string, _quote: string, path: string, close: string) => {
      if (!existsSync(resolve(dirname(file), `${path}.js`))) throw new Error(`\`${file}\` names \`${path}.ts\`, which was not built`);
      return `${open}${path}.js${close}`;
    });
    if (after !== before) writeFileSync(file, after);
  }
}

const started = performance.now();
rmSync(dist, { recursive: true, force: true });
compile();
const assets = copyAssets();
renameNamedFiles();
const modules = globSync('**/*.js', { cwd: dist }).length;
// On stderr: `npm pack --json` keeps stdout for its own answer.
console.error(`  v build  ${modules} modules, ${assets} assets  ${((performance.now() - started) / 1000).toFixed(1)} s`);
