// The parts of the command line that need no process: text made fit for a terminal, tables, colours, guesses, exit codes, and how a
// partial containment is told.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Client } from '../src/cli/client.ts';
import type { Context } from '../src/cli/context.ts';
import { asFailure, EXIT, Failure, failureJson, renderFailure } from '../src/cli/errors.ts';
import { renderWhy } from '../src/cli/explain.ts';
import { changeLevel } from '../src/cli/levels.ts';
import { reachAt } from '../src/cli/stakes.ts';
import { createPaint, wantsColor } from '../src/cli/paint.ts';
import { distance, similar } from '../src/domain/similar.ts';
import { table, widthOf } from '../src/cli/table.ts';
import { duration, several } from '../src/cli/units.ts';
import { escapeJson, plain } from '../src/cli/untrusted.ts';
import { CODES } from '../src/domain/codes.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';

const paint = createPaint(false, false, {});
const ACTING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('[U12] text of agents is hostile', () => {
  const attacks: readonly (readonly [what: string, text: string, shown: string])[] = [
    ['colour', '\u001b[31mred\u001b[0m', 'red'],
    ['8-bit CSI', '\u009b31mred', 'red'],
    ['cursor up and erase', 'ok\u001b[1A\u001b[2K', 'ok'],
    ['window title', '\u001b]0;pwned\u0007name', 'name'],
    ['clipboard, ended by ST', '\u001b]52;c;ZXZpbA==\u001b\\name', 'name'],
    ['hyperlink', '\u001b]8;;https://evil.example\u001b\\click\u001b]8;;\u001b\\', 'click'],
    ['device control string', 'a\u001bP1$r0m\u001b\\b', 'ab'],
    ['sequence that is never ended', 'a\u001b]0;b', 'a0;b'],
    ['escape inside an escape', '\u001b\u001b[31m[31mred', '[31mred'],
    ['charset switch', '\u001b(0lqqk', 'lqqk'],
    ['new line that forges a record', 'reason\nv clerk is normal', 'reason v clerk is normal'],
    ['carriage return over the mark', 'x denied\rv allowed', 'x denied v allowed'],
    ['backspace over the mark', 'deny\b\b\b\ballow', 'denyallow'],
    ['line separator', 'a\u2028b', 'a b'],
    ['bidi override', 'user\u202etxt.exe', 'usertxt.exe'],
    ['bidi isolates', '\u2066a\u2069\u200f', 'a'],
    ['zero width', 'cle\u200brk\u2060\ufeff', 'clerk'],
    ['tag characters', `hi${String.fromCodePoint(0xe0041, 0xe007f)}`, 'hi'],
    ['blank letters', 'a\u3164\u2800b', 'ab'],
    ['half a surrogate pair', 'a\ud800b', 'ab'],
    ['piled marks', `z${'\u0301'.repeat(50)}`, `z${'\u0301'.repeat(3)}`],
  ];
  for (const [what, text, shown] of attacks) test(what, () => assert.equal(plain(text), shown));

  test('text of people stays', () => {
    for (const text of ['Zoë', '請求書', 'فاتورة', 'é', 'naïve “quoted” – dash', '100 €']) assert.equal(plain(text), text);
  });

  test('is cut at the length that is given', () => assert.equal(plain('abcdef', 4), 'abc…'));

  test('whatever comes, nothing that acts is left, and it is one line', () => {
    const nasty = fc.array(
      fc.oneof(fc.constantFrom('\u001b', '\u009b', '[', ']', '31m', '\u0007', '\\', 'P', '\u202e', '\n'), fc.string({ unit: 'binary' })),
    );
    fc.assert(fc.property(nasty, (parts) => !ACTING.test(plain(parts.join('')))));
  });

  test('a cell of a table cannot be forgotten', () => {
    const [line] = table([['\u001b[31mname', ['\u202edesk', (text) => `<${text}>`]]], 0);
    assert.equal(line, 'name  <desk>');
  });

  test('JSON stays the same value, and acts on no terminal', () => {
    const value = { owner: '\u001b[31m\u009b31m\u202e\u2028 Zoë', tag: String.fromCodePoint(0xe0041) };
    const json = escapeJson(JSON.stringify(value));
    assert.deepEqual(JSON.parse(json), value);
    assert.doesNotMatch(json, ACTING);
  });

  test('errors are cleaned too, in every part', () => {
    const failure = new Failure('usage', 'bad \u001b[31mname', { observed: '\u202eabc', expected: 'x\u0007', fix: ['\u001b[2Jfix'] });
    assert.doesNotMatch(renderFailure(failure, paint).join(''), ACTING);
    assert.doesNotMatch(failureJson(failure), ACTING);
  });
});

