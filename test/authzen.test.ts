// The AuthZEN protocol over a PDP: what it takes, how it goes through a batch, and how it pages a search.
import { deepEqual, equal, notEqual, ok, throws } from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { randomKey } from '../src/crypto/random.ts';
import { sealer } from '../src/crypto/seal.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { answer } from '../src/pdp/authzen/answer.ts';
import type { AuthzenApi } from '../src/pdp/authzen/metadata.ts';
import type { AuthzenPdp, EvaluationRequest } from '../src/pdp/authzen/port.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import { openStore } from './support/authzen-application.ts';
import { textIn } from './support/authzen-vectors.ts';

after(() => closeAdmission());

const certification = await openStore('certification');
const search = await openStore('search');
const pages = sealer(randomKey());
const ask = (pdp: AuthzenPdp, api: AuthzenApi, body: Json | undefined, scope = 'test'): JsonObject =>
  answer(api, { pdp, sealer: pages, scope }, body);

const ALICE = { type: 'user', id: 'alice' };
const BOB = { type: 'user', id: 'bob' };
const RECORD = { type: 'record', id: 'record-1' };
const READ = { subject: ALICE, action: { name: 'read' }, resource: RECORD };
const decisionsOf = (reply: JsonObject): unknown[] =>
  (isJsonArray(reply['evaluations']) ? reply['evaluations'] : []).map((one) => isJsonObject(one) && one['decision']);
const idsOf = ({ results }: JsonObject): string[] =>
  (isJsonArray(results) ? results : []).flatMap((one) => (isJsonObject(one) ? textIn(one['id'] ?? one['name']) : []));
const tokenOf = ({ page }: JsonObject): string => textIn(isJsonObject(page) ? page['next_token'] : undefined);

const REFUSED: readonly (readonly [what: string, api: AuthzenApi, body: Json | undefined])[] = [
  ['no body', 'evaluation', undefined],
  ['an array', 'evaluation', []],
  ['a null', 'evaluation', null],
  ['a subject that is null', 'evaluation', { ...READ, subject: null }],
  ['a type that is a number', 'evaluation', { ...READ, subject: { type: 1, id: 'alice' } }],
  ['an id that is a list', 'evaluation', { ...READ, resource: { type: 'record', id: ['record-1'] } }],
  ['properties that are null', 'evaluation', { ...READ, subject: { ...ALICE, properties: null } }],
  ['properties that are a list', 'evaluation', { ...READ, action: { name: 'read', properties: [] } }],
  ['a context that is a text', 'evaluation', { ...READ, context: 'x' }],
  ['evaluations that are null', 'evaluations', { ...READ, evaluations: null }],
  ['evaluations that are an object', 'evaluations', { ...READ, evaluations: {} }],
  ['a default that is no object', 'evaluations', { ...READ, subject: 'alice', evaluations: [{}] }],
  ['options that are a text', 'evaluations', { ...READ, options: 'x', evaluations: [{}] }],
  ['a semantic that is unknown', 'evaluations', { ...READ, options: { evaluations_semantic: 'deny_first' }, evaluations: [{}] }],
  ['a semantic of the prototype', 'evaluations', { ...READ, options: { evaluations_semantic: 'toString' }, evaluations: [{}] }],
  ['a semantic that is null, without items', 'evaluations', { ...READ, options: { evaluations_semantic: null } }],
  ['more items than 1,000', 'evaluations', { ...READ, evaluations: Array.from({ length: 1001 }, () => ({})) }],
  ['a subject search without a type', 'search/subject', { ...READ, subject: {} }],
  ['a resource search without a subject id', 'search/resource', { ...READ, subject: { type: 'user' }, resource: { type: 'record' } }],
  ['an action search without a resource', 'search/action', { subject: ALICE }],
  ['a page that is a number', 'search/subject', { ...READ, page: 1 }],
  ['a limit of 0', 'search/subject', { ...READ, page: { limit: 0 } }],
  ['a limit with a fraction', 'search/subject', { ...READ, page: { limit: 1.5 } }],
  ['a token that is a number', 'search/subject', { ...READ, page: { token: 1 } }],
  ['a token that was made up', 'search/subject', { ...READ, page: { token: 'AAAA' } }],
];

