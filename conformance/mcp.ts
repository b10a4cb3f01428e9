// MCP: the official suite against our fixture, directly and through a gateway whose policy permits everything. Cordon is transparent when
// both give the same result, check by check; and a policy that denies must turn exactly what it names.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { openBed, type Bed } from '../test/support/bed.ts';
import { startRelay } from './mcp/relay.ts';
import { type Score, sumOf, type SuiteOptions } from './score.ts';

/** Checks that the suite makes of a server, by revision: those that it scores, and those beside that are no extension. */
const REVISIONS: Readonly<Record<string, number>> = { '2025-11-25': 83, '2026-07-28': 152 };
/** Of the extension of tasks, which the fixture does not have. */
const EXTENSION = /^tasks-/;
const PERMITS = `@id("everything") permit (principal == Agent::"caller", action, resource);`;
const DENIES = `${PERMITS}
@id("no-image") @reason("no images") forbid (principal, action == Action::"bench/test_image_content", resource);`;

/** The scenario of the tool that `DENIES` names. */
const DENIED = 'tools-call-image';

type Results = ReadonlyMap<string, string>;

export async function run({ onProgress }: SuiteOptions): Promise<Score> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.adopt(await startFixture(), (it) => it.close());
  const bed = stack.adopt(await startGateway(fixture.port), (it) => it.close());
  const { cert, key, ca } = await bed.svid('caller');
  const relay = stack.adopt(await startRelay({ port: bed.ports.gateway, path: '/mcp/bench', svid: { cert, key, ca } }), (it) => it.close());
  const scores: Score[] = [];
  for (const [revision, expected] of Object.entries(REVISIONS)) {
    const direct = await suite(`http://127.0.0.1:${fixture.port}/mcp`, ['--requirements', revision]);
    onProgress(`${revision} direct: ${direct.size} checks`);
    const through = await suite(relay.url, ['--requirements', revision]);
    onProgress(`${revision} through Cordon: ${through.size} checks`);
    scores.push(counted(revision, direct, expected), compared(revision, direct, through));
    await order(bed, 'apply', { sources: [{ path: 'test.cedar', text: DENIES }] });
    scores.push(denied(revision, through, await suite(relay.url, ['--requirements', revision])));
    onProgress(`${revision} with one tool denied`);
    await order(bed, 'rollback', {});
  }
  return sumOf(scores);
}

async function order(bed: Bed, name: string, body: object): Promise<void> {
  const { status, text } = await bed.control('POST', `/v1/policies/${name}`, body);
  if (status !== 200) throw new Error(text);
}

/** That fewer checks than there are should pass unseen is what this is for. */
const counted = (revision: string, direct: Results, expected: number): Score =>
  direct.size === expected
    ? { passed: 0, failed: 0, notes: [] }
    : { passed: 0, failed: 1, notes: [`${revision}: ${expected} checks are expected and ${direct.size} were made`] };

function compared(revision: string, direct: Results, through: Results): Score {
  const names = [...new Set([...direct.keys(), ...through.keys()])];
  const notes = names.flatMap((name) => {
    const [own = 'not made', other = 'not made'] = [direct.get(name), through.get(name)];
    if (own === other && own !== 'FAILURE') return [];
    return [`${revision} ${name}: ${own} directly, ${other} through Cordon`];
  });
  return { passed: names.length - notes.length, failed: notes.length, notes };
}

/** The scenario of the denied tool turns red, and nothing else changes. */
function denied(revision: string, permitted: Results, results: Results): Score {
  const names = [...new Set([...permitted.keys(), ...results.keys()])];
  const changed = names.filter((name) => permitted.get(name) !== results.get(name));
  const wrong = changed.filter((name) => !name.startsWith(`${DENIED} `));
  const notes = [
    ...(changed.some((name) => results.get(name) === 'FAILURE') ? [] : [`${revision}: the denied tool still answers`]),
    ...wrong.map(
      (name) =>
        `${revision} ${name}: ${permitted.get(name) ?? 'not made'}, and ${results.get(name) ?? 'not made'} with another tool denied`,
    ),
  ];
  return { passed: notes.length === 0 ? 1 : 0, failed: notes.length, notes };
}

/** Runs the suite; by scenario, check and its number the status. */
async function suite(url: string, args: readonly string[]): Promise<Results> {
  const out = await mkdtemp(join(tmpdir(), 'cordon-mcp-suite-'));
  try {
    const program = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));
    const child = spawn(process.execPath, [program, 'server', '--url', url, '-o', out, ...args], { stdio: 'ignore' });
    await once(child, 'exit'); // its status says nothing: it is 0 when a client timed out
    const results = new Map<string, string>();
    for (const dir of (await readdir(out)).toSorted()) await readChecks(out, dir, results);
    return results;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

async function readChecks(out: string, dir: string, results: Map<string, string>): Promise<void> {
  const scenario = /^server-(.*)-\d{4}-\d\d-\d\dT/.exec(dir)?.[1] ?? dir;
  if (EXTENSION.test(scenario)) return;
  const checks = JSON.parse(await readFile(join(out, dir, 'checks.json'), 'utf8')) as readonly { id: string; status: string }[];
  for (const { id, status } of checks) {
    if (status === 'INFO') continue;
    let at = 1;
    while (results.has(`${scenario} ${id} ${at}`)) at++;
    results.set(`${scenario} ${id} ${at}`, status);
  }
}

async function startFixture(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const file = fileURLToPath(new URL('mcp/serve.ts', import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return {
    port: Number(value),
    async close(): Promise<void> {
      child.stdin.end();
      await gone;
    },
  };
}

async function startGateway(upstream: number): Promise<Bed> {
  const bed = await openBed({
    policies: PERMITS,
    tools: false,
    configure: (yaml) => {
      const { resources, ...rest } = parse(yaml) as { resources: { bench: { mcp: object } } };
      const mcp = { url: `http://127.0.0.1:${upstream}/mcp`, allowPlaintextLoopback: true };
      return stringify({ ...rest, resources: { bench: { ...resources.bench, mcp } } });
    },
  });
  await bed.ready();
  return bed;
}
