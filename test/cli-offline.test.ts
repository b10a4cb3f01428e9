// The command line without a server: help, usage errors, `init`, configuration errors, offline verification, and never a hang.
import assert from 'node:assert/strict';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateEd25519 } from '../src/crypto/ed25519.ts';
import { formatVerifierKey, verifierKey } from '../src/audit/note.ts';
import { openDecisionLog } from '../src/store/log-files.ts';
import { cordon as run, execute, MAIN, type Ran } from './support/cordon.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cordon-offline-'));
});
after(() => rm(dir, { recursive: true, force: true }));

const cordon = (...args: readonly string[]): Promise<Ran> => run(args, { cwd: dir });

const COMMANDS = [
  'init', 'up', 'demo', 'run', 'status', 'agent list', 'agent get', 'agent register', 'agent approve', 'agent token', 'agent delete', 'whois', 'can', 'why', 'off', 'release', 'policy impact', 'policy apply', 'policy status', 'policy promote', 'policy rollback', 'policy withdraw', 'policy history', 'tools diff', 'tools accept', 'audit verify', 'doctor', 'version',
  'ca status', 'ca root', 'ca rotate', 'delegation verify', 'delegation revoke', 'federation list', 'federation refresh', 'login', 'logout', 'whoami', 'mcp wrap', 'mcp unwrap', 'mcp connect',
  'operator list', 'operator invite', 'operator role', 'operator remove', 'operator break-glass', 'operator review', 'order list', 'order approve', 'order refuse',
]; // prettier-ignore

/** Tells on stderr, at the end, which packages were loaded. */
const LOADED = `
import { registerHooks } from 'node:module';
const seen = new Set();
registerHooks({ load: (url, context, next) => (seen.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]), next(url, context)) });
process.on('exit', () => process.stderr.write([...seen].filter(Boolean).join()));`;