describe('text on a terminal', () => {
  test('columns are aligned, also beside wide letters', () => {
    const lines = table(
      [
        ['a', 'x', '1'],
        ['請求', 'yy', '2'],
      ],
      0,
    );
    assert.deepEqual(lines, ['a     x   1', '請求  yy  2']);
    assert.equal(widthOf('e\u0301'), 1);
  });

  const colours: readonly (readonly [tty: boolean, flag: boolean, env: Record<string, string>, on: boolean])[] = [
    [true, false, {}, true],
    [false, false, {}, false],
    [true, true, {}, false],
    [true, false, { NO_COLOR: '1' }, false],
    [true, false, { NO_COLOR: '' }, true],
    [true, false, { TERM: 'dumb' }, false],
    [false, false, { CLICOLOR_FORCE: '1' }, true],
    [false, false, { CLICOLOR_FORCE: '0' }, false],
    [false, false, { CLICOLOR_FORCE: '1', NO_COLOR: '1' }, false],
    [false, true, { CLICOLOR_FORCE: '1' }, false],
  ];
  for (const [tty, flag, env, on] of colours) {
    test(`colour ${on ? 'on' : 'off'}: tty ${tty}, --no-color ${flag}, ${JSON.stringify(env)}`, () =>
      assert.equal(wantsColor(tty, flag, env), on));
  }

  test('marks are letters without a terminal that shows UTF-8', () => {
    assert.equal(createPaint(true, true, { LANG: 'C', TERM: 'xterm' }).mark('v'), process.platform === 'linux' ? 'v' : '✓');
    assert.equal(createPaint(true, true, { LANG: 'en_US.UTF-8', TERM: 'xterm' }).mark('x'), '✗');
    assert.equal(createPaint(false, true, { LANG: 'en_US.UTF-8' }).mark('x'), 'x');
  });

  test('figures and plurals', () => {
    assert.deepEqual(
      [several(1, 'call'), several(20_413, 'entry', 'entries'), several(0, 'call')],
      ['1 call', '20,413 entries', '0 calls'],
    );
    assert.deepEqual([12, 1_234, 840_000, 43_200_000, 7_776_000_000].map(duration), ['12 ms', '1.2 s', '14 m', '12 h', '90 d']);
  });

  test('did you mean', () => {
    assert.deepEqual(similar('clrek', ['clerk', 'researcher', 'orchestrator']), ['clerk']);
    assert.deepEqual(similar('zebra', ['clerk', 'researcher']), []);
    assert.equal(distance('ab', 'ba'), 1);
  });
});

describe('failures', () => {
  test('every code has an exit, and the JSON of it carries the row', () => {
    for (const [code, row] of Object.entries(CODES)) {
      const failure = asFailure(new Refusal(code as keyof typeof CODES, 'x'));
      const json = JSON.parse(failureJson(failure)) as Record<string, unknown>;
      assert.equal(json['code'], code);
      assert.equal(json['kind'], row.kind);
      assert.equal(json['retryable'], row.retryable);
      assert.equal(json['class'], EXIT[failure.exit]);
    }
  });

  test('configuration and input are the user’s to mend: exit 2; identity is a matter of login: exit 3', () => {
    const exits = (['CORDON-9006', 'CORDON-9011', 'CORDON-1014', 'CORDON-1002', 'CORDON-9010', 'CORDON-9004'] as const).map(
      (code) => asFailure(new Refusal(code, 'x')).exitCode,
    );
    assert.deepEqual(exits, [2, 2, 2, 3, 4, 1]);
  });

  test('what nobody foresaw is exit 1 and says how to report it', () => {
    const failure = asFailure(new TypeError('boom'));
    assert.equal(failure.exitCode, 1);
    assert.match(renderFailure(failure, paint).join('\n'), /^x unexpected error: boom\n {2}fix {2}report it/);
  });

  test('the form: mark, code, what; why; fix; ref; at most three fixes', () => {
    const failure = new Failure('conflict', 'it is so', {
      code: 'CORDON-9006',
      observed: 'a',
      expected: 'b',
      fix: ['1st', '2nd', '3rd', '4th'],
    });
    assert.deepEqual(renderFailure(failure, paint), [
      'x CORDON-9006 it is so',
      '  why  observed  a',
      '       expected  b',
      '  fix  1 1st',
      '       2 2nd',
      '       3 3rd',
      '  ref  cordon why CORDON-9006',
    ]);
  });

  test('a report of several lines keeps its caret in place', () => {
    const lines = renderFailure(
      asFailure(new Refusal('CORDON-9006', 'a.cedar:1:8: unexpected token\n  1 | permit (\n    |        ^')),
      paint,
    );
    assert.deepEqual(lines.slice(0, 3), ['x CORDON-9006 a.cedar:1:8: unexpected token', '    1 | permit (', '      |        ^']);
  });
});

