// Who is behind a socket: processes that are what they say, processes that are not, and sockets that stand where they should.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AttestedCallers, runCaller } from '../src/control/workload/callers.ts';
import { listenUnix } from '../src/control/workload/listener.ts';
import type { X509SvidReply } from '../src/control/workload/messages.ts';
import { openPeerReader, type PeerReader } from '../src/control/workload/peer.ts';
import { descendsFrom, ProcessFacts, startOf, type Peer } from '../src/control/workload/process.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { sha256Hex } from '../src/crypto/hash.ts';
import { readConfig } from '../src/server/config.ts';
import { up, type Running } from '../src/server/up.ts';
import { freePorts } from './support/bed.ts';
import { cordon, openDesk } from './support/cordon.ts';
import { openWorkloadBed } from './support/workload-bed.ts';
import { WorkloadClient } from './support/workload-client.ts';

const linux = process.platform === 'linux' ? undefined : 'Linux only';
const NODE = realpathSync(process.execPath);
/** Connects, says so, and goes when its standard input ends. */
const CALLER = `const s = require('net').connect(process.argv[1], () => console.log('connected')); s.on('error', () => process.exit(1)); s.on('data', () => {}); process.stdin.on('end', () => process.exit()).resume();`;

void describe('callers', { skip: linux }, () => {
  let dir: string;
  let children: ChildProcess[];
  let servers: Server[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cordon-callers-'));
    children = [];
    servers = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const server of servers) server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const start = (file: string, args: readonly string[]): ChildProcess => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  const reader = async (): Promise<PeerReader> => {
    const found = await openPeerReader();
    if (found instanceof Refusal) throw found;
    return found;
  };
  /** What the kernel says of a process that connects to us. */
  async function peerOf(
    file: string,
    ...before: readonly string[]
  ): Promise<{ readonly peer: Peer; readonly child: ChildProcess; readonly socket: Socket }> {
    const path = join(dir, `${children.length}.sock`);
    const server = createServer();
    servers.push(server);
    server.listen(path);
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const child = start(file, [...before, '-e', CALLER, path]);
    const [socket] = await accepted;
    return { peer: (await reader())(socket), child, socket };
  }
  const gone = async (child: ChildProcess): Promise<void> => {
    const exit = once(child, 'exit');
    child.stdin?.end();
    await exit;
  };

  void test('[I5] the kernel says who connected, and a process that ended stays ended', async () => {
    const { peer, child } = await peerOf(NODE);
    assert.deepEqual([peer.pid, peer.uid, peer.gid], [child.pid, process.getuid?.(), process.getgid?.()]);
    assert.equal(peer.start, startOf(child.pid ?? 0));
    assert.ok(peer.alive());
    assert.ok(descendsFrom(peer, { pid: process.pid, start: startOf(process.pid) ?? '' }));
    assert.ok(!descendsFrom(peer, { pid: process.pid, start: '1' }), 'an id that was used again is another process');
    await gone(child);
    assert.ok(!peer.alive());
    await assert.rejects(new ProcessFacts().of(peer), { code: 'CORDON-1005' });
    peer.release();
  });

  void test('[I5] the executable is that of the file, also when the file is gone', async () => {
    const copy = join(dir, 'agent');
    copyFileSync(NODE, copy);
    const { peer } = await peerOf(copy);
    const facts = new ProcessFacts();
    const digest = sha256Hex(readFileSync(copy));
    const seen = { kind: 'unix', pid: peer.pid, uid: peer.uid, gid: peer.gid, sha256: digest };
    assert.deepEqual(await facts.of(peer), { ...seen, path: copy });
    rmSync(copy);
    writeFileSync(copy, 'another one');
    assert.deepEqual(await facts.of(peer), seen);
    peer.release();
  });

  void test('[I5] without peer credentials nobody is attested; the socket of a run still works', async () => {
    const why = new Refusal('CORDON-1005', 'the optional package `koffi` is not installed');
    const callers = new AttestedCallers({
      attestation: { attest: () => assert.fail('asked'), admit: () => assert.fail('asked') },
      facts: new ProcessFacts(),
      reader: why,
      onAdmitted: () => undefined,
      endRun: async () => undefined,
      now: Date.now,
      validFor: 1000,
    });
    const { socket } = await peerOf(NODE);
    await assert.rejects(callers.caller(socket).runs(), { code: 'CORDON-1005', message: /koffi/ });
    assert.deepEqual(await runCaller('RUN', { pid: 1, start: '0' }, why, socket).runs(), ['RUN']);
  });

  void test('[I5] the socket of a run is of no use to a process that its launcher did not start', async () => {
    const bed = await openWorkloadBed();
    const launcher = start('sleep', ['60']);
    const { socket } = await bed.start('clerk', launcher.pid);
    const client = new WorkloadClient(socket);
    const { code, details } = await client.stream('FetchX509SVID').ended;
    assert.deepEqual([code, details], [status.PERMISSION_DENIED, 'CORDON-1005 the socket is that of another run']);
    assert.deepEqual(
      bed.refused.map(({ action }) => action),
      ['workload/FetchX509SVID'],
    );
    client.close();
    await bed.close();
  });

  void test('[I5] no socket for a launcher that is no process of this machine', async () => {
    const bed = await openWorkloadBed();
    await assert.rejects(bed.start('clerk', 4_194_304), /no process of this machine/);
    await bed.close();
  });

  const FORGED: readonly (readonly [name: string, prepare: (path: string) => unknown, why: RegExp])[] = [
    ['a file that is no socket', (path) => writeFileSync(path, 'kept'), /no socket stands there/],
    ['a directory that others write to', (path) => chmodSync(join(path, '..'), 0o777), /others can write/],
    ['a path that is too long', () => undefined, /longer than 107 bytes/],
  ];
  for (const [name, prepare, why] of FORGED) {
    void test(`[SPIFFE-Workload-API] a socket is not opened over ${name}`, async () => {
      const path = join(dir, 'd', name.endsWith('long') ? 'x'.repeat(90) : 's.sock');
      mkdirSync(join(dir, 'd'));
      prepare(path);
      await assert.rejects(listenUnix({ path, mode: 0o600, onConnection: () => undefined }), { code: 'CORDON-9006', message: why });
      assert.deepEqual(readdirSync(join(dir, 'd')), existsSync(path) ? ['s.sock'] : []);
    });
  }

  void test('[SPIFFE-Workload-API] a socket that answers is left alone, one that a crash left is replaced, and the mode is the one that was chosen', async () => {
    const path = join(dir, 's.sock');
    const options = { path, onConnection: (socket: Socket) => void socket.end('hi') };
    const first = await listenUnix({ ...options, mode: 0o600 });
    await assert.rejects(listenUnix({ ...options, mode: 0o600 }), { code: 'CORDON-9006', message: /something else listens/ });
    await first.close();
    assert.equal(existsSync(path), false);
    const crashed = start(NODE, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`]);
    await once(crashed.stdout ?? crashed, 'data');
    crashed.kill('SIGKILL');
    await once(crashed, 'exit');
    assert.ok(existsSync(path));
    const second = await listenUnix({ ...options, mode: 0o666 });
    assert.equal(statSync(path).mode & 0o777, 0o666);
    const socket = connect(path);
    assert.equal(String((await once(socket, 'data'))[0]), 'hi');
    assert.deepEqual(readdirSync(dir), ['s.sock']);
    await second.close();
  });
});

void test('[SPIFFE-Workload-API] `cordon run` gives what it starts a socket of its own, and takes it away', { skip: linux }, async () => {
  const desk = await openDesk();
  try {
    await desk.up();
    const script = join(import.meta.dirname, 'support/workload-fetch.ts');
    const ran = await cordon(['run', '--as', 'assistant', '--', NODE, script], { cwd: desk.dir, input: '' });
    assert.deepEqual([ran.code, ran.stdout.replace(/[^/]+$/, '')], [0, 'spiffe://desk.example/agent/assistant/run/'], ran.stderr);
    assert.deepEqual(readdirSync(join(desk.data, 'run')), []);
    const inherited = { SPIFFE_ENDPOINT_SOCKET: 'unix:///of/another/run.sock' };
    const shown = await cordon(['run', '--as', 'assistant', '--', 'printenv', 'SPIFFE_ENDPOINT_SOCKET'], { cwd: desk.dir, env: inherited });
    assert.match(shown.stdout, new RegExp(`^unix://${desk.data}/run/[0-9A-Z]+\\.sock\n$`));
  } finally {
    await desk.close();
  }
});

void describe('processes that nobody launched', { skip: linux }, () => {
  let dir: string;
  let running: Running;
  const socket = (): string => join(dir, 'workload.sock');
  const clients: WorkloadClient[] = [];

  const open = async (attest: string): Promise<void> => {
    dir = mkdtempSync(join(tmpdir(), 'cordon-attested-'));
    const [gateway = 0, control = 0, identity = 0] = await freePorts(3);
    mkdirSync(join(dir, 'policies'));
    writeFileSync(join(dir, 'policies', 'p.cedar'), '@id("none")\nforbid (principal, action, resource);\n');
    writeFileSync(
      join(dir, 'cordon.yaml'),
      `trustDomain: test.example
listen: { gateway: "127.0.0.1:${gateway}", control: "127.0.0.1:${control}", identity: "127.0.0.1:${identity}" }
segments: { desk: }
agents:
  clerk: { segment: desk, owner: test, purpose: calls, attest: [${attest}] }
policies: policies
workload: { socket: workload.sock, access: owner }
`,
    );
    running = await up({ config: await readConfig(join(dir, 'cordon.yaml')), dataDir: join(dir, 'data'), onNotice: () => undefined });
  };
  const client = (): WorkloadClient => {
    const made = new WorkloadClient(socket());
    clients.push(made);
    return made;
  };
  afterEach(async () => {
    for (const each of clients.splice(0)) each.close();
    await running.close();
    rmSync(dir, { recursive: true, force: true });
  });

  void test('[SPIFFE-Workload-API] a process is who its user and executable say, with one run for as long as it lives', async () => {
    await open(`{ unix: { uid: ${process.getuid?.()}, path: ${NODE}, sha256: "${sha256Hex(readFileSync(NODE))}" } }`);
    const [one, other] = [client(), client()];
    const svidOf = async (from: WorkloadClient): Promise<X509SvidReply['svids'][number] | undefined> =>
      (await from.stream<X509SvidReply>('FetchX509SVID').next()).svids[0];
    const first = await svidOf(one);
    assert.match(first?.spiffe_id ?? '', /^spiffe:\/\/test\.example\/agent\/clerk\/run\//);
    assert.deepEqual(await svidOf(other), first, 'two connections of one process');
    const child = spawn(NODE, [join(import.meta.dirname, 'support/workload-fetch.ts'), socket()], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const run = String(line).trim().split('/').at(-1) ?? '';
    assert.notEqual(`spiffe://test.example/agent/clerk/run/${run}`, first?.spiffe_id, 'another process is another run');
    const exit = once(child, 'exit');
    child.stdin.end();
    await exit;
    await running.control.workload.refresh();
    assert.notEqual((await running.control.store.getRun(run))?.endedAt, undefined, 'its run ended with it');
    assert.equal((await svidOf(one))?.spiffe_id, first?.spiffe_id);
  });

  void test('[SPIFFE-Workload-API] an executable that is not the registered one gets nothing, and that is on record', async () => {
    await open(`{ unix: { uid: ${process.getuid?.()}, sha256: "${'0'.repeat(64)}" } }`);
    const { code, details } = await client().stream('FetchX509SVID').ended;
    assert.deepEqual([code, details.slice(0, 11)], [status.PERMISSION_DENIED, 'CORDON-1012']);
    const [record] = await running.control.decisions.list({ limit: 10 });
    assert.ok(record !== undefined);
  });
});
