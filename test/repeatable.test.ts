// Which calls may go to their callee twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessRequest, Decision } from '../src/domain/access.ts';
import type { JsonObject } from '../src/domain/json.ts';
import type { Call } from '../src/gateway/call.ts';
import type { Pep } from '../src/gateway/pep.ts';
import { mayRepeat } from '../src/gateway/repeatable.ts';
import type { Authorized } from '../src/pdp/decide.ts';

const REQUEST = {
  subject: { type: 'agent', id: 'clerk' },
  action: { name: 'tools/call' },
  resource: { type: 'tool', id: 'ledger/balance' },
  context: {},
} as unknown as AccessRequest;
const ALLOW: Decision = { verdict: 'allow', determining: [], errors: [], policyVersion: 1 };

/** `allowed`: the tools that the operator lets be repeated; `annotations`: of the pinned definition. */
const pepWith = (allowed: readonly string[], annotations: JsonObject | undefined): Pep => {
  const definition = { name: 'balance', ...(annotations === undefined ? {} : { annotations }) };
  return {
    upstreams: { guards: { allowsRetry: (_server: string, tool: string) => allowed.includes(tool) } },
    snapshot: () => ({ world: { tools: new Map([['ledger', [{ name: 'balance', definition, inputSchema: {} }]]]) } }),
  } as unknown as Pep;
};

const authorized = (plan: object, more: { readonly request?: object; readonly decision?: object } = {}): Authorized<Call> =>
  ({ call: { plan, request: { ...REQUEST, ...more.request } }, decision: { ...ALLOW, ...more.decision } }) as unknown as Authorized<Call>;

const TOOL = { kind: 'mcp/call', server: 'ledger', tool: 'balance' };
const IDEMPOTENT = { idempotentHint: true };

void test('a tool is repeated only when its pinned definition and the operator both say so', () => {
  const cases: readonly (readonly [readonly string[], JsonObject | undefined, boolean])[] = [
    [['balance'], IDEMPOTENT, true],
    [['balance'], { readOnlyHint: true }, true],
    [[], IDEMPOTENT, false],
    [['balance'], undefined, false],
    [['balance'], { idempotentHint: false }, false],
    [['balance'], { idempotentHint: 'true' }, false],
    [['transfer'], IDEMPOTENT, false],
  ];
  for (const [allowed, annotations, expected] of cases) {
    assert.equal(mayRepeat(pepWith(allowed, annotations), authorized(TOOL)), expected, JSON.stringify([allowed, annotations]));
  }
});

void test('[I4] what counts is not counted twice: an approval, a call of a mandate with a budget', () => {
  const pep = pepWith(['balance'], IDEMPOTENT);
  assert.equal(mayRepeat(pep, authorized(TOOL, { decision: { grant: { id: 'gr_1', until: 1 } } })), false);
  assert.equal(mayRepeat(pep, authorized(TOOL, { request: { delegation: { made: 0 } } })), false);
});

void test('lists, reads and safe methods are; messages, other methods and what has a body are not', () => {
  const cases: readonly (readonly [object, boolean])[] = [
    [{ kind: 'mcp/browse', server: 'ledger' }, true],
    [{ kind: 'a2a/card', agent: 'clerk' }, true],
    [{ kind: 'a2a/send', agent: 'clerk' }, false],
    [{ kind: 'http/call', server: 'api', route: { method: 'GET' } }, true],
    [{ kind: 'http/call', server: 'api', route: { method: 'GET' }, body: '{}' }, false],
    [{ kind: 'http/call', server: 'api', route: { method: 'PUT' } }, false],
    [{ kind: 'http/call', server: 'api', route: { method: 'POST' } }, false],
    [{ kind: 'http/upgrade', server: 'api' }, false],
  ];
  for (const [plan, expected] of cases) assert.equal(mayRepeat(pepWith([], undefined), authorized(plan)), expected, JSON.stringify(plan));
});
