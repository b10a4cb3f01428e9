// Calls that need a person's approval, as agents and operators meet them: a real `cordon up`, a real tool server, the log read as a
// stranger would. What an approval must never do: be good for another call, another agent, a second time, or after its end.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { DecisionRecord } from '../src/domain/access.ts';
import { openBed, send, toolCall, type Answer, type Bed, type Svid } from './support/bed.ts';
import { cordon, type Ran } from './support/cordon.ts';
import { readLog, signedAll } from './support/log-reader.ts';
import { until } from './support/until.ts';

const POLICIES = `
@id("agents-write") permit (principal, action in [Action::"bench/write", Action::"bench/hold"], resource);
@id("large-needs-approval") @approval @reason("large amounts need a person")
forbid (principal, action == Action::"bench/write", resource) when { context.input.amount > 100 };
@id("hold-needs-admin") @approval("admin") @reason("holding needs an admin")
forbid (principal, action == Action::"bench/hold", resource);
@id("never") @reason("never so much") forbid (principal, action == Action::"bench/write", resource) when { context.input.amount > 10000 };
`;
const STRING = { type: 'string' };
const TOOLS = [
  {
    name: 'write',
    inputSchema: { type: 'object', properties: { line: STRING, amount: { type: 'integer' } }, required: ['line', 'amount'] },
  },
  { name: 'hold', inputSchema: { type: 'object', properties: { line: STRING }, required: ['line'] } },
];

let bed: Bed;
let caller: Svid;

before(async () => {
  bed = await openBed({ tools: false, policies: POLICIES });
  await bed.spawnWorkload('resource', 'bench', 'test/support/raw-server.ts', [String(bed.ports.bench), bed.effects, JSON.stringify(TOOLS)]);
  await bed.ready();
  caller = await bed.svid('caller');
});
after(() => (bed as Bed | undefined)?.close());

const write = (line: string, amount: number): Promise<Answer> =>
  send({ port: bed.ports.gateway, ...toolCall('write', { line, amount }), svid: caller });
const codeOf = ({ json }: Answer): unknown =>
  (json as { result?: { structuredContent?: { code?: unknown } } }).result?.structuredContent?.code;
const written = async (line: string): Promise<number> =>
  (await readFile(bed.effects, 'utf8')).split('\n').filter((one) => one.startsWith(`${line} `)).length;

interface Grant {
  readonly id: string;
  readonly state: string;
  readonly times: number;
  readonly used: number;
}

const grants = async (): Promise<readonly Grant[]> => (await bed.control('GET', '/v1/grants')).json['items'] as Grant[];
/** The newest request. */
const newest = async (): Promise<Grant> => {
  const [first] = await grants();
  assert.ok(first);
  return first;
};
const answer = (id: string, how: string, body: object = {}): Promise<Answer> => bed.control('POST', `/v1/grants/${id}/${how}`, body);
const approve = async (id: string, terms: object = {}): Promise<void> => {
  const { status, text } = await answer(id, 'approve', terms);
  assert.equal(status, 200, text);
};
const decisions = async (): Promise<readonly DecisionRecord[]> => {
  await signedAll(bed);
  return (await readLog(bed)).decisions;
};

