// What a run has called and read, where its connections come to several workers: counted and known once for all of them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { effectsOf, isWritten } from './support/effects.ts';
import { joinRun, startRun } from './support/join.ts';
import { until } from './support/until.ts';

const skip = process.platform === 'linux' ? false : 'one port for several processes needs SO_REUSEPORT';
const WORKERS = 2;

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"bench/write", resource);
@id("three-at-most")
forbid (principal, action == Action::"bench/write", resource)
unless { context has session && context.session.writes < 3 && context.session.same < 3 };
@id("one-hundred-in-sum")
forbid (principal, action == Action::"bench/write", resource)
unless { context has session && context.session.sums.amount + context.input.amount <= 100 };
`;

interface WorkerStatus {
  readonly pep: string;
  readonly pid: number;
  readonly policies: number;
  readonly openCalls: number;
}

const workersOf = async (bed: Bed): Promise<readonly WorkerStatus[]> =>
  ((await bed.control('GET', '/v1/status')).json as { workers: readonly WorkerStatus[] }).workers;

const inForce = (bed: Bed): Promise<readonly WorkerStatus[]> =>
  until('all enforce the policies', async () => {
    const found = await workersOf(bed);
    return found.length === WORKERS && found.every(({ policies }) => policies > 0) ? found : undefined;
  });

void describe('what a session has called', { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed({ workers: WORKERS, policies: POLICIES });
    await bed.ready();
    await inForce(bed);
  });
  after(() => (bed as Bed | undefined)?.close());

  const runOf = async (): Promise<Svid> => joinRun(bed, await startRun(bed, 'agent', 'caller', 'write lines'));
  const write = (svid: Svid, line: string, amount: number): Promise<Answer> =>
    send({ port: bed.ports.gateway, svid, ...toolCall('write', { line, amount }) });
  const madeOf = async (line: string): Promise<number> => (await effectsOf(bed)).filter((effect) => effect.startsWith(line)).length;

  void test('[I4] of 40 calls at once through two workers against a budget of three, three are made', async () => {
    const [first, second] = [await runOf(), await runOf()];
    await Promise.all([
      ...Array.from({ length: 40 }, () => write(first, 'first', 1)),
      ...Array.from({ length: 40 }, () => write(second, 'second', 1)),
    ]);
    assert.deepEqual([await madeOf('first'), await madeOf('second')], [3, 3]);
    const peps = await until('both are told of', async () => {
      const { items } = (await bed.control('GET', '/v1/decisions?agent=caller&limit=100')).json as { items: { pep: { id: string } }[] };
      const found = new Set(items.map(({ pep }) => pep.id));
      return found.size === WORKERS ? found : undefined;
    });
    assert.deepEqual([...peps].sort(), ['gateway-2', 'gateway-3']);
  });

  void test('[I4] of 40 payments at once as many pass as the sum allows, and what was denied was given back', async () => {
    const svid = await runOf();
    await Promise.all(Array.from({ length: 40 }, () => write(svid, 'sum', 37)));
    assert.equal(await madeOf('sum'), 2);
    for (let n = 0; n < 8; n++) assert.match((await write(svid, 'sum', 27)).text, /CORDON-3002/);
    assert.ok(isWritten(await write(svid, 'sum', 26)));
  });

  void test('[I4] a worker that is killed takes no count with it, and the one in its place asks for it', async () => {
    const svid = await runOf();
    assert.ok(isWritten(await write(svid, 'killed', 1)));
    assert.ok(isWritten(await write(svid, 'killed', 1)));
    const killed = await inForce(bed);
    const racing = Array.from({ length: 16 }, () => write(svid, 'killed', 1).catch(() => undefined));
    for (const { pid } of killed) process.kill(pid, 'SIGKILL');
    await Promise.all(racing);
    await until('others run in their place', async () => {
      const now = await workersOf(bed);
      return now.length === WORKERS && now.every(({ pid, policies }) => policies > 0 && !killed.some((one) => one.pid === pid))
        ? true
        : undefined;
    });
    await Promise.all(Array.from({ length: 16 }, () => write(svid, 'killed', 1)));
    const made = await madeOf('killed');
    assert.ok(made === 3 || made === 2, `${made} were made: at most three, and what was asked for and not answered counts`);
    assert.ok(isWritten(await write(await runOf(), 'after', 1)));
  });

  void test('[I1] while the main process does not answer no such call is made, and what it did not answer is given back', async () => {
    const svid = await runOf();
    assert.ok(isWritten(await write(svid, 'paused', 1)));
    bed.process().kill('SIGSTOP');
    try {
      const answers = await Promise.all(Array.from({ length: 4 }, () => write(svid, 'paused', 1)));
      for (const { text } of answers) assert.match(text, /CORDON-9012/);
    } finally {
      bed.process().kill('SIGCONT');
    }
    assert.equal(await madeOf('paused'), 1);
    await inForce(bed);
    for (let n = 0; n < 2; n++)
      await until('it answers again', async () => (isWritten(await write(svid, 'paused', 1)) ? true : undefined), 100);
    assert.match((await write(svid, 'paused', 1)).text, /CORDON-3002/);
    assert.equal(await madeOf('paused'), 3);
  });
});

const LABELS = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("reads") permit (principal == Agent::"caller", action == Action::"bench/echo", resource);
@id("out") permit (principal == Agent::"caller", action == Action::"egress/connect", resource);
@id("read-once") forbid (principal, action == Action::"bench/echo", resource)
when { context.labels.contains("confidential") && context.input.text == "once" };
@id("nothing-confidential-leaves") forbid (principal, action in Action::"egress", resource)
when { context.labels.contains("confidential") };
`;

