// The command line against a running `cordon up`, as a user has it: real processes, real sockets, the configuration of `cordon init`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPem } from '../src/crypto/x509.ts';
import { subjectKey } from '../src/crypto/x509-leaf.ts';
import { randomSerial } from '../src/crypto/random.ts';
import { parseTrustDomain, workloadId } from '../src/domain/spiffe-id.ts';
import { authorityOf, createIntermediate, createRoot } from '../src/identity/authority.ts';
import { issueSvid } from '../src/identity/issue.ts';
import { cordon as run, environment, MAIN, openDesk, ROOT, type Desk, type Ran } from './support/cordon.ts';

const HOSTILE = '"\\u001b[31mevil\\u202e\\u009b2J"';
let desk: Desk;

before(async () => {
  desk = await openDesk((yaml) => yaml.replace('owner: you@desk.example', `owner: ${HOSTILE}`));
  await desk.up();
});
after(() => desk.close());

const jsonOf = ({ stdout, stderr }: Ran): Record<string, unknown> => {
  assert.equal(stdout.trimEnd().split('\n').length, 1, `one line of JSON, not: ${stdout}${stderr}`);
  const json = JSON.parse(stdout) as Record<string, unknown>;
  assert.match(String(json['schema']), /^cordon\.[a-z]+\/v1$/);
  return json;
};

describe('cordon up', () => {
  test('says what it is, with marks and durations, and `ready` last', () => {
    const said = desk.said();
    assert.match(said, /^ {2}v {2}config .*desk\.example: 1 agent, 0 resources, 2 segments/);
    assert.match(said, new RegExp(`v {2}gateway +https://127\\.0\\.0\\.1:${desk.ports.gateway} `));
    assert.match(said, /v {2}policies +\d+ policies, version \d+, enforce/);
    assert.match(said, /\nready +[\d.]+ m?s {3}stop: Ctrl-C\n$/);
  });

  test('a second one on the same data directory is refused clearly: exit 8', async () => {
    const { code, stderr } = await desk.cordon('up');
    assert.equal(code, 8);
    assert.match(stderr, /^x a Cordon runs on the data directory `.*` already\n[^]*fix {2}1 see it: `cordon status`/);
    assert.equal((await desk.cordon('status')).code, 0);
  });

  test('a port in use is exit 2 with the fix, and leaves the other one alone', async () => {
    const { code, stderr } = await desk.cordon('up', '--data', join(desk.dir, 'other'));
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^x CORDON-9006 `127\.0\.0\.1:\d+` is in use\n {2}fix {2}stop what listens there, or set `listen\.\w+` in cordon\.yaml/,
    );
  });
});