const REACH = {
  subject: { kind: 'agent', name: 'clerk' },
  reaches: [
    {
      path: ['clerk'],
      segment: 'desk',
      access: 'always',
      reaches: [
        { action: 'tools/call', resource: 'ledger/pay', segment: 'desk', reads: false, access: 'may', permits: ['pays'], forbids: [] },
        { action: 'a2a/message', resource: 'researcher', segment: 'desk', reads: false, access: 'always', permits: ['asks'], forbids: [] },
      ],
    },
  ],
  reachedBy: [],
  complete: true,
};
const DELEGATED = { tokens: 3, tasks: 2, agents: ['researcher', 'bad\u001b[2J'], complete: false };

/** A client that answers what a PEP might have seen. `done`: what it was asked, in order. */
function contextWith(
  peps: readonly JsonObject[],
  status: string,
  blast: () => Promise<unknown> = () => Promise.resolve({ value: { policies: { hash: 'ab', version: 1 }, before: REACH, after: REACH } }),
): { context: Context; printed: string[]; done: string[] } {
  const printed: string[] = [];
  const done: string[] = [];
  const agent = { name: 'clerk', segment: 'desk', owner: 'me', purpose: 'x', level: 'normal', runs: [], connections: 0 };
  const value = {
    agent: 'clerk',
    before: 'normal',
    level: 'off',
    status,
    peps,
    cutMs: 12,
    receipt: { log: 'l', seq: 1, leafHash: 'ab' },
    delegated: { before: DELEGATED, dead: 1 },
  };
  const client = {
    agents: () => Promise.resolve({ json: {}, value: { items: [agent] } }),
    agent: () => Promise.resolve({ value: { ...agent, runs: [{ id: 'r', notAfter: Infinity }], connections: 4, delegated: DELEGATED } }),
    blast: () => {
      done.push('blast');
      return blast();
    },
    setLevel: () => {
      done.push('setLevel');
      return Promise.resolve({ json: value, value });
    },
  } as unknown as Client;
  const context = {
    connected: (work: (client: Client) => Promise<unknown>) => work(client),
    out: { paint, print: (_json: unknown, lines: (p: typeof paint) => readonly string[]) => printed.push(...lines(paint)) },
  } as unknown as Context;
  return { context, printed, done };
}

