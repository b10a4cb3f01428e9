// `cordon policy check`, `fmt`, `test` and `world` as a user runs them: with a running Cordon and a real tool server, without one, and
// where there is neither.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deskConfig } from '../examples/invoice-desk/demo/config.ts';
import { inboxServer, loadInbox, processes, seed, type DeskProcess } from '../examples/invoice-desk/desk.ts';
import { mcpPeer } from '../examples/invoice-desk/peers/mcp.ts';
import { freePorts } from '../examples/invoice-desk/ports.ts';
import type { Target } from '../examples/invoice-desk/wire.ts';
import { readTools } from '../src/control/tools.ts';
import { WORLD, worldJson, worldOf } from '../src/control/world-view.ts';
import { parseJson, type JsonObject } from '../src/domain/json.ts';
import { MAX_SOURCE } from '../src/policy/bounds.ts';
import { parseConfig } from '../src/server/config.ts';
import { cordon as run, environment, execute, MAIN, openDesk, ROOT, type Desk, type Ran, type RunOptions } from './support/cordon.ts';

const EXAMPLE = join(ROOT, 'examples/invoice-desk');
const temp: string[] = [];
const directory = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'cordon-policy-'));
  temp.push(path);
  return path;
};
after(() => Promise.all(temp.map((path) => rm(path, { recursive: true, force: true }))));

const json = ({ stdout, stderr }: Ran, schema: string): Record<string, unknown> => {
  const read = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(read['schema'], schema, stderr);
  return read;
};

/** A directory with the example's policies and world, where no Cordon ever ran. */
async function bare(
  files: Readonly<Record<string, string>> = {},
): Promise<{ readonly dir: string; readonly cordon: (...args: readonly string[]) => Promise<Ran> }> {
  const dir = await directory();
  await cp(join(EXAMPLE, 'policies'), join(dir, 'policies'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'policies', name), text);
  return { dir, cordon: (...args) => run(args, { cwd: dir }) };
}
const WITH = ['policies', '--world', 'policies/world.json'] as const;

