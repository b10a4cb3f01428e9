// The root file `cordon`: in process on a Node that can run Cordon, else a thin wrapper around one that can. An old Node is played by
// a preload that claims an old version, so that this runs wherever the tests run.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

const root = join(import.meta.dirname, '..');
const node = createRequire(import.meta.url)('../scripts/node.cjs') as {
  minimum: string;
  newEnough(version: string): boolean;
  bundled(): string | undefined;
};

const MAIN = `
const [verb, value] = process.argv.slice(2);
if (verb !== 'wait') console.log(verb, process.pid);
if (verb === 'exit') process.exit(Number(value));
if (verb === 'signal') process.kill(process.pid, 'SIGTERM');
if (verb === 'wait') {
  let got = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { got++; console.log(signal); });
  setInterval(() => { if (got > 0) process.exit(40 + got); }, 150);
  console.log(verb, process.pid); // last: a signal that comes after this line is handled
}
`;
const OLD_NODE = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})`;

/** A clone with its own command, real launcher and real node_modules. */
function clone(engines?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-launcher-'));
  for (const path of ['cordon', 'package.json', 'scripts/node.cjs']) cpSync(join(root, path), join(folder, path));
  if (engines !== undefined) writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', engines: { node: engines } }));
  mkdirSync(join(folder, 'src/cli'), { recursive: true });
  writeFileSync(join(folder, 'src/cli/main.ts'), MAIN);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

interface Started {
  readonly child: ChildProcess;
  /** The pid that the command itself printed. */
  readonly pid: number;
  readonly output: () => string;
  readonly exit: Promise<readonly unknown[]>;
}

async function start(folder: string, how: 'in process' | 'wrapped', ...args: readonly string[]): Promise<Started> {
  const preload = how === 'wrapped' ? ['--import', OLD_NODE] : [];
  const child = spawn(process.execPath, [...preload, join(folder, 'cordon'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exit = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), exit]);
  return { child, pid: Number(/\d+/.exec(text)?.[0]), output: () => text, exit };
}

describe('the launcher', { skip: node.bundled() === undefined && 'no Node was published beside Cordon for this platform' }, () => {
  const here = clone();
  after(() => rmSync(here, { recursive: true, force: true }));

  test('knows which Node can run Cordon', () => {
    const [major = 0, minor = 0, patch = 0] = node.minimum.split('.').map(Number);
    assert.ok(node.newEnough(process.version));
    assert.ok(node.newEnough(node.minimum) && node.newEnough(`v${major + 1}.0.0`) && node.newEnough(`${major}.${minor + 1}.0`));
    assert.ok(!node.newEnough(`${major}.${minor}.${patch - 1}`) && !node.newEnough(`${major - 1}.99.99`) && !node.newEnough('20.20.2'));
  });

  test('imports the command when the running Node will do', async () => {
    const { child, pid, exit } = await start(here, 'in process', 'exit', '7');
    assert.deepEqual([pid, (await exit)[0]], [child.pid, 7]);
  });

  test('wraps the command when it will not, and passes the exit code on', async () => {
    const { child, pid, exit } = await start(here, 'wrapped', 'exit', '7');
    assert.notEqual(pid, child.pid);
    assert.equal((await exit)[0], 7);
  });

  test('gives 128 + n when a signal ended the command', async () => {
    const { exit } = await start(here, 'wrapped', 'signal');
    assert.equal((await exit)[0], 128 + 15);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    test(`passes ${signal} on, once`, async () => {
      const { child, output, exit } = await start(here, 'wrapped', 'wait');
      child.kill(signal);
      assert.equal((await exit)[0], 41, output());
      assert.match(output(), new RegExp(signal));
    });
  }

  test('leaves no orphan when it is killed', async () => {
    const { child, output, exit } = await start(here, 'wrapped', 'wait');
    child.kill('SIGKILL');
    // Both write to one pipe, so it closes when the command is gone too.
    await exit;
    assert.match(output(), /SIGTERM/);
  });

  test('says what to do when no Node will do', async () => {
    const folder = clone('>=99.0.0');
    const { output, exit } = await start(folder, 'in process', 'exit', '0');
    assert.equal((await exit)[0], 2);
    assert.match(output(), /x cordon needs Node 99\.0\.0 or newer\n {2}why {2}observed .*\n {2}fix {2}/);
    rmSync(folder, { recursive: true });
  });
});