describe('requests', () => {
  for (const [what, api, body] of REFUSED) {
    test(`${what}: refused as a whole`, () => {
      throws(() => ask(certification, api, body), { code: 'CORDON-9011' });
    });
  }

  test('members that are not known are ignored at every level', () => {
    const odd = {
      subject: { ...ALICE, x: null },
      action: { name: 'read', x: [] },
      resource: { ...RECORD, x: 'y' },
      x: { y: null },
      page: 'no search',
    };
    equal(ask(certification, 'evaluation', odd)['decision'], true);
  });

  test('names that JavaScript knows are names like any other', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      equal(ask(certification, 'evaluation', { ...READ, action: { name } })['decision'], false);
      equal(ask(certification, 'evaluation', { ...READ, subject: { type: name, id: name } })['decision'], false);
      deepEqual(ask(certification, 'search/subject', { ...READ, subject: { type: name } })['results'], []);
    }
    const polluting: JsonObject = JSON.parse('{"__proto__": {"role": "admin"}, "constructor": 1}') as JsonObject;
    const archived = { type: 'record', id: 'record-2' };
    const write = { subject: { ...ALICE, properties: polluting }, action: { name: 'write' }, resource: archived };
    equal(ask(certification, 'evaluation', write)['decision'], false);
  });
});

describe('evaluations', () => {
  const batch = (items: Json, more: JsonObject = {}): unknown[] =>
    decisionsOf(ask(certification, 'evaluations', { ...more, evaluations: items }));
  const semantic = (name: string): JsonObject => ({ options: { evaluations_semantic: name } });
  const [yes, no] = [READ, { ...READ, subject: BOB, action: { name: 'write' } }];

  test('a default is replaced as a whole: nothing of it is left over', () => {
    deepEqual(batch([{ resource: { id: 'record-1' } }], { ...READ, resource: { type: 'record', id: 'record-2' } }), [false]);
    // with the role of the default merged in, bob could write
    const admin = { ...BOB, properties: { role: 'admin' } };
    const archived = { type: 'record', id: 'record-2', properties: { status: 'archived' } };
    const defaults = { subject: admin, action: { name: 'write' }, resource: archived };
    deepEqual(batch([{}, { subject: { ...ALICE, properties: {} } }], defaults), [true, false]);
  });

  test('a bad item denies itself, with the others as they are', () => {
    deepEqual(batch([yes, null, 1, [], 'x', { subject: null }, {}, yes]), [true, false, false, false, false, false, false, true]);
    deepEqual(batch([null], READ), [false]);
    const reply = ask(certification, 'evaluations', { evaluations: [{ ...READ, subject: 'alice' }] });
    deepEqual(reply, { evaluations: [{ decision: false, context: { error: { status: 400, message: '`subject` must be an object' } } }] });
  });

  test('it ends where its semantic says, and not before', () => {
    deepEqual(batch([yes, no, yes]), [true, false, true]);
    deepEqual(batch([yes, no, yes], semantic('execute_all')), [true, false, true]);
    deepEqual(batch([yes, no, yes], semantic('deny_on_first_deny')), [true, false]);
    deepEqual(batch([yes, {}, yes], semantic('deny_on_first_deny')), [true, false]);
    deepEqual(batch([no, yes, no], semantic('permit_on_first_permit')), [false, true]);
    deepEqual(batch([no, no], semantic('permit_on_first_permit')), [false, false]);
  });

  test('[I1] a PDP that fails denies an item, and answers a single evaluation with its failure', () => {
    const failing: AuthzenPdp = { ...stub([]), evaluate: () => fail(new Refusal('CORDON-9001', 'out of order')) };
    const reply = ask(failing, 'evaluations', { evaluations: [READ] });
    deepEqual(reply['evaluations'], [{ decision: false, context: { error: { status: 500, message: 'out of order' } } }]);
    throws(() => ask(failing, 'evaluation', READ), { code: 'CORDON-9001' });
    throws(() => ask(failing, 'evaluations', READ), { code: 'CORDON-9001' });
    throws(() => ask({ ...failing, subjects: () => ['alice'] }, 'search/subject', READ), { code: 'CORDON-9001' });
    const bug: AuthzenPdp = { ...stub([]), evaluate: () => fail(new TypeError('secret')) };
    deepEqual(decisionsOf(ask(bug, 'evaluations', { evaluations: [READ] })), [false]);
    ok(!JSON.stringify(ask(bug, 'evaluations', { evaluations: [READ] })).includes('secret'));
  });
});