describe('reading commands', () => {
  test('each prints JSON with its schema', async () => {
    const commands = [
      ['status'],
      ['agent', 'list'],
      ['whois', 'assistant'],
      ['can', 'assistant', 'tools/list', 'files'],
      ['doctor'],
      ['audit', 'verify'],
      ['version'],
      ['why', '--last', '3'],
      ['policy', 'apply'],
    ];
    const all = await Promise.all(commands.map((args) => desk.cordon(...args, '--json')));
    const schemas = all.map((ran) => jsonOf(ran)['schema']);
    assert.deepEqual(
      schemas,
      ['status', 'agents', 'whois', 'can', 'doctor', 'verification', 'version', 'decisions', 'rollout'].map((name) => `cordon.${name}/v1`),
    );
    assert.deepEqual(
      all.map(({ code }) => code),
      [0, 0, 0, 5, 0, 0, 0, 0, 0],
    );
  });

  test('global options stand before the command as well as after it', async () => {
    const { code, stdout } = await run(['--json', '--data', desk.data, 'status'], { cwd: tmpdir() });
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { trustDomain: string }).trustDomain, 'desk.example');
    const env = await run(['status', '--json'], { cwd: tmpdir(), env: { CORDON_DATA: desk.data } });
    assert.equal(env.code, 0);
  });

  test('[U12] text of the configuration and of agents acts on no terminal', async () => {
    const [text, json] = await Promise.all([desk.cordon('agent', 'list'), desk.cordon('agent', 'list', '--json')]);
    assert.match(text.stdout, /assistant .* evil2J|assistant .* evil /);
    for (const { stdout } of [text, json]) assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
    assert.match(JSON.stringify(jsonOf(json)), /\\u001b\[31mevil/);
  });

  test('can: the answer is no with exit 5, why, and the smallest thing that would help', async () => {
    const { code, stdout } = await desk.cordon('can', 'assistant', 'files/read_text_file');
    assert.equal(code, 5);
    assert.match(stdout, /^DENY {2}assistant {2}tools\/call {2}files\/read_text_file +CORDON-3003\n {2}because {2}/);
    assert.match(stdout, /\n {2}fix {6}register the resource/);
  });

  test('can: arguments may come from stdin', async () => {
    const { code } = await run(['can', 'assistant', 'files/x', '--input', '-'], { cwd: desk.dir, input: '{"path":"a"}' });
    assert.equal(code, 5);
  });

  test('a name that is misspelt is exit 2 with the one that was meant', async () => {
    for (const args of [
      ['can', 'asistant', 'a/b'],
      ['off', 'asistant', '--reason', 'x'],
      ['release', 'asistant', '--reason', 'x'],
    ]) {
      const { code, stderr } = await desk.cordon(...args);
      assert.equal(code, 2);
      assert.match(stderr, /^x CORDON-1014 no agent is registered as `asistant`\n[^]*fix {2}did you mean `assistant`\?/);
    }
    const { code, stderr } = await desk.cordon('tools', 'accept', 'files', '--digest', `sha256:${'0'.repeat(64)}`);
    assert.equal(code, 2);
    assert.match(stderr, /no MCP server is registered as `files`/);
  });

  test('status --watch ends with Ctrl-C, exit 0', async () => {
    const child = spawn(process.execPath, [MAIN, 'status', '--watch', '--json'], {
      cwd: desk.dir,
      env: environment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    assert.equal((JSON.parse(line.toString()) as { schema: string }).schema, 'cordon.status/v1');
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});

/** Joins, keeps one connection to the gateway open with a call that is denied, and waits. */
const AGENT = `
import { connect } from ${JSON.stringify(join(ROOT, 'src/sdk/index.ts'))};
const cordon = await connect();
const reply = await cordon.fetch(cordon.mcpUrl('nothing'), {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'read', arguments: { path: '\\u001b[31mx' } } }),
});
await reply.text();
console.log('denied', reply.status);
process.on('SIGTERM', () => { console.log('told'); process.exit(7); });
setInterval(() => {}, 1000);
`;

async function startAgent(): Promise<{ child: ReturnType<typeof spawn>; lines: () => string }> {
  const script = join(desk.dir, 'agent.mjs');
  await writeFile(script, AGENT);
  const child = spawn(process.execPath, [MAIN, 'run', '--as', 'assistant', '--', process.execPath, script], {
    cwd: desk.dir,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let lines = '';
  child.stdout.on('data', (chunk: Buffer) => (lines += chunk.toString()));
  while (!lines.includes('denied')) await once(child.stdout, 'data');
  return { child, lines: () => lines };
}

describe('run, why, off, release', () => {
  test('J4, J5: an agent runs, is denied, explained, put off with its connection cut, and released', async () => {
    const { child, lines } = await startAgent();
    const agents = jsonOf(await desk.cordon('agent', 'list', '--json'));
    const [row] = agents['items'] as { runs: unknown[]; connections: number }[];
    assert.equal(row?.runs.length, 1);
    assert.equal(row.connections, 1);

    const why = await desk.cordon('why', '--last', '--agent', 'assistant');
    assert.equal(why.code, 0);
    assert.match(
      why.stdout,
      /^DENY {2}dec_[0-9A-Z]+ {2}\d{4}-.*Z {2}enforce {2}gateway-1 +CORDON-\d{4}\n {2}assistant \(spiffe:\/\/desk\.example\/agent\/assistant/,
    );
    assert.match(why.stdout, /\n {2}wanted {3}nothing[^]*\n {2}because [^]*\n {2}fix [^]*\n {2}proof .*log gateway-1 seq \d+\n$/);
    const id = /dec_[0-9A-Z]+/.exec(why.stdout)?.[0] ?? '';
    const json = jsonOf(await desk.cordon('why', id, '--json'));
    assert.equal((json['record'] as { id: string }).id, id);
    assert.ok((json['remedies'] as unknown[]).length >= 1);
    assert.equal((jsonOf(await desk.cordon('whois', id, '--json')) as { name?: string }).name, 'assistant');

    const off = await desk.cordon('off', 'assistant', '--reason', 'obeys \u001b[2Ja page');
    assert.equal(off.code, 0, off.stderr);
    assert.match(
      off.stdout,
      /^v assistant is at level `off`, was `normal`: contained in \d+ ms\n {2}v {2}gateway-1 {2}silent \d+ ms {2}1 connection\n/,
    );
    assert.match(
      off.stdout,
      /\n {2}undo {5}cordon release assistant --reason TEXT\n {2}log {6}desk\.example\/log\/gateway-1 seq \d+ {2}leaf [0-9a-f]{12}\.\.\n$/,
    );
    assert.equal((await desk.cordon('off', 'assistant', '--reason', 'again')).code, 8);
    const milder = await desk.cordon('off', 'assistant', '--level', 'watched', '--reason', 'x');
    assert.equal(milder.code, 8);
    assert.match(milder.stderr, /stricter than `watched`\n {2}fix {2}`cordon release assistant --to watched --reason TEXT`/);
    assert.match((await desk.cordon('status')).stdout, /! {2}agents +1 off/);

    const release = await desk.cordon('release', 'assistant', '--to', 'watched', '--reason', 'mended');
    assert.equal(release.code, 0);
    assert.match(
      release.stdout,
      /^v assistant is at level `watched`, was `off`: released\n[^]*undo {5}cordon off assistant --level off --reason TEXT\n/,
    );
    assert.equal(jsonOf(await desk.cordon('release', 'assistant', '--reason', 'mended', '--json'))['level'], 'normal');
    assert.equal((await desk.cordon('release', 'assistant', '--reason', 'mended')).code, 8);

    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [7, null], 'the signal reaches the child, its exit code comes back');
    assert.match(lines(), /told/);
    const [ended] = jsonOf(await desk.cordon('agent', 'list', '--json'))['items'] as { runs: unknown[] }[];
    assert.equal(ended?.runs.length, 0, 'the run is over at the control plane too');
  });

  test('run passes input, output, and 128 + n on; its own failures are 125, 126, 127', async () => {
    const sh = (script: string): Promise<Ran> =>
      run(['run', '--as', 'assistant', '--', 'sh', '-c', script], { cwd: desk.dir, input: 'hello\n' });
    const [echo, killed, unknown, absent, plainFile] = await Promise.all([
      sh('cat; test -n "$CORDON_JOIN_TOKEN" && test -n "$CORDON_IDENTITY_URL" && test -n "$CORDON_BUNDLE"'),
      sh('kill -KILL $$'),
      desk.cordon('run', '--as', 'nobody', '--json', '--', 'true'),
      desk.cordon('run', '--as', 'assistant', '--', './absent'),
      desk.cordon('run', '--as', 'assistant', '--', './cordon.yaml'),
    ]);
    assert.deepEqual([echo.code, echo.stdout], [0, 'hello\n']);
    assert.equal(echo.stderr.trimEnd().split('\n').length, 1, 'one line of our own');
    assert.deepEqual(
      [killed, unknown, absent, plainFile].map(({ code }) => code),
      [137, 125, 127, 126],
    );
    const error = JSON.parse(unknown.stderr) as { code: string; class: number };
    assert.deepEqual([error.code, error.class], ['CORDON-1014', 2]);
  });
});

describe('doctor', () => {
  test('[U18] passes, with checks that try what must fail', async () => {
    const { code, stdout } = await desk.cordon('doctor');
    assert.equal(code, 0, stdout);
    for (const name of [
      'no certificate refused',
      'self-made certificate refused',
      'empty set denies',
      'tampering is detected',
      'gateway answers',
      'database',
      'disk space',
      'intermediate',
      'clock',
    ]) {
      assert.match(stdout, new RegExp(`^ {2}v {2}${name} `, 'm'));
    }
    assert.match(stdout, /copy of the log: VERIFIED; with one bit changed: ALTERED/);
    assert.match(stdout, /\nv \d+ checks, all passed\n$/);
    assert.equal((await desk.cordon('audit', 'verify')).code, 0, 'the log itself was not touched');
    assert.equal((await desk.cordon('up')).code, 8, 'and is still locked');
  });

  test('an x is exit 7 and says what to do', async () => {
    await chmod(desk.data, 0o755);
    const { code, stdout } = await desk.cordon('doctor');
    await chmod(desk.data, 0o700);
    assert.equal(code, 7);
    assert.match(stdout, /x {2}data directory +others may read 1 of it\n {5}fix {2}chmod 700 /);
    assert.match(stdout, /\nx 1 check of \d+ failed\n$/);
  });
});

test('policy apply: a set that is not admitted is exit 2 with line and caret', async () => {
  const file = join(desk.dir, 'policies', 'broken.cedar');
  await writeFile(file, '@id("broken")\npermit (principal, action == Action::"nope/tool", resourse);\n');
  const { code, stderr } = await desk.cordon('policy', 'apply');
  await rm(file);
  assert.equal(code, 2);
  assert.match(stderr, /^x CORDON-9006 broken\.cedar:2:\d+: [^]*\n {4}2 \| permit \(principal[^]*\n {6}\| +\^/);
  assert.match(stderr, /until then version 1 stays in force/);
  assert.equal((await desk.cordon('policy', 'apply')).code, 0);
  assert.match((await desk.cordon('can', 'assistant', 'files/x')).stdout, /CORDON-3003/);
});

describe('credentials', () => {
  let copies: string;
  before(async () => {
    copies = await mkdtemp(join(tmpdir(), 'cordon-credentials-'));
  });
  after(() => rm(copies, { recursive: true, force: true }));

  /** A data directory whose credentials were changed. */
  async function withCredentials(name: string, change: (own: Record<string, unknown>) => Promise<object> | object): Promise<Ran> {
    const operator = join(copies, name, 'operator');
    await mkdir(operator, { recursive: true });
    await cp(join(desk.data, 'operator', 'credentials.json'), join(operator, 'credentials.json'));
    const own = JSON.parse(await readFile(join(operator, 'credentials.json'), 'utf8')) as Record<string, unknown>;
    await writeFile(join(operator, 'credentials.json'), JSON.stringify({ ...own, ...(await change(own)) }));
    return desk.cordon('status', '--data', join(copies, name));
  }

  async function selfMade(
    ttl: number,
    now = Date.now(),
    kind: 'operator' | 'agent' = 'operator',
  ): Promise<{ chain: string; privateKey: string; bundle: string }> {
    const trustDomain = parseTrustDomain('desk.example');
    const options = { trustDomain, now, serial: randomSerial };
    const root = await createRoot(options);
    const intermediate = await createIntermediate(root, options);
    const key = await generateKeyPem();
    const id = workloadId(trustDomain, kind, 'local', 'MADE');
    const authority = authorityOf(trustDomain, [root.certificate], intermediate);
    const svid = issueSvid(authority, { id, publicKey: subjectKey(key.publicKey), now, ttl, serial: randomSerial() });
    return { chain: svid.chain, privateKey: key.privateKey, bundle: root.certificate };
  }

  test('of another CA: the server turns them away, exit 3', async () => {
    const { code, stderr } = await withCredentials('stranger', async ({ bundle }) => ({ ...(await selfMade(60_000)), bundle }));
    assert.equal(code, 3, stderr);
    assert.match(stderr, /^x CORDON-1004 the operator's credentials are not accepted by the control plane/);
  });

  test('expired: exit 3', async () => {
    const { code, stderr } = await withCredentials('expired', async ({ bundle }) => ({
      ...(await selfMade(60_000, Date.now() - 3_600_000)),
      bundle,
    }));
    assert.equal(code, 3, stderr);
    assert.match(stderr, /^x CORDON-1002 the operator's credentials have expired/);
  });

  test('damaged: exit 3', async () => {
    const { code, stderr } = await withCredentials('damaged', () => ({ control: 'http://127.0.0.1:1' }));
    assert.equal(code, 3);
    assert.match(stderr, /credentials are damaged/);
  });

  test('of an agent: never sent, exit 3', async () => {
    const { code, stderr } = await withCredentials('agent', () => selfMade(60_000, Date.now(), 'agent'));
    assert.equal(code, 3);
    assert.match(stderr, /credentials are not those of an operator/);
  });

  test('a stranger that answers in the place of Cordon is not believed: exit 4', async () => {
    const { code, stderr } = await withCredentials('impostor', () => selfMade(60_000));
    assert.equal(code, 4, stderr);
    assert.match(stderr, /^x what answers at `https:.*` is not the Cordon of /);
  });

  test('another part of the same Cordon is not the control plane: exit 4', async () => {
    const { code, stderr } = await withCredentials('gateway', () => ({ control: `https://127.0.0.1:${desk.ports.gateway}` }));
    assert.equal(code, 4, stderr);
    assert.match(stderr, /is not the Cordon of /);
  });

  test('nobody listens: exit 4, and how to start it', async () => {
    const { code, stderr } = await withCredentials('gone', () => ({ control: 'https://127.0.0.1:1' }));
    assert.equal(code, 4);
    assert.match(stderr, /^x Cordon is not running\n[^]*fix {2}start it: `cordon up/);
  });
});

describe('ending', () => {
  test('kill -9, then up again: it starts, the log verifies, what was off is off', async () => {
    assert.equal((await desk.cordon('off', 'assistant', '--reason', 'before the crash')).code, 0);
    await desk.down('SIGKILL');
    assert.equal((await desk.cordon('status')).code, 4);
    assert.equal((await desk.cordon('doctor')).code, 4);
    await desk.up();
    assert.match((await desk.cordon('agent', 'list')).stdout, /assistant +desk +off/);
    assert.equal((await desk.cordon('audit', 'verify')).code, 0);
    assert.equal((await desk.cordon('release', 'assistant', '--reason', 'after the crash')).code, 0);
  });

  test('the first signal closes what is open: exit 0, and the log is whole', async () => {
    assert.equal(await desk.down('SIGINT'), 0);
    assert.match(desk.said(), /stopping; Ctrl-C again ends at once/);
    assert.equal((await desk.cordon('audit', 'verify')).code, 0);
  });

  test('a second signal ends at once: exit 130', async () => {
    const child = spawn(process.execPath, [MAIN, 'up', '--json'], {
      cwd: desk.dir,
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'exit'), [130, null]);
  });

  test('with --json every line is an event of cordon.up/v1', async () => {
    await desk.up('--json');
    assert.equal(await desk.down(), 0);
    const events = desk
      .said()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { schema: string; event: string; ms: number });
    assert.deepEqual(
      events.map(({ event }) => event),
      ['configured', 'listening', 'policies', 'ready', 'stopping', 'stopped'],
    );
    for (const { schema, ms } of events) assert.deepEqual([schema, typeof ms], ['cordon.up/v1', 'number']);
  });

  test('no policies: it runs, says that everything is denied, and doctor agrees', async () => {
    await rm(join(desk.dir, 'policies', 'sessions.cedar'));
    await rm(join(desk.dir, 'policies', 'assistant.cedar'));
    await desk.up();
    assert.match(desk.said(), /x {2}policies +none, so every call is denied: CORDON-9007[^]*\nready \(no policies: every call is denied\)/);
    const [can, doctor, status] = await Promise.all([
      desk.cordon('can', 'assistant', 'files/x'),
      desk.cordon('doctor'),
      desk.cordon('status'),
    ]);
    assert.deepEqual([can.code, doctor.code, status.code], [5, 7, 0]);
    assert.match(can.stdout, /^ERROR .*CORDON-9007/);
    assert.match(status.stdout, /x {2}policies +none: every call is denied {2}CORDON-9007/);
    await desk.down();
  });
});
