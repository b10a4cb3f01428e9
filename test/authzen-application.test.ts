// The PDP of an application: what its schema takes of a request, what its policies answer, and what it refuses to be opened from.
import { deepEqual, equal, rejects } from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { randomKey } from '../src/crypto/random.ts';
import { sealer } from '../src/crypto/seal.ts';
import { isJsonObject, type JsonObject } from '../src/domain/json.ts';
import { answer as answerTo } from '../src/pdp/authzen/answer.ts';
import { openApplication } from '../src/pdp/authzen/application.ts';
import type { ApplicationSources, Source } from '../src/pdp/authzen/application-load.ts';
import type { AuthzenPdp, Evaluation, EvaluationRequest } from '../src/pdp/authzen/port.ts';
import { closeAdmission } from '../src/policy/admission.ts';

after(() => closeAdmission());

const SCHEMA = `
entity folder;
entity user { role?: String, age?: Long, limit?: decimal, tags?: Set<String>, address?: { city?: String, zip?: Long }, boss?: user };
entity file in [folder] { owner: user, size: Long, secret?: Bool };
action open, share appliesTo { principal: user, resource: file, context: { hour?: Long, action?: { mode?: String, force?: Bool }, items?: Set<{ name?: String }> } };
action login appliesTo { principal: user, resource: user };
`;

const POLICIES = `
@id("owners")
permit (principal, action == Action::"open", resource)
when { resource.owner == principal };

@id("adults")
permit (principal, action == Action::"login", resource)
when { principal has age && principal.age >= 18 };

@id("big-numbers")
permit (principal, action == Action::"login", resource)
when { principal has limit && principal.limit.greaterThan(decimal("9.5")) };

@id("londoners")
permit (principal, action == Action::"login", resource)
when { principal has address.city && principal.address.city == "London" };

@id("reports")
permit (principal, action == Action::"login", resource)
when { principal has boss && principal.boss == user::"ann" };

@id("forced")
permit (principal, action == Action::"share", resource)
when { context has action.force && context.action.force };

@id("at-night")
permit (principal, action == Action::"share", resource)
when { context has hour && context.hour > 22 };

@id("no-secrets")
@code("CORDON-3018")
@reason("secrets are not shared")
forbid (principal, action == Action::"share", resource)
when { resource has secret && resource.secret };

@id("no-large-files")
forbid (principal, action == Action::"share", resource)
when { resource.size * 4000000000 > 1000000000000 };

@id("nobody-opens")
@mode("shadow")
forbid (principal, action == Action::"open", resource);
`;

const ENTITIES: readonly JsonObject[] = [
  { uid: { type: 'user', id: 'ann' }, attrs: { role: 'boss', age: 40 }, parents: [] },
  { uid: { type: 'user', id: 'ben' }, attrs: { age: 12 }, parents: [] },
  { uid: { type: 'folder', id: 'top' }, attrs: {}, parents: [] },
  {
    uid: { type: 'file', id: 'plan' },
    attrs: { owner: { __entity: { type: 'user', id: 'ann' } }, size: 10 },
    parents: [{ type: 'folder', id: 'top' }],
  },
  { uid: { type: 'file', id: 'key' }, attrs: { owner: { type: 'user', id: 'ben' }, size: 1, secret: true }, parents: [] },
];

const source = (path: string, text: string): Source => ({ path, text });
const SOURCES: ApplicationSources = {
  policies: [source('files/files.cedar', POLICIES)],
  schema: source('files/schema.cedarschema', SCHEMA),
  entities: source('files/entities.json', JSON.stringify(ENTITIES)),
};

const files = await openApplication(SOURCES);
const user = (id: string, properties?: JsonObject): EvaluationRequest['subject'] => ({
  type: 'user',
  id,
  ...(properties === undefined ? {} : { properties }),
});
const file = (id: string, properties?: JsonObject): EvaluationRequest['resource'] => ({ ...user(id, properties), type: 'file' });
const ask = (
  subject: EvaluationRequest['subject'],
  name: string,
  resource: EvaluationRequest['resource'],
  more: Partial<EvaluationRequest> = {},
): Evaluation => files.evaluate({ subject, action: { name }, resource, ...more }, 'decision');
const login = (properties?: JsonObject, id = 'new'): Evaluation => ask(user(id, properties), 'login', user('ann'));
const codeOf = ({ context: { cordon } = {} }: Evaluation): unknown => (isJsonObject(cordon) ? cordon['code'] : undefined);

