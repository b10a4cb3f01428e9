// `cordon mcp wrap` and `unwrap`: shown first, nothing but the entries touched, and every byte put back; on the shapes that clients write.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, stat, symlink, lstat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { replaced, serversIn, written } from '../src/cli/client-files.ts';
import { openBed, type Bed } from './support/bed.ts';
import { cordon, type Ran } from './support/cordon.ts';

const SECRET = 'ghp_very-secret';

/** As the clients' own manuals and editors leave them. */
const SHAPES: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'Claude Code': ['.mcp.json', `{\n  "mcpServers": {\n    "bench": { "command": "npx", "args": ["-y", "bench"], "env": { "TOKEN": "${SECRET}" } },\n    "other": { "command": "x" }\n  }\n}\n`],
  'Claude Desktop, minified': ['claude_desktop_config.json', `{"mcpServers":{"bench":{"command":"npx","args":["--api-key","${SECRET}"]}},"globalShortcut":""}`],
  'VS Code, with comments, tabs, CRLF and no line feed at the end': ['.vscode/mcp.json', '{\r\n\t// ours\r\n\t"servers": {\r\n\t\t"Bench": {\r\n\t\t\t"type": "stdio",\r\n\t\t\t"command": "npx",\r\n\t\t},\r\n\t},\r\n\t"inputs": [],\r\n}'],
  'VS Code, settings': ['settings.json', '{\n    "editor.fontSize": 12,\n    "mcp": { "servers": { "bench": { "command": "npx" } } }\n}\n'],
  'Cursor, over HTTP': ['.cursor/mcp.json', `{ "mcpServers": { "bench": { "url": "https://bench.example/mcp?key=${SECRET}", "headers": { "Authorization": "Bearer ${SECRET}" } } } }\n`],
  Codex: ['.codex/config.toml', `model = "m"\n\n# ours\n[mcp_servers.bench]\ncommand = "npx" # so\nargs = ["-y",\n  "[mcp_servers.bench]"]\n\n[mcp_servers.bench.env]\nTOKEN = "${SECRET}"\n\n# theirs\n[mcp_servers."my other"]\ncommand = "x"\n\n[tui]\ntheme = "[mcp_servers.bench]"\n`],
}; // prettier-ignore