describe('approval', () => {
  void test('[U17] [I4] one call passes once, after a person approved exactly that call; both are on record', async () => {
    const asked = await write('rent', 500);
    assert.equal(codeOf(asked), 'CORDON-5001');
    assert.match(asked.text, /large amounts need a person/);
    assert.match(asked.text, /"remedy":\{"type":"grant"\}/);
    assert.equal(codeOf(await write('rent', 500)), 'CORDON-5001');
    const { id, times, state } = await newest();
    assert.deepEqual([times, state, (await grants()).length], [2, 'asked', 1], 'the same request is one entry');
    assert.equal(await written('rent'), 0);

    const shown = await bed.control('GET', `/v1/grants/${id}`);
    assert.match(shown.text, /"input":\{"line":"rent","amount":500\}/);
    await approve(id);
    assert.equal(codeOf(await write('rent', 501)), 'CORDON-5006', 'another amount');
    assert.equal(codeOf(await write('rent', 500)), undefined);
    assert.equal(codeOf(await write('rent', 500)), 'CORDON-5004', 'a second time');
    assert.equal(await written('rent'), 1);

    const all = (await decisions()).filter(({ action }) => action === 'tools/call');
    assert.deepEqual(
      all.map(({ verdict, code, grants_used: used, policy }) => [verdict, code, used, policy.determining]),
      [
        ['approval_required', 'CORDON-5001', undefined, ['large-needs-approval']],
        ['approval_required', 'CORDON-5001', undefined, ['large-needs-approval']],
        ['approval_required', 'CORDON-5006', undefined, ['large-needs-approval']],
        ['allow', undefined, [id], ['large-needs-approval']],
        ['approval_required', 'CORDON-5004', undefined, ['large-needs-approval']],
      ],
    );
    const acts = (await readLog(bed)).acts.filter(({ act }) => act === 'grant.approve');
    assert.deepEqual(
      acts.map(({ target }) => target),
      [id],
    );
    assert.doesNotMatch(JSON.stringify(acts), /rent/, 'the log holds a digest of the arguments');
  });

  void test('[I1] [I4] an approval is for one agent, and lifts no other forbid', async () => {
    const other = await bed.svid('callee');
    await write('shared', 700);
    const { id } = await newest();
    await approve(id, { uses: 5 });
    const foreign = await send({ port: bed.ports.gateway, ...toolCall('write', { line: 'shared', amount: 700 }), svid: other });
    assert.notEqual(codeOf(foreign), undefined, foreign.text);
    assert.equal(await written('shared'), 0);
    assert.equal(codeOf(await write('shared', 20_000)), 'CORDON-3002', 'nobody is asked about what is never allowed');
    assert.equal(codeOf(await write('shared', 700)), undefined);
    assert.equal(codeOf(await write('shared', 700)), undefined);
    assert.equal(await written('shared'), 2);
    await answer(id, 'revoke', { reason: 'enough' });
  });

  void test('a refusal is said to the agent, and asks nobody again', async () => {
    await write('yacht', 900);
    const { id } = await newest();
    assert.equal((await answer(id, 'refuse', { reason: 'no' })).status, 200);
    const earlier = (await grants()).length;
    const no = await write('yacht', 900);
    assert.equal(codeOf(no), 'CORDON-5005');
    assert.match(no.text, /Do not retry/);
    assert.equal((await grants()).length, earlier);
    assert.equal((await answer(id, 'approve')).status, 403, 'it was answered');
  });

  void test('[I6] a grant that is revoked cuts the call that runs on the strength of it', async () => {
    const hold = (): Promise<Answer> => send({ port: bed.ports.gateway, ...toolCall('hold', { line: 'open' }), svid: caller });
    assert.equal(codeOf(await hold()), 'CORDON-5001');
    const { id } = await newest();
    await approve(id);
    const held = assert.rejects(hold());
    await until('the server holds the call', async () => (await readFile(bed.effects, 'utf8')).includes('holding open') || undefined);
    assert.equal((await answer(id, 'revoke', { reason: 'changed my mind' })).status, 200);
    await held;
    assert.equal(codeOf(await hold()), 'CORDON-5001');
  });

  void test('[I5] an approval ends, and none outlives a restart', async () => {
    await write('brief', 800);
    await approve((await newest()).id, { ttl: 1_000 });
    await until('it has ended', async () => ((await newest()).state === 'expired' ? true : undefined));
    assert.equal(codeOf(await write('brief', 800)), 'CORDON-5001');
    await approve((await newest()).id);
    await bed.stop('SIGKILL');
    await bed.start();
    await bed.ready();
    caller = await bed.svid('caller');
    assert.equal(codeOf(await write('brief', 800)), 'CORDON-5001');
    assert.equal(await written('brief'), 0);
  });

  void test('[I10] an agent that floods the desk does not bury the others', async () => {
    const earlier = (await grants()).filter(({ state }) => state === 'asked').length;
    for (let at = 0; at < 40; at++) await write(`flood ${at}`, 600);
    const waiting = (await grants()).filter(({ state }) => state === 'asked').length;
    assert.ok(waiting - earlier <= 32, String(waiting));
  });
});

describe('the commands', () => {
  const run = (...args: readonly string[]): Promise<Ran> => cordon([...args, '--data', bed.data], { cwd: bed.dir });

  void test('[U17] list, get, approve, refuse and revoke; `can` and `why` say that a person is asked', async () => {
    await bed.stop();
    await bed.start();
    await bed.ready();
    caller = await bed.svid('caller');
    const asked = await write('car \u001b[2J', 4_000);
    const decision = /dec_\w+/.exec(asked.text)?.[0] ?? '';
    const { id } = await newest();
    assert.match((await run('grant', 'list')).stdout, new RegExp(`${id} +asked +caller +tools/call bench/write`));
    const { stdout: shown } = await run('grant', 'get', id);
    assert.match(shown, /wanted +bench\/write {2}tools\/call\n/);
    assert.match(shown, /with +line: "car"?/);
    assert.doesNotMatch(shown, /\u001b\[2J/);
    assert.match(shown, /`large-needs-approval`: large amounts need a person/);
    const why = await run('why', decision);
    assert.match(why.stdout, /APPROVAL REQUIRED/);
    assert.match(why.stdout, /cordon grant list/);
    const can = await run('can', 'caller', 'bench/write', '--input', '{"line":"x","amount":500}');
    assert.equal(can.code, 5, can.stdout + can.stderr);
    assert.match(can.stdout, /APPROVAL REQUIRED/i);
    assert.match(
      (await run('grant', 'approve', id, '--uses', '2')).stdout,
      /approved: caller may tools\/call bench\/write, 2 calls within/,
    );
    assert.equal(codeOf(await write('car \u001b[2J', 4_000)), undefined);
    assert.match((await run('grant', 'revoke', id, '--reason', 'enough')).stdout, /revoked; it was used 1 times/);
    assert.equal(codeOf(await write('car \u001b[2J', 4_000)), 'CORDON-5001');
    assert.equal((await run('grant', 'approve', id)).code, 2);
    assert.equal((await run('grant', 'refuse', (await newest()).id, '--reason', 'no')).code, 0);
  });
});