describe('what the schema takes of a request', () => {
  test('stored attributes count, and what the request says of one stands in its place', () => {
    equal(ask(user('ann'), 'login', user('ann')).decision, true);
    equal(ask(user('ben'), 'login', user('ann')).decision, false);
    equal(login({ age: 18 }, 'ben').decision, true);
    equal(login({ role: 'x' }, 'ann').decision, true);
    equal(login({ age: 17 }, 'ann').decision, false);
    equal(ask(user('ann'), 'open', file('plan', { size: 3 })).decision, true);
    equal(ask(user('ben'), 'open', file('plan', { owner: { type: 'user', id: 'ben' } })).decision, true);
    equal(ask(user('ben'), 'open', file('plan')).decision, false);
  });

  test('every type of Cedar has its form in JSON', () => {
    equal(login({ age: 9007199254740993n }).decision, true);
    equal(login({ limit: '9.6' }).decision, true);
    equal(login({ limit: { __extn: { fn: 'decimal', arg: '9.4' } } }).decision, false);
    equal(login({ address: { city: 'London', street: 'unknown members are ignored here too' } }).decision, true);
    equal(login({ boss: { __entity: { type: 'user', id: 'ann' } } }).decision, true);
  });

  test('what is not known is ignored, whatever it is', () => {
    equal(login({ age: 20, shoe: 1.5, hat: null, coat: [null], admin: true }).decision, true);
    equal(
      ask(user('ann'), 'open', file('plan'), { context: { ip: '::1', hour: 3, x: null, items: [{ name: 'a', y: 1.5 }] } }).decision,
      true,
    );
  });

  test('a null is no value: it is left out, and the answer says so', () => {
    const { decision, context } = login({ age: 20, role: null, address: { city: null } });
    equal(decision, true);
    deepEqual(context, { cordon: { verdict: 'allow', dropped: ['subject.properties.role', 'subject.properties.address.city'] } });
  });

  const MISFITS: readonly (readonly [JsonObject, Partial<EvaluationRequest>?])[] = [
    [{ age: '40' }],
    [{ age: 1.5 }],
    [{ age: 2n ** 63n }],
    [{ role: 1 }],
    [{ tags: 'x' }],
    [{ tags: ['x', 1] }],
    [{ tags: [null] }],
    [{ limit: 9.6 }],
    [{ limit: '9.61234' }],
    [{ boss: 'ann' }],
    [{ boss: { type: 'file', id: 'plan' } }],
    [{ address: 'London' }],
    [{ address: { zip: 'E1' } }],
  ];
  for (const [properties] of MISFITS) {
    test(`[I1] what is of another type denies: ${Object.keys(properties).join()} ${typeof Object.values(properties)[0]}`, () => {
      const answer = login({ age: 40, ...properties });
      equal(answer.decision, false);
      equal(codeOf(answer), 'CORDON-3006');
    });
  }

  test('the properties of an action are in `context.action`, where nothing else can be', () => {
    const share = (properties: JsonObject | undefined, context?: JsonObject): boolean =>
      ask(user('ann'), 'share', file('plan'), {
        action: { name: 'share', ...(properties === undefined ? {} : { properties }) },
        ...(context === undefined ? {} : { context }),
      }).decision;
    equal(share({ force: true }), true);
    equal(share({ force: false }), false);
    equal(share(undefined, { action: { force: true } }), false);
    equal(share({ force: false }, { action: { force: true } }), false);
    equal(share(undefined, { hour: 23 }), true);
    for (const context of [{ hour: '23' }, { hour: 23.5 }, { items: [1] }, { items: {} }]) equal(share({ force: true }, context), false);
    equal(share({ force: 'yes' }), false);
    equal(share({ force: true, mode: 1 }), false);
  });
});

describe('what the policies answer', () => {
  const forced = { action: { name: 'share', properties: { force: true } } };

  test('a forbid names code and reason', () => {
    deepEqual(ask(user('ann'), 'share', file('key'), forced), {
      decision: false,
      context: { cordon: { verdict: 'deny', code: 'CORDON-3002', kind: 'policy' }, reason: 'secrets are not shared' },
    });
  });

  test('[I1] a forbid that fails to evaluate denies', () => {
    const answer = ask(user('ann'), 'share', file('plan', { size: 9007199254740993n }), forced);
    equal(answer.decision, false);
    equal(codeOf(answer), 'CORDON-9005');
    // an entity of which nothing is known has no size: the same
    equal(codeOf(ask(user('ann'), 'share', file('none'), forced)), 'CORDON-9005');
  });

  test('a policy in shadow has no effect', () => equal(ask(user('ann'), 'open', file('plan')).decision, true));

  test('unknown types and actions, and actions that do not go together with types, are denied', () => {
    for (const [subject, name, resource] of [
      [user('ann'), 'fly', file('plan')],
      [user('ann'), 'login', file('plan')],
      [file('plan'), 'open', file('plan')],
      [{ type: 'ghost', id: 'x' }, 'open', file('plan')],
      [user('ann'), 'open', { type: 'no type::"', id: 'x' }],
    ] as const) {
      equal(codeOf(ask(subject, name, resource)), 'CORDON-3008');
    }
  });
});

const OBLIGATIONS = {
  'tell-owner': { type: 'notification', properties: { to: 'owner@files.example', body: 'somebody opened it' } },
  'again-mfa': { type: 'step-up', properties: { acr_value: 'urn:example:loa:3', amr_values: ['hwk'] } },
};