describe('[U9] conventions', () => {
  test('help of every command opens with examples, on stdout, exit 0', async () => {
    const helps = await Promise.all(COMMANDS.map((command) => cordon(...command.split(' '), '--help')));
    for (const [at, { code, stdout, stderr }] of helps.entries()) {
      const command = COMMANDS[at] ?? '';
      assert.equal(code, 0, command);
      assert.equal(stderr, '', command);
      const [head, ...lines] = stdout.split('\n');
      assert.equal(head, 'Examples:', command);
      assert.ok(lines.findIndex((line) => line === '') >= 1, command);
      assert.match(stdout, new RegExp(`Usage: cordon ${command} `), command);
    }
  });

  test('the help of all names every command', async () => {
    const { code, stdout } = await cordon('--help');
    assert.equal(code, 0);
    for (const command of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${command.split(' ')[0] ?? ''}\\b`, 'm'));
  });

  test('a command that needs no server brings no TLS, no certificates and no schemas with it', async () => {
    const tells = `data:text/javascript,${encodeURIComponent(LOADED)}`;
    const { code, stderr } = await execute(process.execPath, ['--import', tells, MAIN, 'why', 'CORDON-1001'], { cwd: dir });
    assert.deepEqual([code, stderr], [0, 'commander']);
  });

  test('no command at all: help on stderr, exit 2', async () => {
    const { code, stdout, stderr } = await cordon();
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^Examples:/);
  });

  const wrong: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
    [['stauts'], /^x unknown command `stauts`\n {2}fix {2}1 did you mean `status`\?/],
    [['status', '--wach'], /^x unknown option `--wach`\n {2}fix {2}1 did you mean `--watch`\?/],
    [['off', 'clerk'], /required option `--reason <text>` not specified\n {2}fix {2}1 `cordon off clerk --reason TEXT`/],
    [
      ['off', 'clerk', '--reason', 'x', '--level', 'away'],
      /`away` is invalid\n {2}why {2}expected {2}allowed choices are watched, restricted, off/,
    ],
    [['off', 'clerk', '--reason', ' '], /^x the reason is empty/],
    [['whois'], /missing required argument `what`/],
    [['agent', 'list', 'all'], /too many arguments for `list`/],
    [['why'], /name a decision or a code/],
    [['why', 'dec-1'], /not a decision and not a code/],
    [['why', 'CORDON-9999'], /no code is called `CORDON-9999`\n {2}fix {2}1 did you mean/],
    [['why', '--last', 'ten'], /`ten` is invalid/],
    [['can', 'clerk', 'ledger'], /the resource is missing/],
    [['can', 'clerk', 'ledger/pay', '--input', '{"a":1,"a":2}'], /duplicate key/],
    [['can', 'clerk', 'ledger/pay', '--input', '[1]'], /no JSON object/],
    [['can', 'clerk', 'ledger/pay', '--group', 'finance'], /the user is missing/],
    [['can', 'clerk', 'ledger/pay', '--user', 'alice', '--mandate', 'nowhere.json'], /the mandate cannot be read/],
    [['login', '--server', 'cordon example'], /`--server` is no URL/],
    [
      ['login', '--server', 'https://127.0.0.1:1', '--trust', '3f2a'],
      /`--trust` is not a fingerprint\n {2}why {2}observed {2}4 characters/,
    ],
    [['off', 'clerk', '--run', 'R1AB', '--reason', 'x'], /not both/],
    [['ca', 'rotate', 'prepare'], /which key\?/],
    [['delegation', 'revoke', '--reason', 'x'], /name one thing to revoke/],
    [['run', '--as', 'clerk'], /missing required argument `cmd`/],
    [['audit', 'verify', 'nowhere'], /no log is in/],
    [['--config'], /argument missing/],
  ];
  test('what is typed wrong is exit 2 with the fix, on stderr alone', async () => {
    const all = await Promise.all(wrong.map(([args]) => cordon(...args)));
    for (const [at, { code, stdout, stderr }] of all.entries()) {
      const [args = [], expected = /./] = wrong[at] ?? [];
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, expected, args.join(' '));
    }
  });

  test('an error under --json is one line of cordon.error/v1 on stderr', async () => {
    const { code, stdout, stderr } = await cordon('status', '--json');
    assert.deepEqual([code, stdout], [4, '']);
    assert.equal(stderr.trimEnd().split('\n').length, 1);
    const error = JSON.parse(stderr) as Record<string, unknown>;
    assert.equal(error['schema'], 'cordon.error/v1');
    assert.equal(error['class'], 4);
    assert.ok(Array.isArray(error['fix']));
  });

  test('without a server: exit 4 and what to do, never a hang', async () => {
    const asking = [
      ['status'],
      ['status', '--watch'],
      ['agent', 'list'],
      ['whois', 'clerk'],
      ['can', 'clerk', 'a/b'],
      ['why', '--last'],
      ['off', 'clerk', '--reason', 'x'],
      ['policy', 'apply'],
      ['tools', 'diff', 'x'],
    ];
    for (const { code, stderr } of await Promise.all(asking.map((args) => cordon(...args)))) {
      assert.equal(code, 4);
      assert.match(stderr, /^x no Cordon has run with the data directory `.*`[^]*fix {2}1 start one here: `cordon up`/);
    }
  });

  test('why CODE and version need none', async () => {
    const [code, version, json] = await Promise.all([
      cordon('why', '3001'),
      cordon('version', '--json'),
      cordon('why', 'cordon-4002', '--json'),
    ]);
    assert.match(code.stdout, /^CORDON-3001 {2}no matching permit\n/);
    assert.deepEqual((JSON.parse(version.stdout) as Record<string, unknown>)['server'], null);
    assert.equal((JSON.parse(json.stdout) as Record<string, unknown>)['schema'], 'cordon.code/v1');
  });

  test('a reader that goes away is no error', async () => {
    const { code, stderr } = await execute('/bin/sh', ['-c', `"${process.execPath}" "${MAIN}" --help | true`], { cwd: dir });
    assert.deepEqual([code, stderr], [0, '']);
  });
});

describe('colour', () => {
  const inTerminal = (env: Record<string, string>, ...args: readonly string[]): Promise<Ran> =>
    execute('script', ['-qec', [process.execPath, MAIN, ...args].join(' '), '/dev/null'], { cwd: dir, env, input: '' });

  test('in a pipe none, unless forced; NO_COLOR wins', async () => {
    const code = ['why', 'CORDON-3001'];
    const [piped, forced, refused, flagged] = await Promise.all([
      run(code, { cwd: dir }),
      run(code, { cwd: dir, env: { CLICOLOR_FORCE: '1' } }),
      run(code, { cwd: dir, env: { CLICOLOR_FORCE: '1', NO_COLOR: '1' } }),
      run([...code, '--no-color'], { cwd: dir, env: { CLICOLOR_FORCE: '1' } }),
    ]);
    assert.deepEqual(
      [piped, forced, refused, flagged].map(({ stdout }) => stdout.includes('\u001b[')),
      [false, true, false, false],
    );
  });

  test('on a terminal yes, with TERM=dumb no', async (t) => {
    const probe = await execute('script', ['-qec', 'true', '/dev/null'], { cwd: dir, input: '' }).catch(() => undefined);
    if (probe?.code !== 0) return t.skip('no script(1) here');
    const [colour, dumb, error] = await Promise.all([
      inTerminal({ TERM: 'xterm-256color', LANG: 'C.UTF-8' }, 'why', '3001'),
      inTerminal({ TERM: 'dumb' }, 'why', '3001'),
      inTerminal({ TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' }, 'status'),
    ]);
    assert.deepEqual(
      [colour, dumb].map(({ stdout }) => stdout.includes('\u001b[')),
      [true, false],
    );
    assert.match(error.stdout, /✗/);
    assert.equal(error.code, 4);
  });
});

describe('init', () => {
  test('writes a commented configuration, names what comes next, and never overwrites', async () => {
    const made = await cordon('init', 'desk', '--json');
    assert.equal(made.code, 0);
    const { schema, made: files } = JSON.parse(made.stdout) as { schema: string; made: readonly string[] };
    assert.equal(schema, 'cordon.init/v1');
    assert.deepEqual(
      files.map((file) => file.slice(join(dir, 'desk').length + 1)),
      ['cordon.yaml', 'policies/sessions.cedar', 'policies/assistant.cedar', 'policies/assistant.test.yaml', '.gitignore'],
    );
    const written = await readFile(join(dir, 'desk', 'cordon.yaml'), 'utf8');
    const again = await cordon('init', 'desk');
    assert.equal(again.code, 8);
    assert.match(again.stderr, /cordon\.yaml` is there already; nothing was written/);
    assert.equal(await readFile(join(dir, 'desk', 'cordon.yaml'), 'utf8'), written);
  });

  test('one policy file in the way: exit 8, and nothing was written', async () => {
    await mkdir(join(dir, 'taken', 'policies'), { recursive: true });
    await writeFile(join(dir, 'taken', 'policies', 'sessions.cedar'), 'mine');
    assert.equal((await cordon('init', 'taken')).code, 8);
    assert.deepEqual(await readdir(join(dir, 'taken')), ['policies']);
  });

  test('a .gitignore that is there is left alone, and the line that it lacks is named', async () => {
    await mkdir(join(dir, 'ignored'));
    await writeFile(join(dir, 'ignored', '.gitignore'), 'node_modules\n');
    const { code, stdout } = await cordon('init', 'ignored');
    assert.equal(code, 0);
    assert.match(stdout, /! ignored\/\.gitignore was there: add the line `\.cordon\/` to it/);
    assert.equal(await readFile(join(dir, 'ignored', '.gitignore'), 'utf8'), 'node_modules\n');
  });
});

