// An MCP server that the gateway spawns: the official filesystem server, untouched, reachable through nothing else.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { connect, type Cordon } from '../src/sdk/index.ts';
import { openBed, type Bed } from './support/bed.ts';
import { startRun } from './support/join.ts';
import { openLine, type Line } from './support/line.ts';
import { until } from './support/until.ts';

const SERVER = join(import.meta.dirname, '../node_modules/@modelcontextprotocol/server-filesystem/dist/index.js');
const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("reads") permit (principal == Agent::"caller", action in [Action::"files/read_text_file", Action::"files/list_directory"], resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"files/write_file", resource) when { context.input.content != "evil" };
`;
const MARKER = 'CORDON_TEST_MARKER';

let bed: Bed;
let files: string;
let cordon: Cordon;
let client: Client;
let line: Line;

interface Called {
  readonly isError?: boolean;
  readonly content: readonly { readonly text: string }[];
  readonly structuredContent?: { readonly code?: string };
}
const call = async (name: string, args: Record<string, unknown>): Promise<Called> =>
  (await client.callTool({ name, arguments: args })) as unknown as Called;
const read = (name: string): Promise<Called> => call('read_text_file', { path: join(files, name) });

before(async () => {
  files = await mkdtemp(join(tmpdir(), 'cordon-files-'));
  await mkdir(join(files, 'in'));
  await writeFile(join(files, 'in', 'hello.txt'), 'héllo\n');
  await writeFile(join(files, 'secret.txt'), 'not for agents\n');
  await symlink(join(files, 'secret.txt'), join(files, 'in', 'link.txt'));
  process.env[MARKER] = 'only Cordon has this';
  const command = JSON.stringify([process.execPath, SERVER, join(files, 'in')]);
  const resources = `resources:\n  files:\n    segment: tools\n    reads: [read_text_file, list_directory]\n    mcp: { stdio: ${command}, env: { SAID: "by the operator" } }\npolicies:`;
  bed = await openBed({ tools: false, policies: POLICIES, configure: (yaml) => yaml.replace(/^resources:[^]*^policies:/m, resources) });
  await bed.ready();
  const { token, bundle } = await startRun(bed, 'agent', 'caller');
  cordon = await connect({
    CORDON_JOIN_TOKEN: token,
    CORDON_IDENTITY_URL: `https://127.0.0.1:${bed.ports.identity}`,
    CORDON_BUNDLE: bundle,
  });
  client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(cordon.mcpUrl('files'), { fetch: cordon.fetch }));
  line = openLine(bed.ports.gateway, await bed.svid('caller'));
});
after(async () => {
  await (line as Line | undefined)?.close();
  await (client as Client | undefined)?.close();
  await (cordon as Cordon | undefined)?.close();
  await (bed as Bed | undefined)?.close();
  await rm(files, { recursive: true, force: true });
});

describe('the official filesystem server behind Cordon', () => {
  void test('[MCP-2025-11-25] the official client lists what policy allows it, and reads through Cordon', async () => {
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name).toSorted(), ['list_directory', 'read_text_file', 'write_file']);
    assert.equal((await read('in/hello.txt')).content[0]?.text, 'héllo\n');
    assert.match((await call('list_directory', { path: join(files, 'in') })).content[0]?.text ?? '', /hello\.txt/);
  });

  void test('[I1] what policy does not allow does not reach the server: another tool, another argument', async () => {
    const moved = await call('move_file', { source: join(files, 'in', 'hello.txt'), destination: join(files, 'in', 'gone.txt') });
    assert.deepEqual([moved.isError, moved.structuredContent?.code], [true, 'CORDON-3001']);
    const written = await call('write_file', { path: join(files, 'in', 'new.txt'), content: 'evil' });
    assert.deepEqual([written.isError, written.structuredContent?.code], [true, 'CORDON-3005']);
    assert.deepEqual((await readdir(join(files, 'in'))).toSorted(), ['hello.txt', 'link.txt']);
    assert.notEqual((await call('write_file', { path: join(files, 'in', 'new.txt'), content: 'good' })).isError, true);
    assert.equal(await readFile(join(files, 'in', 'new.txt'), 'utf8'), 'good');
  });

  void test('a file outside its directory is refused by the server itself, also through a link', async () => {
    for (const name of ['secret.txt', 'in/../secret.txt', 'in/link.txt']) {
      const answer = await read(name);
      assert.equal(answer.isError, true, name);
      assert.doesNotMatch(JSON.stringify(answer), /not for agents/);
    }
  });

  void test('many calls at once come back to who asked', async () => {
    const names = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        await writeFile(join(files, 'in', `${n}.txt`), `content ${n}`);
        return `${n}.txt`;
      }),
    );
    const answers = await Promise.all(names.map((name) => read(join('in', name))));
    assert.deepEqual(
      answers.map(({ content }) => content[0]?.text),
      names.map((_, n) => `content ${n}`),
    );
  });
});