describe('beside a Cordon', () => {
  let desk: Desk;
  const policy = (name: string): string => join(desk.dir, 'policies', name);

  before(async () => {
    desk = await openDesk((yaml) =>
      yaml.replace('\nresources: {}\n', `\nresources:\n  files:\n    segment: tools\n    reads: [read_text_file, list_directory]\n    mcp: { stdio: ${JSON.stringify(inboxServer(join(tmpdir(), 'nowhere')).with(2, '.'))} }\n`),
    ); // prettier-ignore
  });
  after(() => desk.close());

  test('before it ever ran: what `cordon init` wrote is sound, and tools are not known', async () => {
    const checked = await desk.cordon('policy', 'check', '--strict');
    assert.deepEqual([checked.code, checked.stdout], [0, 'v nothing found in 2 files, against cordon.yaml and the tools pinned in .cordon; no tools are known of files\n']); // prettier-ignore
    assert.equal((await desk.cordon('policy', 'fmt', '--check')).code, 0);
    const tested = await desk.cordon('policy', 'test');
    assert.equal(tested.code, 0, tested.stdout);
    assert.match(
      tested.stdout,
      /^v nobody said .*\ncoverage 0 % {2}0 of 2 outcomes\n {2}x assistant-reads {2}never exercised {2}policies\/assistant\.cedar:3\n/,
    );
    await assert.rejects(stat(desk.data), 'looking makes no data directory');
  });

  test('a policy for a tool of a server that was never seen says so', async () => {
    await writeFile(
      policy('extra.cedar'),
      '@id("x") permit (principal == Agent::"assistant", action == Action::"files/write_file", resource);',
    );
    const { code, stdout } = await desk.cordon('policy', 'check');
    assert.equal(code, 7);
    assert.match(
      stdout,
      /^policies\/extra\.cedar:1:61: error unknown-entity: the tools of `files` are not known: it has not been seen running\n {2}1 \| @id/,
    );
    await rm(policy('extra.cedar'));
  });

  test('while it runs: types of its tools, the examples of `cordon init`, and it says what it asked', async () => {
    await desk.up();
    const table = await readFile(policy('assistant.test.yaml'), 'utf8');
    await writeFile(policy('assistant.test.yaml'), table.replaceAll(/^#(?= {2}(?:- name| {2}\w))/gm, ''));
    const ran = await desk.cordon('policy', 'test', '--coverage-min', '100', '--json');
    assert.equal(ran.code, 0, ran.stdout);
    const tested = json(ran, 'cordon.policy-test/v1');
    assert.deepEqual([tested['ok'], tested['passed'], tested['world']], [true, 5, { from: 'server', detail: 'the running Cordon' }]);

    await writeFile(policy('typed.cedar'), '@id("x") permit (principal == Agent::"assistant", action == Action::"files/write_file", resource)\nwhen { context.input.pth == "a" && principal.level == "nrmal" };\n'); // prettier-ignore
    const { code, stdout } = await desk.cordon('policy', 'check');
    assert.equal(code, 7);
    assert.match(
      stdout,
      /policies\/typed\.cedar:2:8: error types: .*`input\.pth`.*\n.*\n {4}\| {8}\^+\n {2}fix {2}did you mean `path`\?\n {2}ref {2}docs\/policy-lint\.md#types\n/,
    );
    assert.match(stdout, /\nx 1 error in 3 files, against the running Cordon\n$/);
    await rm(policy('typed.cedar'));
  });

  test('when it has stopped: the same from what it pinned, and from a file that it wrote', async () => {
    const fromServer = await desk.cordon('policy', 'world');
    await desk.down();
    const fromData = await desk.cordon('policy', 'world');
    assert.equal(fromData.stdout, fromServer.stdout);
    assert.match(fromServer.stderr, /from the running Cordon/);
    assert.match(fromData.stderr, /from cordon\.yaml and the tools pinned in \.cordon/);
    const elsewhere = await directory();
    await cp(join(desk.dir, 'policies'), join(elsewhere, 'p'), { recursive: true });
    await writeFile(join(elsewhere, 'w.json'), fromData.stdout);
    const tested = await run(['policy', 'test', 'p', '--world', 'w.json'], { cwd: elsewhere });
    assert.equal(tested.code, 0, tested.stderr);
    assert.match(tested.stdout, /\nv 5 tests passed, against w\.json\n$/);
    assert.match(
      (await desk.cordon('policy', 'test')).stdout,
      /\nv 5 tests passed, against cordon\.yaml and the tools pinned in \.cordon\n$/,
    );
  });
});

describe('check', () => {
  test('warnings alone are no failure, with --strict they are; JSON has every member', async () => {
    const { cordon } = await bare({ 'loud.cedar': '@id("quiet")\nforbid (principal == Agent::"clerk", action == Action::"mail/send_mail", resource)\nwhen { context.input.to like "*" };\n' }); // prettier-ignore
    const [lax, strict] = await Promise.all([cordon('policy', 'check', ...WITH), cordon('policy', 'check', ...WITH, '--strict', '--json')]);
    assert.deepEqual([lax.code, strict.code], [0, 7]);
    const { ok, errors, warnings, findings } = json(strict, 'cordon.policy-check/v1');
    assert.deepEqual([ok, errors, warnings], [false, 0, 2]);
    assert.deepEqual((findings as JsonObject[]).map(({ rule, severity, file, line, column, policy, docs }) => ({ rule, severity, file, line, column, policy, docs }))[1], {
      rule: 'too-broad', severity: 'warning', file: 'policies/loud.cedar', line: 3, column: 8, policy: 'quiet', docs: 'docs/policy-lint.md#too-broad',
    }); // prettier-ignore
  });

  test('what admission alone refuses fails too', async () => {
    const { cordon } = await bare({ 'big.cedar': `// ${'a'.repeat(MAX_SOURCE)}\n` });
    const { code, stdout } = await cordon('policy', 'check', ...WITH);
    assert.equal(code, 7);
    assert.match(stdout, /error not-admitted: the policies are too large\n/);
  });

  test('hostile text in a policy reaches the terminal as text', async () => {
    const { cordon } = await bare({
      'evil.cedar': '@id("a\u001b[31m\u202e")\npermit (principal == Agent::"\u001b]0;owned\u0007", action, resource);\n',
    });
    const { stdout } = await cordon('policy', 'check', ...WITH);
    assert.doesNotMatch(stdout, /[\u001b\u0007\u202e]/);
    const { stdout: piped } = await cordon('policy', 'check', ...WITH, '--json');
    assert.doesNotMatch(piped, /[\u001b\u0007\u202e]/);
  });

  const wrong: readonly (readonly [what: string, args: readonly string[], stderr: RegExp])[] = [
    ['no configuration', ['check'], /cannot read `.*cordon\.yaml`\n {2}fix {2}make one: `cordon init`/],
    ['no directory', ['check', 'nowhere', '--world', 'policies/world.json'], /CORDON-9007 no policy directory/],
    ['no world', ['check', 'policies', '--world', 'nowhere.json'], /cannot read `nowhere\.json`\n {2}fix {2}write one: `cordon policy world > FILE`/],
    ['a world that is none', ['check', 'policies', '--world', 'policies/desk.cedar'], /is not a world\n {2}why {2}expected {2}`cordon\.world\/v1`/],
    ['no policies', ['check', 'empty', '--world', 'policies/world.json'], /CORDON-9007 there is no policy/],
    ['no tests', ['test', 'empty', '--world', 'policies/world.json'], /no tests, and no test is no pass\n {2}why {2}observed {2}no `\*\.test\.yaml` in `empty`/],
    ['a percentage that is none', ['test', '--coverage-min', '-1'], /expected {2}a number from 0 to 100/],
    ['a percentage beyond all', ['test', '--coverage-min=101'], /expected {2}a number from 0 to 100/],
    ['a file that is not there', ['fmt', 'nowhere.cedar'], /CORDON-9007 no policy directory/],
    ['a misspelt flag', ['check', '--stric'], /did you mean `--strict`/],
  ]; // prettier-ignore
  for (const [what, args, stderr] of wrong) {
    test(`${what}: exit 2, the cause, the fix`, async () => {
      const { dir, cordon } = await bare();
      await mkdir(join(dir, 'empty'));
      const ran = await cordon('policy', ...args);
      assert.deepEqual([ran.code, ran.stdout], [2, ''], ran.stderr);
      assert.match(ran.stderr, stderr);
    });
  }
});

describe('test', () => {
  test('a failing test is told with its line, what was expected and observed, and the clause that decided', async () => {
    const table = `tests:
  - { name: too much, agent: clerk, call: ledger/pay_invoice, input: { vendor: Nordlicht Energie AG, iban: DE44100500000054910477, amount_cents: 1000001, invoice: x }, expect: allow }
  - { name: misspelt, agent: clerk, call: ledger/pay_invoce, expect: deny }\n`;
    const { cordon } = await bare({ 'desk.test.yaml': table });
    const { code, stdout } = await cordon('policy', 'test', ...WITH);
    assert.equal(code, 7);
    assert.match(stdout, /^x too much {2}policies\/desk\.test\.yaml:2\n {2}expected {2}allow\n {2}observed {2}deny CORDON-3005\n/);
    assert.match(stdout, /nearest {2}clerk-pays-vendors-on-record .*\n(?:.*\n){2} +x {2}context\.input\.amount_cents <= 1000000 +observed context\.input\.amount_cents: 1000001\n/); // prettier-ignore
    assert.match(stdout, /x misspelt .*\n.*\n {2}observed {2}deny CORDON-3003; no policy was asked.*\n {2}fix {7}nothing is called `ledger\/pay_invoce`; did you mean `ledger\/pay_invoice`\?\n/); // prettier-ignore
    assert.match(stdout, /\nx 2 of 2 tests failed, against policies\/world\.json\n$/);
  });

  test('too little covered fails though every test passes, and says what is missing', async () => {
    const { cordon } = await bare({
      'desk.test.yaml': 'tests:\n  - { name: a, agent: clerk, call: ledger/list_vendors, expect: allow }\n',
    });
    assert.equal((await cordon('policy', 'test', ...WITH)).code, 0);
    const { code, stdout } = await cordon('policy', 'test', ...WITH, '--coverage-min', '8.4');
    assert.equal(code, 7);
    assert.match(stdout, /^v a\ncoverage 8\.3 % {2}1 of 12 outcomes\n/);
    assert.match(stdout, /\nx 8\.3 % covered, 8\.4 % wanted\nv 1 test passed, /);
    assert.equal((await cordon('policy', 'test', ...WITH, '--coverage-min', '8.3')).code, 0);
  });

  test('policies that are not admitted are no test result', async () => {
    const { cordon } = await bare({ 'desk.cedar': 'permit (principal action, resource);' });
    const { code, stdout, stderr } = await cordon('policy', 'test', ...WITH);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^x CORDON-9006 policies\/desk\.cedar:1:19: unexpected token `action`/);
  });

  test('--watch runs again after each change, tells what is broken meanwhile, and ends clean with Ctrl-C', async () => {
    const { dir } = await bare();
    const file = join(dir, 'policies', 'desk.cedar');
    const text = await readFile(file, 'utf8');
    const child = spawn(process.execPath, [MAIN, 'policy', 'test', ...WITH, '--watch', '--json'], {
      cwd: dir,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const runs = ndjson(child);
    const next = async (): Promise<Record<string, unknown>> => {
      const result = await runs.next();
      return result.done === true ? assert.fail('it ended') : result.value;
    };
    assert.equal((await next())['ok'], true);
    await writeFile(file, text.replace('amount_cents <= 1000000', 'amount_cents <= 10'));
    assert.equal((await next())['ok'], false);
    await writeFile(file, 'permit (');
    assert.match(JSON.stringify(await next()), /"ok":false,"error":\{"message":"policies\/desk\.cedar:1/);
    await writeFile(file, text);
    assert.equal((await next())['ok'], true);
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 0, 'the last run passed');
  });
});

/** One JSON object a line; repeated runs of one change count once. */
async function* ndjson(child: ChildProcess): AsyncGenerator<Record<string, unknown>> {
  let rest = '';
  let last = '';
  for await (const chunk of child.stdout ?? []) {
    rest += String(chunk);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== last) yield JSON.parse(line) as Record<string, unknown>;
      last = line;
    }
  }
}

describe('fmt', () => {
  const UGLY = '// keep\n@id("x")permit(principal,action,resource is Agent)when{principal==resource};\n';
  const FORMED = '// keep\n@id("x")\npermit (\n  principal,\n  action,\n  resource is Agent\n)\nwhen { principal == resource };\n';

  test('rewrites what differs, keeps mode and link, leaves nothing beside it; again changes nothing', async () => {
    const { dir, cordon } = await bare();
    const at = (name: string): string => join(dir, 'policies', name);
    await writeFile(at('real'), UGLY);
    await chmod(at('real'), 0o640);
    await symlink('real', at('link.cedar'));
    const check = await cordon('policy', 'fmt', 'policies', '--check');
    assert.deepEqual([check.code, check.stdout], [7, 'x policies/link.cedar\nx 1 of 2 files would change: cordon policy fmt\n']);
    assert.equal(await readFile(at('real'), 'utf8'), UGLY);
    const rewritten = json(await cordon('policy', 'fmt', 'policies', '--json'), 'cordon.policy-fmt/v1');
    assert.deepEqual(rewritten['changed'], ['policies/link.cedar']);
    assert.equal(await readFile(at('real'), 'utf8'), FORMED);
    assert.ok((await lstat(at('link.cedar'))).isSymbolicLink());
    assert.equal((await stat(at('real'))).mode & 0o777, 0o640);
    assert.deepEqual((await readdir(join(dir, 'policies'))).filter((name) => name.includes('.tmp')), []); // prettier-ignore
    assert.deepEqual((await cordon('policy', 'fmt', 'policies', '--check')).code, 0);
    assert.equal((await cordon('policy', 'test', ...WITH)).code, 0, 'the meaning stays');
  });

  test('one file that cannot be read: nothing is written, exit 2, all places', async () => {
    const { dir, cordon } = await bare({
      'a.cedar': UGLY,
      'b.cedar': 'permit (;\n',
      'c.cedar': 'permit (principal, action, resource) when { = };',
    });
    const { code, stdout } = await cordon('policy', 'fmt', 'policies');
    assert.equal(code, 2);
    assert.match(stdout, /policies\/b\.cedar:\d.*syntax[^]*policies\/c\.cedar:1:\d+: error syntax[^]*x 2 errors, nothing was written\n$/);
    assert.equal(await readFile(join(dir, 'policies', 'a.cedar'), 'utf8'), UGLY);
  });

  test('`-` is a filter; one file can be named', async () => {
    const { dir, cordon } = await bare({ 'a.cedar': UGLY });
    const pipe = (args: readonly string[], input: string): Promise<Ran> =>
      execute(process.execPath, [MAIN, 'policy', 'fmt', '-', ...args], { cwd: dir, input } satisfies RunOptions);
    assert.deepEqual(await pipe([], UGLY), { code: 0, stdout: FORMED, stderr: '' });
    assert.deepEqual(
      [(await pipe(['--check'], UGLY)).code, (await pipe(['--check'], FORMED)).code, (await pipe([], 'permit')).code],
      [7, 0, 2],
    );
    assert.equal((await cordon('policy', 'fmt', 'policies/a.cedar')).stdout, 'v policies/a.cedar\nv 1 of 1 file rewritten\n');
  });
});

describe('the world of the example', () => {
  const read = async (): Promise<ReturnType<typeof worldOf>> =>
    worldOf(WORLD.parse(parseJson(await readFile(join(EXAMPLE, 'policies/world.json')), { maxBytes: 1_000_000, maxDepth: 64 })));

  test('is what its configuration says', async () => {
    const inbox = await loadInbox(join(EXAMPLE, 'inbox'));
    const yaml = deskConfig({ gateway: 1, control: 2, identity: 3, processes: await freePorts() }, inbox, '/inbox', 'policies');
    const { segments, agents, resources } = parseConfig(yaml, 'cordon.yaml');
    const { tools, levels } = await read();
    assert.deepEqual(worldJson(await read()), worldJson({ segments, agents, resources, tools, levels }));
  });

  test('and what its servers offer', async () => {
    const stateDir = await directory();
    await seed(stateDir, []);
    const servers = processes('unprotected', { inboxDir: stateDir, stateDir, ports: await freePorts(), ledgerApiKey: 'key' }).filter(
      ({ kind }) => kind === 'resource',
    );
    const { tools } = await read();
    const seen = await Promise.all([...servers.map(listing), listed('inbox', { command: inboxServer(stateDir) })]); // prettier-ignore
    for (const [name, list] of seen) {
      const offered = worldJson({
        ...(await read()),
        tools: new Map([[name, readTools(parseJson(Buffer.from(JSON.stringify(list)), { maxBytes: 1_000_000, maxDepth: 64 }))]]),
      });
      const recorded = worldJson({ ...(await read()), tools: new Map([[name, tools.get(name) ?? []]]) });
      assert.deepEqual(offered.tools, recorded.tools, name);
    }
  });

  async function listed(name: string, target: Target): Promise<readonly [string, unknown]> {
    const peer = mcpPeer('test', () => target);
    try {
      return [name, await peer.listTools()];
    } finally {
      await peer.close();
    }
  }

  async function listing({ name, command, env }: DeskProcess): Promise<readonly [string, unknown]> {
    const [file = '', ...args] = command;
    const child = spawn(file, args, { env: { PATH: process.env['PATH'], ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data'); // it says that it listens
      const url = new URL(`http://${env['DESK_LISTEN'] ?? ''}/mcp`);
      const fetchWithKey = (to: string | URL, init: RequestInit = {}): Promise<Response> => {
        const headers = new Headers(init.headers);
        headers.set('authorization', 'Bearer key');
        return fetch(to, { ...init, headers });
      };
      return await listed(name, { url, fetch: fetchWithKey });
    } finally {
      child.stdin.end();
      child.kill();
    }
  }
});
