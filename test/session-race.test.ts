// A budget in a policy, and an agent that calls many times at once: what is in flight has been counted, so exactly so many get through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBed, send, toolCall } from './support/bed.ts';
import { effectsOf } from './support/effects.ts';
import { joinRun } from './support/join.ts';

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("writes") permit (principal == Agent::"caller", action == Action::"bench/write", resource);
@id("three-at-most")
forbid (principal, action == Action::"bench/write", resource)
unless { context has session && context.session.writes < 3 };
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
