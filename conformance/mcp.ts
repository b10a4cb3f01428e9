// MCP: the official suite against our fixture, directly and through a gateway whose policy permits everything. Cordon is transparent when
// both give the same result, check by check; and a policy that denies must turn exactly what it names.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { openBed, type Bed } from '../test/support/bed.ts';
import { AUTH_CASES, openAuthDesk } from './mcp/auth.ts';
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

/** What the suite found, and what it says of each failure. */
interface Found {
  readonly results: Results;
  readonly faults: readonly string[];
}

export async function run(options: SuiteOptions): Promise<Score> {
  return sumOf([await authorization(options), await transparency(options)]);
}

/** Cordon as authorization server and resource server: our rows, and what the official suite asks of an authorization server. */
async function authorization({ onProgress }: SuiteOptions): Promise<Score> {
  await using stack = new AsyncDisposableStack();
  const desk = stack.adopt(await openAuthDesk(), (it) => it.close());
  const notes: string[] = [];
  for (const [name, row] of Object.entries(AUTH_CASES)) await row(desk).catch((error: unknown) => notes.push(`${name}: ${String(error)}`));
  const rows = Object.keys(AUTH_CASES).length;
  onProgress(`authorization: ${rows} rows`);
  // the certificate of the token service has a SPIFFE ID and no host name, for which the suite has no setting
  const found = await suite('authorization', desk.world.issuer, [], { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  if (JSON.stringify([...found.results]) !== JSON.stringify(NO_CODE_GRANT) || !found.faults.every((fault) => WHY.test(fault)))
    notes.push(`the official authorization suite says ${JSON.stringify([...found.results])}: ${found.faults.join('; ')}`);
  return { passed: rows + 1 - notes.length, failed: notes.length, notes };
}

/**
 * What the suite says of an authorization server without the authorization code grant: it names no `code` among its response types and no
 * method of PKCE, takes no client for its name alone, and has no grant that could be tried. docs/mcp.md says why.
 */
const NO_CODE_GRANT: readonly (readonly [string, string])[] = [
  ['authorization-code-grant authorization-code-grant 1', 'SKIPPED'],
  ['authorization-server-metadata-endpoint authorization-server-metadata 1', 'FAILURE'],
  ['authorization-server-metadata-endpoint authorization-server-metadata-cimd 1', 'WARNING'],
];
const WHY =
  /^Response body does not include valid "response_types_supported" claim, Response body does not include valid "code_challenge_methods_supported" claim$/;

async function transparency({ onProgress }: SuiteOptions): Promise<Score> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.adopt(await startFixture(), (it) => it.close());
  const bed = stack.adopt(await startGateway(fixture.port), (it) => it.close());
  const { cert, key, ca } = await bed.svid('caller');
  const relay = stack.adopt(await startRelay({ port: bed.ports.gateway, path: '/mcp/bench', svid: { cert, key, ca } }), (it) => it.close());
  const scores: Score[] = [];
  for (const [revision, expected] of Object.entries(REVISIONS)) {
    const { results: direct } = await suite('server', `http://127.0.0.1:${fixture.port}/mcp`, ['--requirements', revision]);
    onProgress(`${revision} direct: ${direct.size} checks`);
    const { results: through } = await suite('server', relay.url, ['--requirements', revision]);
    onProgress(`${revision} through Cordon: ${through.size} checks`);
    scores.push(counted(revision, direct, expected), compared(revision, direct, through));
    await order(bed, 'apply', { sources: [{ path: 'test.cedar', text: DENIES }] });
    scores.push(denied(revision, through, (await suite('server', relay.url, ['--requirements', revision])).results));
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

/** Runs a part of the suite; by scenario, check and its number the status. */
async function suite(command: string, url: string, args: readonly string[], env = process.env): Promise<Found> {
  const out = await mkdtemp(join(tmpdir(), 'cordon-mcp-suite-'));
  try {
    const program = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));
    const child = spawn(process.execPath, [program, command, '--url', url, '-o', out, ...args], { stdio: 'ignore', env });
    await once(child, 'exit'); // its status says nothing: it is 0 when a client timed out
    const results = new Map<string, string>();
    const faults: string[] = [];
    for (const dir of (await readdir(out)).toSorted()) await readChecks(join(out, dir), { results, faults });
    return { results, faults };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

async function readChecks(
  dir: string,
  { results, faults }: { readonly results: Map<string, string>; readonly faults: string[] },
): Promise<void> {
  const scenario = /^(?:authorization-)?server-(.*)-\d{4}-\d\d-\d\dT/.exec(basename(dir))?.[1] ?? dir;
  if (EXTENSION.test(scenario)) return;
  const checks = JSON.parse(await readFile(join(dir, 'checks.json'), 'utf8')) as readonly {
    readonly id: string;
    readonly status: string;
    readonly errorMessage?: string;
  }[];
  for (const { id, status, errorMessage = '' } of checks) {
    if (status === 'INFO') continue;
    if (status === 'FAILURE') faults.push(errorMessage);
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