describe('wrap and unwrap', () => {
  let bed: Bed;
  let dir: string;
  let count = 0;
  before(async () => {
    bed = await openBed({ tools: false });
  });
  beforeEach(async () => {
    dir = join(bed.dir, `project-${String(count++)}`);
    await mkdir(dir);
  });
  after(() => (bed as Bed | undefined)?.close());

  const run = (...args: readonly string[]): Promise<Ran> =>
    cordon(['mcp', ...args], { cwd: dir, env: { CORDON_DATA: bed.data, HOME: join(dir, 'home') } });
  const put = async (file: string, text: string): Promise<string> => {
    const path = join(dir, file);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
    return path;
  };

  for (const [client, [file, text]] of Object.entries(SHAPES)) {
    test(`[U8] ${client}: shown, wrapped, unwrapped to the byte; no secret on the way`, async () => {
      const path = await put(file, text);
      await chmod(path, 0o640);
      const shown = await run('wrap', file, '--as', 'caller');
      assert.equal(shown.code, 0, shown.stderr);
      assert.match(shown.stdout, /\+ cordon mcp connect bench --as caller/);
      assert.match(shown.stderr, /nothing is changed yet/);
      assert.equal(await readFile(path, 'utf8'), text);
      const applied = await run('wrap', file, '--as', 'caller', '--apply');
      assert.equal(applied.code, 0, applied.stderr);
      const wrapped = await readFile(path, 'utf8');
      const entry = serversIn(path, wrapped).find(({ name }) => name.toLowerCase() === 'bench')?.value ?? {};
      assert.deepEqual((entry['args'] as string[]).slice(1, 6), ['mcp', 'connect', 'bench', '--as', 'caller']);
      assert.deepEqual(
        [entry['command'], entry['url'], entry['headers'], entry['env']],
        [process.execPath, undefined, undefined, undefined],
      );
      assert.equal(wrapped.includes(SECRET), false, 'what the server is to be told is told by the gateway');
      assert.equal((await stat(path)).mode & 0o777, 0o640);
      const again = await run('wrap', file, '--as', 'caller', '--apply');
      assert.match(again.stdout, /is behind Cordon already/);
      assert.equal(await readFile(path, 'utf8'), wrapped);
      assert.equal((await run('unwrap', file)).code, 0);
      assert.equal(await readFile(path, 'utf8'), text);
      for (const { stdout, stderr } of [shown, applied, again]) assert.equal(`${stdout}${stderr}`.includes(SECRET), false);
    });
  }

  test('[U8] a client that writes the file anew in between: its own changes stay, and the entries are as they were', async () => {
    const path = await put('.mcp.json', SHAPES['Claude Code']?.[1] ?? '');
    await run('wrap', '--as', 'caller', '--apply');
    const rewritten = JSON.parse(await readFile(path, 'utf8')) as { mcpServers: Record<string, unknown> };
    rewritten.mcpServers['new'] = { command: 'y' };
    await writeFile(path, JSON.stringify(rewritten, undefined, 4));
    const { code, stdout } = await run('unwrap');
    assert.deepEqual([code, /v bench {2}is as it was/.test(stdout)], [0, true]);
    const now = JSON.parse(await readFile(path, 'utf8')) as { mcpServers: Record<string, unknown> };
    const was = JSON.parse(SHAPES['Claude Code']?.[1] ?? '') as { mcpServers: Record<string, unknown> };
    assert.deepEqual(now.mcpServers, { ...was.mcpServers, new: { command: 'y' } });
  });

  test('[U8] what somebody else has changed or removed since is left, and said', async () => {
    const path = await put('.mcp.json', '{"mcpServers":{"bench":{"command":"npx"}}}');
    await run('wrap', '--as', 'caller', '--apply');
    const mine = '{"mcpServers":{"bench":{"command":"mine"}}}';
    await writeFile(path, mine);
    const left = await run('unwrap');
    assert.deepEqual([left.code, /was changed since/.test(left.stdout), await readFile(path, 'utf8')], [8, true, mine]);
    await writeFile(path, '{"mcpServers":{}}');
    const gone = await run('unwrap');
    assert.deepEqual([gone.code, /not in the file any more/.test(gone.stdout)], [0, true]);
    assert.equal((await run('unwrap')).code, 8);
  });

  test('a link stays a link, and the file behind it is the one that changes', async () => {
    const path = await put('dotfiles/mcp.json', '{"mcpServers":{"bench":{"command":"npx"}}}');
    await symlink(path, join(dir, '.mcp.json'));
    await run('wrap', '--as', 'caller', '--apply');
    assert.equal((await lstat(join(dir, '.mcp.json'))).isSymbolicLink(), true);
    assert.match(await readFile(path, 'utf8'), /"connect"/);
    assert.equal((await run('unwrap', '.mcp.json')).code, 0);
    assert.equal(await readFile(path, 'utf8'), '{"mcpServers":{"bench":{"command":"npx"}}}');
  });

  test('a crash between what is kept and the file leaves nothing that cannot be put back', async () => {
    const text = '{"mcpServers":{"bench":{"command":"npx"}}}';
    const path = await put('.mcp.json', text);
    await run('wrap', '--as', 'caller', '--apply');
    await writeFile(path, text); // as if the exchange of the file had not come about
    assert.equal((await run('unwrap')).code, 0);
    assert.equal(await readFile(path, 'utf8'), text);
  });

  test('a server that is no resource is not touched; what to add is said, without its secrets', async () => {
    const text = `{"mcpServers":{"Git Hub":{"command":"docker","args":["run","--token","${SECRET}"],"env":{"GH":"${SECRET}"}}}}`;
    const path = await put('.mcp.json', text);
    const { code, stdout } = await run('wrap', '--as', 'caller', '--apply');
    assert.equal(code, 0);
    assert.match(stdout, /git-hub:\n +segment: SEGMENT\n +mcp: \{ stdio: \["docker", "run", "--token", "…"\], env: \{ "GH": "…" \} \}/);
    assert.equal(stdout.includes(SECRET), false);
    assert.equal(await readFile(path, 'utf8'), text);
  });

  const refused: readonly (readonly [why: string, file: string, text: string, says: RegExp])[] = [
    ['malformed JSON', 'a.json', '{"mcpServers":{"bench":{"command":"npx"}', /is not changed[^]*malformed JSON/],
    ['malformed TOML', 'a.toml', '[mcp_servers.bench\n', /is not changed/],
    ['a name that is there twice', 'a.json', '{"mcpServers":{"bench":{"command":"a"},"bench":{"command":"b"}}}', /`bench` is there twice/],
    ['a place that is there twice', 'a.json', '{"mcpServers":{"bench":{"command":"a"}},"mcpServers":{}}', /`mcpServers` is there twice/],
    [
      'a name in two places',
      'a.json',
      '{"mcpServers":{"bench":{"command":"a"}},"servers":{"bench":{"command":"b"}}}',
      /`bench` is there twice/,
    ],
    ['no servers', 'a.json', '{"editor.fontSize":12}', /no server of an MCP client is found/],
    ['bytes that are no text', 'a.json', '\u0000', /is not changed|no server/],
  ];
  for (const [why, file, text, says] of refused) {
    test(`is refused: ${why}`, async () => {
      const path = await put(file, text);
      const { code, stderr } = await run('wrap', file, '--as', 'caller', '--apply');
      assert.equal(code, 2);
      assert.match(stderr, says);
      assert.equal(await readFile(path, 'utf8'), text);
    });
  }

  test('nothing here: says where it looked; a name that is not there, and an agent that is none', async () => {
    await rm(join(dir, '.mcp.json'), { force: true });
    assert.match((await run('wrap', '--as', 'caller')).stderr, /looked at .*\.mcp\.json/);
    assert.match((await run('wrap', 'no.json', '--as', 'caller')).stderr, /`no.json` is not there/);
    await put('.mcp.json', '{}');
    assert.match((await run('wrap', '--as', 'caler')).stderr, /did you mean `caller`\?/);
  });
});

