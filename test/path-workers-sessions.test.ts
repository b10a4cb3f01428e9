// What a run has called and read, where its connections come to several workers: counted and known once for all of them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
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