const withObligations = (policies: string, obligations: object = OBLIGATIONS): Promise<AuthzenPdp> =>
  openApplication({
    ...SOURCES,
    policies: [source('files/o.cedar', policies)],
    obligations: source('files/obligations.json', JSON.stringify(obligations)),
  });

describe('obligations', () => {
  test('those of the policies that decide, on a permit, on a denial and on a result', async () => {
    const pdp = await withObligations(`
@id("a") @obligation("tell-owner") permit (principal, action == Action::"open", resource);
@id("b") @obligation("again-mfa tell-owner") permit (principal == user::"ann", action == Action::"open", resource);
@id("c") @obligation("again-mfa") forbid (principal, action == Action::"open", resource == file::"key");
@id("d") @obligation("again-mfa") permit (principal, action == Action::"share", resource);`);
    deepEqual(pdp.obligations, ['notification', 'step-up']);
    const open = (id: string, of: string): unknown =>
      pdp.evaluate({ subject: user(id), action: { name: 'open' }, resource: file(of) }, 'decision').context?.['obligations'];
    const [tell, again] = Object.entries(OBLIGATIONS).map(([id, one]) => ({ id, ...one }));
    deepEqual(open('ben', 'plan'), [tell]);
    deepEqual(open('ann', 'plan'), [tell, again]);
    const asked = { subject: { type: 'user', id: 'ben' }, action: { name: 'open' }, resource: { type: 'file' } };
    const found = answerTo('search/resource', { pdp, sealer: sealer(randomKey()), scope: '' }, asked);
    deepEqual(found, { results: [{ type: 'file', id: 'plan', obligations: [tell] }] });
    deepEqual(open('ann', 'key'), [again]);
    equal(
      pdp.evaluate({ subject: user('ann'), action: { name: 'login' }, resource: user('ann') }, 'decision').context?.['obligations'],
      undefined,
    );
  });

  const BAD: readonly (readonly [what: string, obligations: object])[] = [
    ['none of that name', {}],
    ['another type', { x: { type: 'sms', properties: {} } }],
    ['a member missing', { x: { type: 'notification', properties: { to: 'a' } } }],
    ['a member of another type', { x: { type: 'step-up', properties: { acr_value: 3 } } }],
    ['no object', { x: 'notify' }],
  ];
  for (const [what, obligations] of BAD) {
    test(`${what}: not opened`, () =>
      rejects(withObligations('@id("a") @obligation("x") permit (principal, action, resource);', obligations), { code: 'CORDON-9006' }));
  }
});

const BROKEN: readonly (readonly [what: string, sources: Partial<ApplicationSources>, code: string, message: RegExp])[] = [
  ['no policy', { policies: [source('p.cedar', '// none')] }, 'CORDON-9007', /no policy/],
  ['a policy that does not parse', { policies: [source('p.cedar', 'permit (principal, action, resource')] }, 'CORDON-9006', /p\.cedar:1/],
  ['a policy without a name', { policies: [source('p.cedar', 'permit (principal, action, resource);')] }, 'CORDON-9006', /`@id`/],
  [
    'a policy that does not fit the schema',
    { policies: [source('p.cedar', '\n@id("x") forbid (principal, action, resource is file) when { resource.nme == "x" };')] },
    'CORDON-9006',
    /p\.cedar:2.*nme/,
  ],
  ['a schema that does not parse', { schema: source('s.cedarschema', 'entity user {') }, 'CORDON-9006', /s\.cedarschema/],
  [
    'two actions of one name',
    { schema: source('s.cedarschema', `${SCHEMA} namespace N { entity u; action open appliesTo { principal: u, resource: u }; }`) },
    'CORDON-9006',
    /one name/,
  ],
  ['entities that are no JSON', { entities: source('e.json', '[') }, 'CORDON-9006', /e\.json/],
  ['entities with a key twice', { entities: source('e.json', '[{"uid": {}, "uid": {}}]') }, 'CORDON-9006', /duplicate key/],
  [
    'an entity of an unknown type',
    { entities: source('e.json', JSON.stringify([{ uid: { type: 'ghost', id: 'x' }, attrs: {}, parents: [] }])) },
    'CORDON-9006',
    /e\.json/,
  ],
  [
    'an attribute of another type',
    { entities: source('e.json', JSON.stringify([{ uid: { type: 'user', id: 'x' }, attrs: { age: '1' }, parents: [] }])) },
    'CORDON-9006',
    /age/,
  ],
  [
    'a required attribute missing',
    { entities: source('e.json', JSON.stringify([{ uid: { type: 'file', id: 'x' }, attrs: { size: 1 }, parents: [] }])) },
    'CORDON-9006',
    /owner/,
  ],
  [
    'two of one name that differ',
    { entities: source('e.json', JSON.stringify([ENTITIES[0], { ...ENTITIES[0], attrs: {} }])) },
    'CORDON-9006',
    /differ/,
  ],
];

describe('opening', () => {
  for (const [what, sources, code, message] of BROKEN) {
    test(`${what}: not opened`, () => rejects(openApplication({ ...SOURCES, ...sources }), { code, message }));
  }
});