test('[U8] one entry is replaced and put back whatever the file looks like', () => {
  const key = fc.string({ minLength: 1, maxLength: 8, unit: 'binary' });
  const member = fc.oneof(fc.string({ maxLength: 12, unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string({ maxLength: 5 }), { maxLength: 3 }));
  const entry = fc.dictionary(key, member, { maxKeys: 4 });
  const spaces = fc.constantFrom(undefined, 2, 4, '\t');
  fc.assert(
    fc.property(fc.dictionary(key, entry, { minKeys: 1, maxKeys: 4 }), fc.dictionary(key, member, { maxKeys: 3 }), spaces, fc.boolean(), (servers, others, space, crlf) => {
      const json = JSON.stringify({ zone: others, mcpServers: servers }, undefined, space);
      const text = crlf ? json.replaceAll('\n', '\r\n') : json;
      for (const found of serversIn('x.json', text)) {
        const next = replaced('x.json', text, found.name, written('x.json', text, found, { command: 'c', args: ['"', '\\', '\n'] }));
        assert.deepEqual(serversIn('x.json', next).find(({ name }) => name === found.name)?.value['args'], ['"', '\\', '\n']);
        assert.equal(replaced('x.json', next, found.name, text.slice(found.start, found.end)), text);
      }
    }),
    { numRuns: 300 },
  );
}); // prettier-ignore