describe('a configuration that is not one', () => {
  const broken: readonly (readonly [what: string, yaml: string, stderr: RegExp])[] = [
    ['no YAML', 'trustDomain: [\n', /CORDON-9006 .*cordon\.yaml:\d+:\d+: /],
    ['unknown member', 'trustDomain: a.example\nsegments: {}\nagnets: {}\n', /cordon\.yaml:3:1: `agnets`: unknown member/],
    [
      'unknown segment',
      'trustDomain: a.example\nsegments: { desk: {} }\nagents:\n  a: { segment: dsek, owner: x, purpose: y }\n',
      /cordon\.yaml:4:\d+: .*no segment is called `dsek`; there are: desk/,
    ],
  ];
  for (const [what, yaml, expected] of broken) {
    test(`${what}: the line, the fix, exit 2`, async () => {
      const config = join(dir, 'broken.yaml');
      await writeFile(join(dir, 'cordon.yaml'), yaml);
      await writeFile(config, yaml);
      const { code, stdout, stderr } = await cordon('up');
      await rm(join(dir, 'cordon.yaml'));
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, expected);
      assert.match(stderr, /\n {2}fix {2}edit .*cordon\.yaml:\d+:\d+\n/);
    });
  }

  test('none at all: exit 2, and how to make one', async () => {
    const { code, stderr } = await cordon('up');
    assert.equal(code, 2);
    assert.match(stderr, /cannot read `.*cordon\.yaml`\n {2}fix {2}make one: `cordon init`/);
  });
});