interface Tunnel {
  readonly head: string;
  readonly socket: TLSSocket;
  readonly closed: Promise<unknown>;
}

void describe('what a run has read', { skip }, () => {
  let bed: Bed;
  let host: Server;
  let port: number;
  before(async () => {
    host = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    host.listen(0, '127.0.0.1');
    await once(host, 'listening');
    ({ port } = host.address() as { port: number });
    const outside = `
  outside:
    segment: tools
    egress: { hosts: ["127.0.0.1:${port}"], addresses: [127.0.0.0/8], tunnel: any }
`;
    bed = await openBed({
      workers: WORKERS,
      policies: LABELS,
      configure: (yaml) =>
        yaml
          .replace('\npolicies:', `${outside}\npolicies:`)
          .replace('reads: [echo, slow]', 'reads: [echo, slow]\n    labels: { confidential: [echo] }'),
    });
    await bed.ready();
    await inForce(bed);
  });
  after(async () => {
    await (bed as Bed | undefined)?.close();
    host.close();
  });

  const tunnel = async ({ cert, key, ca }: Svid): Promise<Tunnel> => {
    const to = { host: '127.0.0.1', port: bed.ports.gateway, servername: '' };
    const socket = connect({ ...to, cert, key, ca, checkServerIdentity: () => undefined });
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    await once(socket, 'secureConnect');
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    return { head: head.toString(), socket, closed };
  };
  const echo = (svid: Svid, text = 'hi'): Promise<Answer> => send({ port: bed.ports.gateway, svid, ...toolCall('echo', { text }) });
  const isOpen = ({ head }: Tunnel): boolean => head.startsWith('HTTP/1.1 200 ');

  /** Tunnels until each worker holds one: the kernel spreads connections as it likes. */
  async function tunnelOnEach(svid: Svid): Promise<readonly Tunnel[]> {
    const tunnels: Tunnel[] = [];
    await until(
      'each worker holds a tunnel',
      async () => {
        const one = await tunnel(svid);
        assert.ok(isOpen(one), one.head);
        tunnels.push(one);
        const held = await until('it is counted', async () => {
          const found = await workersOf(bed);
          return found.reduce((sum, { openCalls }) => sum + openCalls, 0) === tunnels.length ? found : undefined;
        });
        return held.every(({ openCalls }) => openCalls > 0) ? true : undefined;
      },
      60,
    );
    return tunnels;
  }
  const allClosed = (): Promise<true> =>
    until('nothing is open', async () => ((await workersOf(bed)).every(({ openCalls }) => openCalls === 0) ? true : undefined));

  void test('[I3] [I6] a read at one worker cuts the tunnels that stand open at both, and neither opens another', async () => {
    const [svid, other] = [await bed.svid('caller'), await bed.svid('caller')];
    const tunnels = await tunnelOnEach(svid);
    assert.match((await echo(svid)).text, /hi/);
    await Promise.all(tunnels.map(({ closed }) => closed));
    for (let n = 0; n < 8; n++) assert.match((await tunnel(svid)).head, /CORDON-3002/);
    // another run of the same agent has read nothing, and the run itself may go on reading
    for (let n = 0; n < 4; n++) assert.match((await echo(svid)).text, /hi/);
    const theirs = await tunnel(other);
    assert.ok(isOpen(theirs));
    theirs.socket.destroy();
    await allClosed();
  });

  void test('[I4] of 16 reads at once that a run may make before it has read anything, one is made', async () => {
    const svid = await bed.svid('caller');
    const answers = await Promise.all(Array.from({ length: 16 }, () => echo(svid, 'once')));
    assert.equal(answers.filter(({ text }) => /CORDON-3002/.test(text)).length, 15);
  });

  void test('[I3] a read that one worker cannot be told of is not made, and that worker has its tunnel cut when it goes on', async () => {
    const svid = await bed.svid('caller');
    const tunnels = await tunnelOnEach(svid);
    const [stopped] = await workersOf(bed);
    assert.ok(stopped);
    process.kill(stopped.pid, 'SIGSTOP');
    try {
      // those that come to the stopped one wait for it
      const asked = Array.from({ length: 20 }, () => echo(svid));
      const first = await Promise.race(asked);
      assert.match(first.text, /CORDON-9012/);
      process.kill(stopped.pid, 'SIGCONT');
      await Promise.all(asked);
    } finally {
      process.kill(stopped.pid, 'SIGCONT');
    }
    await Promise.all(tunnels.map(({ closed }) => closed));
    assert.match((await echo(svid)).text, /hi/);
    await allClosed();
  });

  void test('[I1] a worker that is killed and started again knows what runs have read', async () => {
    const [svid, clean] = [await bed.svid('caller'), await bed.svid('caller')];
    assert.match((await echo(svid)).text, /hi/);
    const killed = await inForce(bed);
    for (const { pid } of killed) process.kill(pid, 'SIGKILL');
    await until('others run in their place', async () => {
      const now = await workersOf(bed);
      const isNew = now.every(({ pid, policies }) => policies > 0 && !killed.some((one) => one.pid === pid));
      return now.length === WORKERS && isNew ? true : undefined;
    });
    for (let n = 0; n < 8; n++) assert.match((await tunnel(svid)).head, /CORDON-3002/);
    const theirs = await tunnel(clean);
    assert.ok(isOpen(theirs), 'a run that has read nothing has no label for it');
    theirs.socket.destroy();
    await allClosed();
  });

  void test('[I1] while the main process does not answer nothing with a label that is new is read', async () => {
    const svid = await bed.svid('caller');
    bed.process().kill('SIGSTOP');
    try {
      for (const { text } of await Promise.all([echo(svid), echo(svid)])) assert.match(text, /CORDON-9012/);
    } finally {
      bed.process().kill('SIGCONT');
    }
    await inForce(bed);
    await until('it answers again', async () => (/hi/.test((await echo(svid)).text) ? true : undefined), 100);
  });
});
