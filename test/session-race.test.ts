// A budget in a policy, and an agent that calls many times at once: what is in flight has been counted, so exactly so many get through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBed, send, toolCall } from './support/bed.ts';
import { effectsOf } from './support/effects.ts';
import { joinRun, startRun } from './support/join.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"bench/write", resource);
@id("three-at-most")
forbid (principal, action == Action::"bench/write", resource)
unless { context has session && context.session.writes < 3 };
`;

const SUMS = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"bench/write", resource);
@id("one-hundred-in-sum")
forbid (principal, action == Action::"bench/write", resource)
unless { context has session && context.session.sums.amount + context.input.amount <= 100 };
`;

void test('[I4] of 40 calls at once against a budget of three, three are made', async () => {
  const bed = await openBed({ policies: POLICIES });
  try {
    await bed.ready();
    const runOf = async (task?: string): Promise<Awaited<ReturnType<typeof joinRun>>> => {
      const { json } = await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'caller', ...(task === undefined ? {} : { task }) });
      return joinRun(bed, { id: String(json['run']), token: String(json['token']), bundle: String(json['bundle']) });
    };
    const race = async (svid: Awaited<ReturnType<typeof runOf>>, line: string): Promise<number> => {
      const one = { port: bed.ports.gateway, svid, ...toolCall('write', { line, amount: 1 }) };
      await Promise.all(Array.from({ length: 40 }, () => send(one)));
      return (await effectsOf(bed)).filter((effect) => effect.startsWith(line)).length;
    };
    const [first, second, untasked] = [await runOf('write three lines'), await runOf('write three lines'), await runOf()];
    assert.equal(await race(first, 'first'), 3);
    assert.equal(await race(first, 'again'), 0, 'it stays used up');
    assert.deepEqual(await Promise.all([race(second, 'second'), race(first, 'late'), race(untasked, 'untasked')]), [3, 0, 0]);
  } finally {
    await bed.close();
  }
});

void test('[I4] [I8] of 40 payments at once as many pass as the sum allows, a refund opens no room, and no amount is on record', async () => {
  const bed = await openBed({ policies: SUMS });
  try {
    await bed.ready();
    const svid = await joinRun(bed, await startRun(bed, 'agent', 'caller', 'write lines'));
    const write = async (amount: number): Promise<void> => {
      await send({ port: bed.ports.gateway, svid, ...toolCall('write', { line: 'x', amount }) });
    };
    await Promise.all(Array.from({ length: 40 }, () => write(37)));
    assert.deepEqual(await effectsOf(bed), ['x 37', 'x 37']);
    await write(-1000);
    await write(27);
    await write(26);
    assert.deepEqual((await effectsOf(bed)).slice(2), ['x -1000', 'x 26']);
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const last = decisions.at(-1) as { session?: Record<string, unknown> };
    assert.deepEqual([last.session?.['same'], last.session?.['sums']], [3, undefined]);
  } finally {
    await bed.close();
  }
});

const AN_HOUR = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"bench/write", resource);
@id("three-an-hour")
forbid (principal, action == Action::"bench/write", resource)
unless { context has session && context.session.recent.hour < 3 };
`;

void test('[I4] of 40 calls at once three an hour are made, and three more when the hour is over', async () => {
  const bed = await openBed({ policies: AN_HOUR, svidTtl: '8h', up: 'test/support/moved-up.ts' });
  try {
    await bed.ready();
    const svid = await joinRun(bed, await startRun(bed, 'agent', 'caller', 'write lines'));
    const race = async (): Promise<number> => {
      const one = { port: bed.ports.gateway, svid, ...toolCall('write', { line: 'x', amount: 1 }) };
      await Promise.all(Array.from({ length: 40 }, () => send(one)));
      return (await effectsOf(bed)).length;
    };
    const later = async (): Promise<number> => {
      bed.process().kill('SIGUSR2');
      await bed.svid('caller'); // the gateway has a snapshot of that time
      return race();
    };
    assert.equal(await race(), 3);
    assert.equal(await later(), 3, 'after 45 minutes');
    await until('the hour is over', async () => ((await later()) === 6 ? true : undefined));
    assert.equal(await race(), 6);
  } finally {
    await bed.close();
  }
});
