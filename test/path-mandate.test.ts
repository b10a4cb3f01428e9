// From a plan to the tool: the drafted mandate is asked for, and what is called over the wire passes where the plan has it, and nowhere else.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, writeJson } from '../src/domain/json.ts';
import { mandateJson } from '../src/domain/mandate.ts';
import { type Callable, draftMandate } from '../src/domain/mandate-draft.ts';
import { joinRun, startRun, type RunSvid } from './support/join.ts';
import { EXCHANGE, TYPE } from './support/oauth-bed.ts';
import { codeOf, openTokenBed, type TokenBed } from './support/token-bed.ts';

const CALLABLES: readonly Callable[] = [
  { id: 'bench/write', type: 'tool', arguments: ['line', 'amount', 'note'], sinks: ['line'], required: ['line', 'amount'] },
  { id: 'bench/echo', type: 'tool', arguments: ['text'], sinks: [], required: ['text'] },
];
const PLAN: Json = [
  { tool: 'echo', args: { text: '<b>paid</b>' } },
  { tool: 'write', args: { line: 'acme', amount: { max: 10 } }, calls: 2 },
];
const details = (plan: Json): string => writeJson(mandateJson(draftMandate(plan, CALLABLES).mandate));

let bed: TokenBed;
let caller: RunSvid;
before(async () => {
  bed = await openTokenBed();
  caller = await joinRun(bed, await startRun(bed, 'agent', 'caller'));
});
after(() => (bed as TokenBed | undefined)?.[Symbol.asyncDispose]());

describe('[I4] a task with the mandate that was drafted for its plan', () => {
  test('does what the plan says, as often as it says, and nothing besides', async () => {
    const task = await bed.task(caller, { authorization_details: details(PLAN) });
    const call = async (tool: string, args: object): Promise<string | undefined> => {
      const before_ = bed.tools.calls.length;
      const code = codeOf(await bed.tool(caller, tool, args, task));
      assert.equal(bed.tools.calls.length - before_, code === undefined ? 1 : 0, 'the upstream is the witness');
      return code;
    };
    for (const [what, tool, args] of [
      ['another value', 'write', { line: 'evil', amount: 1 }],
      ['an argument more, which the tool knows', 'write', { line: 'acme', amount: 1, note: 'x' }],
      ['more of it', 'write', { line: 'acme', amount: 11 }],
      ['the text without its angles', 'echo', { text: 'paid' }],
      ['another tool', 'tick', {}],
    ] as const)
      assert.equal(await call(tool, args), 'CORDON-3019', what);
    assert.equal(await call('echo', { text: '<b>paid</b>' }), undefined);
    assert.equal(await call('write', { line: 'acme', amount: 1 }), undefined);
    assert.equal(await call('write', { line: 'acme', amount: 1 }), undefined);
    assert.equal(await call('write', { line: 'acme', amount: 1 }), 'CORDON-3019', 'once more than planned');
    assert.equal(await call('echo', { text: '<b>paid</b>' }), 'CORDON-3019', 'once more than planned');
  });

  test('does it in the order of the plan, and a call that is denied puts nothing before another', async () => {
    const plan: Json = {
      ordered: true,
      steps: [
        { tool: 'echo', args: { text: 'look' } },
        { tool: 'write', args: { line: 'acme', amount: 1 } },
      ],
    };
    const task = await bed.task(caller, { authorization_details: details(plan) });
    const call = async (tool: string, args: object): Promise<string | undefined> => codeOf(await bed.tool(caller, tool, args, task));
    const write = { line: 'acme', amount: 1 };
    assert.equal(await call('write', write), 'CORDON-3019', 'before what it comes after');
    assert.equal(await call('echo', { text: 'another' }), 'CORDON-3019');
    assert.equal(await call('write', write), 'CORDON-3019', 'what was denied was not called');
    const own = await bed.task(caller);
    assert.equal(codeOf(await bed.tool(caller, 'echo', { text: 'look' }, own)), undefined);
    assert.equal(await call('write', write), 'CORDON-3019', 'what another task called is none of its own');
    assert.equal(await call('echo', { text: 'look' }), undefined);
    assert.equal(await call('write', write), undefined);
  });

  test('cannot open what is closed by exchanging its token', async () => {
    const task = await bed.task(caller, { authorization_details: details(PLAN) });
    const ask = (entry: object): ReturnType<TokenBed['post']> =>
      bed.post(
        {
          grant_type: EXCHANGE,
          subject_token: task,
          subject_token_type: TYPE.access,
          authorization_details: JSON.stringify([
            { type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/write'], ...entry },
          ]),
        },
        { as: caller },
      );
    const held = { arguments: { line: { in: ['acme'] }, amount: { max: 10 } } };
    const opened = await ask(held);
    assert.deepEqual([opened.status, opened.json['error']], [400, 'invalid_authorization_details'], opened.text);
    const named = await ask({ arguments: { ...held.arguments, note: {} }, other_arguments: false });
    assert.equal(named.json['error'], 'invalid_authorization_details');
    const same = await ask({ ...held, other_arguments: false });
    assert.equal(same.status, 200, same.text);
    const narrower = String(same.json['access_token']);
    assert.equal(codeOf(await bed.tool(caller, 'write', { line: 'acme', amount: 1, note: 'x' }, narrower)), 'CORDON-3019');
    assert.equal(codeOf(await bed.tool(caller, 'write', { line: 'acme', amount: 1 }, narrower)), undefined);
  });
});

describe('[I4] a budget is spent once, whatever happens to the gateway', () => {
  test('after a kill the tasks that went on have none left, and new ones have theirs', async () => {
    const details_ = details([{ tool: 'echo', args: { text: 'x' }, calls: 2 }]);
    const task = await bed.task(caller, { authorization_details: details_ });
    const echo = async (token: string): Promise<string | undefined> => codeOf(await bed.tool(caller, 'echo', { text: 'x' }, token));
    assert.equal(await echo(task), undefined);
    await bed.stop('SIGKILL');
    await bed.start();
    await bed.ready();
    assert.equal(await echo(task), 'CORDON-3019', 'how much was left nobody knows');
    const callee = await joinRun(bed, await startRun(bed, 'agent', 'callee'));
    const exchanged = await bed.exchange(callee, task, TYPE.access);
    const further = codeOf(await bed.tool(callee, 'echo', { text: 'x' }, exchanged));
    assert.equal(further, 'CORDON-3019', 'another token of it is no new task');
    assert.equal(await echo(await bed.task(caller)), undefined, 'without a budget nothing is counted');
    const next = await bed.task(caller, { authorization_details: details_ });
    assert.deepEqual([await echo(next), await echo(next), await echo(next)], [undefined, undefined, 'CORDON-3019']);
  });
});
