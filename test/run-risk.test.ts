// The risk of a run over the wire: what it is denied speaks against it, policy reads that, everybody sees why, and time takes it away.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Answer, type Bed, openBed, POLICIES, send, type Svid, toolCall } from './support/bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const OWN = `${POLICIES}
@id("not-while-in-doubt")
@reason("too much speaks against this run")
forbid (principal, action == Action::"bench/echo", resource) unless { context.risk < 40 };
`;

interface Recorded {
  readonly id: string;
  readonly verdict: string;
  readonly code?: string;
  readonly risk?: { readonly value: number; readonly causes: Record<string, number>; readonly raised?: Record<string, number> };
}

describe('over the wire', () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed({ policies: OWN });
    await bed.ready();
  });
  after(async () => {
    await (bed as Bed | undefined)?.close();
  });

  const call = (svid: Svid, name: string, args: object): Promise<Answer> =>
    send({ port: bed.ports.gateway, method: 'POST', svid, ...toolCall(name, args) });
  const echo = (svid: Svid): Promise<Answer> => call(svid, 'echo', { text: 'hi' });
  const tooMuch = (svid: Svid): Promise<Answer> => call(svid, 'write', { line: 'x', amount: 500 });

  void test('[I6] denials raise the risk of the run that made them; then policy denies what it allowed, and says why', async () => {
    const [rogue, other] = [await bed.svid('caller'), await bed.svid('caller')];
    assert.equal((await echo(rogue)).status, 200);
    for (let n = 0; n < 5; n++) assert.match((await tooMuch(rogue)).text, /CORDON-3005/);
    assert.match((await echo(rogue)).text, /too much speaks against this run/);
    // what risk alone denies adds nothing, however often it is tried
    for (let n = 0; n < 20; n++) assert.match((await echo(rogue)).text, /CORDON-3002/);
    assert.equal((await echo(other)).status, 200, 'another run of the agent has done nothing');
    await signedAll(bed);
    const decisions = (await readLog(bed)).decisions as unknown as readonly Recorded[];
    const raised = decisions.filter(({ code }) => code === 'CORDON-3005').map(({ risk }) => risk?.raised);
    assert.deepEqual(
      raised,
      Array.from({ length: 5 }, () => ({ denied: 10 })),
    );
    const denied = decisions.filter(({ code }) => code === 'CORDON-3002');
    assert.ok(denied.every(({ risk }) => (risk?.value ?? 0) >= 40 && risk?.raised === undefined && risk?.causes['denied'] === risk?.value));
    const id = denied[0]?.id ?? '';
    const why = (await until('the decision can be explained', async () => {
      const { status, json } = await bed.control('GET', `/v1/decisions/${id}`);
      return status === 200 ? json : undefined;
    })) as { readonly explanation: { readonly determining: readonly { readonly clauses: readonly { readonly observed?: string }[] }[] } };
    assert.match(JSON.stringify(why), /context\.risk: [45]\d/);
  });

  void test('[I1] after a restart a run that went on is in doubt by `restart`, and one that begins now is not', async () => {
    const caller = await bed.svid('caller');
    assert.equal((await echo(caller)).status, 200);
    await bed.stop('SIGKILL');
    await bed.start();
    await bed.ready();
    assert.match((await echo(caller)).text, /CORDON-3002/);
    assert.equal((await echo(await bed.svid('caller'))).status, 200);
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const denied = (decisions as unknown as readonly Recorded[]).findLast(({ code }) => code === 'CORDON-3002');
    assert.deepEqual(denied?.risk, { value: 100, causes: { restart: 100 } });
  });
});