/** Processes whose parent this is. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')));
  return lists.flatMap((list) =>
    list
      .split(' ')
      .filter((id) => id !== '')
      .map(Number),
  );
}
const isGone = async (pid: number): Promise<true | undefined> => {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return state === undefined || /\) Z /.test(state) ? true : undefined;
};

describe('its process', { skip: process.platform === 'linux' ? false : 'reads /proc' }, () => {
  const child = async (): Promise<number> => {
    const [pid, ...more] = await childrenOf(bed.process().pid ?? 0);
    assert.ok(pid !== undefined && more.length === 0, 'the gateway has one child');
    return pid;
  };

  void test("[I8] its environment holds what the operator gave it and nothing of Cordon's", async () => {
    assert.match(await readFile(`/proc/${bed.process().pid ?? 0}/environ`, 'utf8'), new RegExp(MARKER));
    const environ = (await readFile(`/proc/${await child()}/environ`, 'utf8')).split('\0').filter((entry) => entry !== '');
    assert.deepEqual(environ.map((entry) => entry.replace(/=.*$/s, '')).toSorted(), ['PATH', 'SAID']);
  });

  void test('[I8] it inherits no open file of Cordon: no database, no log, no socket but its own pipes', async () => {
    const pid = await child();
    const targets = await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
    assert.ok(targets.length >= 3);
    assert.deepEqual(
      targets.filter((target) => target.startsWith(bed.dir)),
      [],
    );
  });

  void test('killed, it is started again with the next call; calls that were open fail with CORDON-9010', async () => {
    const first = await child();
    process.kill(first, 'SIGSTOP');
    const held = line.call('read_text_file', { path: join(files, 'in', 'hello.txt') }, 'files');
    await until('the call is open', async () => {
      const { gateway } = (await bed.control('GET', '/v1/status')).json as { gateway: { openCalls: number } };
      return gateway.openCalls === 1 ? true : undefined;
    });
    process.kill(first, 'SIGKILL');
    assert.equal(((await held).json['error'] as { data: { code: string } }).data.code, 'CORDON-9010');
    assert.equal((await read('in/hello.txt')).content[0]?.text, 'héllo\n');
    const second = await child();
    assert.notEqual(second, first);
    const answers = await Promise.all(Array.from({ length: 10 }, () => read('in/hello.txt')));
    assert.ok(answers.every(({ content }) => content[0]?.text === 'héllo\n'));
    assert.equal(await child(), second, 'one process, however many ask');
  });

  void test('it is gone after Cordon stops, and after Cordon is killed', async () => {
    const stopped = await child();
    await bed.stop();
    assert.equal(await isGone(stopped), true);
    await bed.start();
    await bed.ready();
    const orphan = await child();
    await bed.stop('SIGKILL');
    await until('the orphan ends', () => isGone(orphan));
  });

  void test('one that refuses to begin is ended before the next try, and leaves no process behind', async () => {
    const list = join(files, 'pids');
    const refuse = `
      require('node:fs').appendFileSync(${JSON.stringify(list)}, process.pid + '\\n');
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id } = JSON.parse(line);
        console.log(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32603, message: 'no' } }));
      });
      setInterval(() => {}, 1000);`;
    const config = join(bed.dir, 'cordon.yaml');
    const yaml = await readFile(config, 'utf8');
    await writeFile(config, yaml.replace(/stdio: .*$/m, `stdio: ${JSON.stringify([process.execPath, '-e', refuse])} }`));
    await bed.start();
    const started = async (): Promise<readonly number[]> =>
      (await readFile(list, 'utf8').catch(() => ''))
        .split('\n')
        .filter((pid) => pid !== '')
        .map(Number);
    const three = await until('it was tried three times', async () => {
      const pids = await started();
      return pids.length >= 3 ? pids : undefined;
    });
    for (const pid of three.slice(0, 2)) await until(`${pid} ends`, () => isGone(pid), 100);
    await bed.stop();
    for (const pid of await started()) await until(`${pid} ends with Cordon`, () => isGone(pid), 100);
  });
});