describe('[U6] containment is told as it was observed', () => {
  const order = { agent: 'clerk', level: 'off', reason: 'x', act: 'off' } as const;
  const silent = { pep: 'gateway-1', connections: 2, calls: 1, remaining: 0, silentMs: 12.4 };
  const loud = { pep: 'gateway-2', connections: 0, calls: 0, remaining: 2, silentMs: 80 };

  test('contained: every PEP is silent, exit 0', async () => {
    const { context, printed } = contextWith([silent], 'contained');
    await changeLevel(context, order);
    assert.match(
      printed.join('\n'),
      /clerk is at level `off`, was `normal`: contained in 12 ms\n {2}v {2}gateway-1 {2}silent 12 ms {2}2 connections, 1 call cut/,
    );
    assert.equal(process.exitCode ?? 0, 0);
  });

  test('[U13] a person is shown what it reaches and what hangs on it before the act, and a no changes nothing', async () => {
    const { context, done } = contextWith([silent], 'contained');
    const asked: string[] = [];
    const answering = (yes: boolean) => (lines: readonly string[], question: string) => {
      assert.deepEqual(done.splice(0), ['blast'], 'nothing was done yet');
      asked.push([...lines, question].join('\n'));
      return Promise.resolve(yes);
    };
    await assert.rejects(changeLevel(context, { ...order, ask: answering(false) }), /nothing was changed/);
    assert.deepEqual(done, []);
    assert.match(asked[0] ?? '', /clerk[^]*writes {2}ledger\/pay[^]*asks {4}researcher/);
    assert.match(
      asked[0] ?? '',
      /live {5}1 run, 4 connections\n {2}tokens {3}3 task tokens of 2 tasks that are known[^]*hands of researcher/,
    );
    assert.match(asked[0] ?? '', /set `clerk` to `off`\?$/);
    assert.doesNotMatch(asked[0] ?? '', /\u001b/);
    await changeLevel(context, { ...order, ask: answering(true) });
    assert.deepEqual(done, ['setLevel', 'blast']);
  });

  test('[U13] without a person it acts first, and an analysis that fails stops nothing', async () => {
    const well = contextWith([silent], 'contained');
    await changeLevel(well.context, order);
    assert.deepEqual(well.done, ['setLevel', 'blast']);
    assert.match(well.printed.join('\n'), /reach {4}until now it reaches 1 tool directly and 0 more through others, 1 of them to write/);
    assert.match(well.printed.join('\n'), /tokens {3}3 task tokens of 2 tasks[^]*; 1 of them dead now/);
    const failing = contextWith([silent], 'contained', () => Promise.reject(new Error('no policies')));
    await changeLevel(failing.context, order);
    assert.match(failing.printed.join('\n'), /contained in 12 ms[^]*cannot be said now: cordon blast clerk/);
  });

  test('[U6] an analysis that does not end keeps nobody waiting', async () => {
    const client = { blast: () => new Promise(() => undefined) } as unknown as Client;
    assert.equal(await reachAt(client, 'clerk', 'normal', 1), undefined);
  });

  for (const [status, peps, words] of [
    ['partial', [silent, loud], 'partially contained'],
    ['not_contained', [loud], 'NOT contained'],
  ] as const) {
    test(`${status}: exit 9, and what is still open`, async () => {
      const { context, printed } = contextWith(peps, status);
      await changeLevel(context, order);
      const exit = process.exitCode;
      process.exitCode = 0;
      assert.equal(exit, EXIT.partial);
      assert.match(printed.join('\n'), new RegExp(`${words}[^]*x {2}gateway-2 {2}NOT SILENT {2}2 connections or calls still open`));
    });
  }

  test('a data plane that is not ours is never said to be silent: exit 9', async () => {
    const haproxy = { pep: 'haproxy', connections: 0, calls: 0, remaining: 0, silentMs: 1, unobserved: true } as const;
    const { context, printed } = contextWith([silent, haproxy], 'partial');
    await changeLevel(context, order);
    const exit = process.exitCode;
    process.exitCode = 0;
    assert.equal(exit, EXIT.partial);
    assert.match(printed.join('\n'), /partially contained[^]*! {2}haproxy {4}NOT OBSERVED {2}refuses from now on/);
  });
});

test('an error of the engine is told as an error, never as a denial by policy', () => {
  const record = {
    id: 'dec_1234',
    ts: '2026-01-01T00:00:00.000Z',
    mode: 'enforce',
    verdict: 'error',
    code: 'CORDON-9005',
    pep: { id: 'gateway-1' },
    principal: 'spiffe://d.example/agent/clerk',
    action: 'tools/call',
    resource: 'ledger/pay',
    policy: { version: 1, determining: ['broken'] },
    errors: [{ policy: 'broken', message: 'attribute `x` is missing' }],
  };
  const text = renderWhy(paint, { record, seq: 3 }).join('\n');
  assert.match(text, /^ERROR /);
  assert.match(text, /! broken {2}attribute `x` is missing/);
  assert.match(text, /proof .*log gateway-1 seq 3/);
});