function fail(error: Error): never {
  throw error;
}

/** Knows these subjects and permits them all. */
const stub = (ids: readonly string[]): AuthzenPdp => ({
  revision: () => '1',
  obligations: [],
  evaluate: () => ({ decision: true }),
  subjects: () => ids,
  resources: () => ids,
  actions: () => ids,
});

const USERS = ['alice', 'bob', 'carol', 'dan', 'erin', 'felix', 'nobody'];
const RECORDS = [...Array.from({ length: 20 }, (_, at) => String(101 + at)), '999'];
const user = fc.record(
  {
    id: fc.constantFrom(...USERS),
    properties: fc.record(
      { role: fc.constantFrom('manager', 'employee'), department: fc.constantFrom('Legal', 'Sales', '') },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['id'] },
);
const record = fc.record(
  {
    id: fc.constantFrom(...RECORDS),
    properties: fc.record({ department: fc.constantFrom('Legal', 'Sales'), title: fc.string() }, { requiredKeys: [] }),
  },
  { requiredKeys: ['id'] },
);
const action = fc.constantFrom('view', 'edit', 'delete', 'none');

/** All pages, as a PEP would fetch them. */
function allPages(pdp: AuthzenPdp, api: AuthzenApi, body: JsonObject, limit: number): string[] {
  const found: string[] = [];
  let page: JsonObject = { limit };
  for (;;) {
    const reply = ask(pdp, api, { ...body, page });
    const ids = idsOf(reply);
    ok(ids.length <= limit);
    found.push(...ids);
    const token = tokenOf(reply);
    if (token === '') return found;
    page = { limit, token };
  }
}

describe('search', () => {
  const permits = (request: EvaluationRequest): boolean => search.evaluate(request, 'search').decision;
  /** A name alone says nothing of what it is for. */
  const isKnown = ({ id, properties }: { readonly id: string; readonly properties?: object }): boolean =>
    properties !== undefined || (id !== 'nobody' && id !== '999');

  test('[AuthZEN-1.0] it finds exactly what evaluations permit, however it is paged', () => {
    fc.assert(
      fc.property(user, record, action, fc.integer({ min: 1, max: 25 }), (one, other, name, limit) => {
        const [subject, resource] = [
          { type: 'user', ...one },
          { type: 'record', ...other },
        ] as const;
        const subjects = USERS.slice(0, -1).filter((id) => permits({ subject: { type: 'user', id }, action: { name }, resource }));
        const wanted = { action: { name }, resource, subject: { type: 'user' } };
        deepEqual(allPages(search, 'search/subject', wanted, limit), isKnown(other) ? subjects : []);
        const records = RECORDS.slice(0, -1).filter((id) => permits({ subject, action: { name }, resource: { type: 'record', id } }));
        deepEqual(
          allPages(search, 'search/resource', { subject, action: { name }, resource: { type: 'record' } }, limit),
          isKnown(one) ? records : [],
        );
        const actions = ['delete', 'edit', 'view'].filter((each) => permits({ subject, action: { name: each }, resource }));
        const both = isKnown(one) && isKnown(other);
        deepEqual(allPages(search, 'search/action', { subject, resource }, limit), both ? actions : []);
      }),
      { numRuns: 200 },
    );
  });

  const wanted = { subject: ALICE, action: { name: 'view' }, resource: { type: 'record' }, context: { a: 1, b: [{ c: 2, d: 3 }] } };
  const first = (scope?: string): string => tokenOf(ask(search, 'search/resource', { ...wanted, page: { limit: 3 } }, scope));
  const next = (token: string, over: JsonObject = {}, scope?: string, api: AuthzenApi = 'search/resource'): JsonObject =>
    ask(search, api, { ...wanted, ...over, page: { token, limit: 3 } }, scope);

  test('a page goes on where the one before ended; the limit is each page’s own', () => {
    deepEqual(idsOf(next(first())), ['104', '105', '106']);
    const rest = ask(search, 'search/resource', { ...wanted, page: { token: first() } });
    deepEqual([idsOf(rest).length, tokenOf(rest)], [17, '']);
    deepEqual(ask(search, 'search/resource', wanted)['page'], undefined);
    equal(tokenOf(ask(search, 'search/resource', { ...wanted, page: { limit: 20 } })), '');
    equal(idsOf(ask(search, 'search/resource', { ...wanted, page: { limit: Number.MAX_SAFE_INTEGER } })).length, 20);
  });

  test('a token opens for the same question alone, in whatever order its members come', () => {
    const token = first();
    deepEqual(idsOf(next(token, { context: { b: [{ d: 3, c: 2 }], a: 1 } })), ['104', '105', '106']);
    notEqual(first(), token);
    const others: readonly JsonObject[] = [
      { subject: BOB },
      { subject: { ...ALICE, properties: {} } },
      { action: { name: 'edit' } },
      { context: { a: 1 } },
      { context: { a: 1, b: [{ c: 2, d: 3 }, 4] } },
      { resource: { type: 'record', properties: { title: 'x' } } },
    ];
    for (const over of others) throws(() => next(token, over), { code: 'CORDON-9011' });
    throws(() => next(token, {}, 'another PEP'), { code: 'CORDON-9011' });
    throws(() => next(token, { resource: { type: 'record', id: '101' } }, undefined, 'search/subject'), { code: 'CORDON-9011' });
    const bytes = Buffer.from(token, 'base64url');
    for (const at of [0, 5, 12, 25, bytes.length - 1]) {
      const forged = Buffer.from(bytes);
      forged[at] = (forged[at] ?? 0) ^ 1;
      throws(() => next(forged.toString('base64url')), { code: 'CORDON-9011' });
    }
    throws(() => answer('search/resource', { pdp: search, sealer: sealer(randomKey()), scope: 'test' }, { ...wanted, page: { token } }), {
      code: 'CORDON-9011',
    });
  });

  test('a token of what has changed since is refused', () => {
    let revision = '1';
    const pdp: AuthzenPdp = { ...stub(['a', 'b', 'c']), revision: () => revision };
    const body = { ...READ, page: { limit: 1 } };
    const token = tokenOf(ask(pdp, 'search/subject', body));
    deepEqual(idsOf(ask(pdp, 'search/subject', { ...READ, page: { limit: 1, token } })), ['b']);
    revision = '2';
    throws(() => ask(pdp, 'search/subject', { ...READ, page: { limit: 1, token } }), { code: 'CORDON-9011' });
  });

  test('[I10] one page looks at 2,000 candidates, and the next goes on behind them', () => {
    const ids = Array.from({ length: 5_001 }, (_, at) => String(at).padStart(5, '0'));
    let asked = 0;
    const pdp: AuthzenPdp = { ...stub(ids), evaluate: ({ subject }) => ({ decision: (asked++, subject.id === '05000') }) };
    const sizes: number[] = [];
    let token = '';
    do {
      const reply = ask(pdp, 'search/subject', { ...READ, page: { token } });
      sizes.push(idsOf(reply).length);
      ok(asked <= 2_000 * sizes.length);
      token = tokenOf(reply);
    } while (token !== '');
    deepEqual(sizes, [0, 0, 1]);
  });
});