describe('[U7] audit verify, offline', () => {
  const signer = generateEd25519().signer;
  const origin = 'desk.example/log/gateway-1';
  let log: string;
  let early: string;

  before(async () => {
    log = join(dir, 'log', 'gateway-1');
    const open = await openDecisionLog({ dir: log, origin, signer, onFault: (fault) => assert.ifError(fault) });
    const act = (target: string): void =>
      void open.append({ schema: 'cordon.act/v1', ts: '2026-01-01T00:00:00.000Z', actor: 'test', act: 'write', target });
    for (let entry = 0; entry < 300; entry++) act(`entry ${entry}`);
    early = await open.checkpoint();
    for (let entry = 300; entry < 600; entry++) act(`entry ${entry}`);
    await open.close();
  });

  /** A copy of the log, changed. */
  async function verifyCopy(
    name: string,
    change: (copy: string) => Promise<unknown>,
    ...args: readonly string[]
  ): Promise<Ran & { result: string; item: Record<string, unknown> }> {
    const copy = join(dir, `copy-${name}`);
    await cp(log, copy, { recursive: true });
    await change(copy);
    const ran = await cordon('audit', 'verify', copy, '--json', ...args);
    const json = JSON.parse(ran.stdout) as { schema: string; result: string; items: Record<string, unknown>[] };
    assert.equal(json.schema, 'cordon.verification/v1');
    return { ...ran, result: json.result, item: json.items[0] ?? {} };
  }

  const flip = async (file: string): Promise<void> => {
    const bytes = await readFile(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(file, bytes);
  };

  test('VERIFIED is exit 0; it says which key it trusted, from where, and what it did not check', async () => {
    const { code, stdout } = await cordon('audit', 'verify', log);
    assert.equal(code, 0);
    assert.match(stdout, /^v desk\.example\/log\/gateway-1 {2}signed size 600\n/);
    assert.match(stdout, /key {6}desk\.example\/log\/gateway-1\+[0-9a-f]{8} {2}from .*log\.json/);
    assert.match(stdout, /not {6}checked: whether the key is the right one/);
    assert.match(stdout, /result {3}VERIFIED\n$/);
  });

  test('the data directory and the directory of logs are found too', async () => {
    assert.equal((await cordon('audit', 'verify', dir)).code, 0);
    assert.equal((await cordon('audit', 'verify', join(dir, 'log'))).code, 0);
    assert.equal((await cordon('audit', 'verify', '--data', dir)).code, 0);
  });

  test('ALTERED names the entry', async () => {
    const { code, result, item } = await verifyCopy('altered', (copy) => flip(join(copy, 'tile/entries/000')));
    assert.deepEqual([code, result], [6, 'ALTERED']);
    assert.match(JSON.stringify(item['findings']), /"seq":\d+/);
  });

  test('TRUNCATED: the tail that was signed for is missing', async () => {
    const { code, result } = await verifyCopy('truncated', (copy) => rm(join(copy, 'tile/entries/002.p'), { recursive: true }));
    assert.deepEqual([code, result], [6, 'TRUNCATED']);
  });

  test('UNSIGNED', async () => {
    const { code, result } = await verifyCopy('unsigned', async (copy) => {
      const text = await readFile(join(copy, 'checkpoint'), 'utf8');
      await writeFile(join(copy, 'checkpoint'), text.slice(0, text.indexOf('\n\n') + 1));
    });
    assert.deepEqual([code, result], [6, 'UNSIGNED']);
  });

  test('KEY_NOT_TRUSTED: another key, and none at all', async () => {
    const other = join(dir, 'other.vkey');
    await writeFile(other, `${formatVerifierKey(verifierKey(origin, generateEd25519().signer.publicKey))}\n`);
    const another = await verifyCopy('another-key', () => Promise.resolve(), '--key', other);
    assert.deepEqual([another.code, another.result], [6, 'KEY_NOT_TRUSTED']);
    const none = await verifyCopy('no-key', (copy) => rm(join(copy, 'log.json')));
    assert.deepEqual([none.code, none.result], [6, 'KEY_NOT_TRUSTED']);
  });

  test('a key that was kept is trusted without the log’s word', async () => {
    const kept = join(dir, 'kept.vkey');
    await writeFile(kept, `${formatVerifierKey(verifierKey(origin, signer.publicKey))}\n`);
    const { code, item } = await verifyCopy('kept-key', (copy) => rm(join(copy, 'log.json')), '--key', kept);
    assert.equal(code, 0);
    assert.equal(item['key_from'], kept);
    assert.doesNotMatch(JSON.stringify(item['notChecked']), /whether the key is the right one/);
  });

  test('a pinned checkpoint shows a log that was cut back and signed anew', async () => {
    const pinned = join(dir, 'pinned');
    await writeFile(pinned, early);
    assert.equal((await cordon('audit', 'verify', log, '--pinned', pinned)).code, 0);
    const newest = join(dir, 'newest');
    await cp(join(log, 'checkpoint'), newest);
    const { code, result } = await verifyCopy('cut-back', (copy) => writeFile(join(copy, 'checkpoint'), early), '--pinned', newest);
    assert.deepEqual([code, result], [6, 'TRUNCATED']);
  });

  test('a key file that is none is exit 2', async () => {
    await writeFile(join(dir, 'bad.vkey'), 'hello');
    const { code, stderr } = await cordon('audit', 'verify', log, '--key', join(dir, 'bad.vkey'));
    assert.equal(code, 2);
    assert.match(stderr, /CORDON-9006 not a verifier key/);
  });
});

describe('[U18] doctor without a server', () => {
  test('says what could be checked and what could not: exit 4, and 7 when something is wrong', async () => {
    const desk = join(dir, 'doctor');
    await cordon('init', 'doctor');
    await mkdir(join(desk, '.cordon'), { mode: 0o700 });
    const fine = await run(['doctor'], { cwd: desk });
    assert.equal(fine.code, 4);
    assert.match(fine.stdout, /v {2}configuration/);
    assert.match(fine.stdout, /! no Cordon has run .*: gateway, certificates, policies and resources were not checked/);
    await chmod(join(desk, '.cordon'), 0o755);
    const open = await run(['doctor', '--json'], { cwd: desk });
    assert.equal(open.code, 7);
    const { schema, checks } = JSON.parse(open.stdout) as { schema: string; checks: { ok: boolean; fix?: string }[] };
    assert.equal(schema, 'cordon.doctor/v1');
    assert.match(checks.find(({ ok }) => !ok)?.fix ?? '', /^chmod 700 /);
  });

  test('a broken configuration is an x with the line, not a crash', async () => {
    const desk = join(dir, 'doctor-broken');
    await mkdir(desk);
    await writeFile(join(desk, 'cordon.yaml'), 'trustDomain: 7\n');
    const { code, stdout } = await run(['doctor'], { cwd: desk });
    assert.equal(code, 7);
    assert.match(stdout, /x {2}configuration +.*cordon\.yaml:1:1/);
  });
});
