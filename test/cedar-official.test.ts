// The official Cedar engine behind its wrapper: exact where the package rounds, and unharmed by what poisons it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EstPolicy } from '../src/policy/cedar/est.ts';
import { newInstance } from '../src/policy/cedar/official-glue.ts';
import { isIssues, type OfficialIssue } from '../src/policy/cedar/official-issues.ts';
import { JsonText, parseExact, writeExact } from '../src/policy/cedar/official-json.ts';
import { SchemaSlices } from '../src/policy/cedar/official-slices.ts';
import { EngineTrap, Official, type OfficialRequest, type OfficialSchema, type PolicyTexts } from '../src/policy/cedar/official.ts';

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

const when = (condition: string): string => `permit (principal, action, resource) when { ${condition} };`;
const policies = (...texts: readonly string[]): { static: PolicyTexts } => ({ static: new Map(texts.map((text, at) => [`p${at}`, text])) });
const request = (context: object): OfficialRequest => ({
  principal: { type: 'User', id: 'ann' },
  action: { type: 'Action', id: 'read' },
  resource: { type: 'Doc', id: 'one' },
  context,
});

const est = (parsed: EstPolicy | readonly OfficialIssue[]): EstPolicy => {
  assert.ok(!isIssues(parsed), 'it has issues');
  return parsed;
};

const issues = (answer: object | string): readonly OfficialIssue[] => {
  assert.ok(isIssues(answer), 'it has no issues');
  return answer;
};

/** Does the policy hold, or what went wrong with it? */
function holds(policy: string, context: object, engine = new Official()): boolean | string {
  engine.prepare('set', policies(policy));
  const { allowed, errors } = engine.authorize('set', request(context), []);
  return errors[0]?.message ?? allowed;
}

test('an integer beyond 2^53 comes out of a policy as it was written', () => {
  const { conditions } = est(new Official().parsePolicy(when(`context.n == 9007199254740993 && context.m == ${LONG_MIN}`)));
  const text = writeExact(conditions);
  assert.match(text, /9007199254740993/);
  assert.match(text, new RegExp(String(LONG_MIN)));
  assert.deepEqual(parseExact(text), conditions);
});

test('an integer beyond 2^53 goes into a request as it is', () => {
  for (const n of [2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 62n, LONG_MAX, LONG_MIN]) {
    assert.equal(holds(when(`context.n == ${n}`), { n }), true, String(n));
    assert.equal(holds(when(`context.n == ${n}`), { n: n > 0 ? n - 1n : n + 1n }), false, String(n));
  }
});

test('in a record a key is data, `__proto__` too', () => {
  const policy = when('context["__proto__"] == 1 && context.deep["constructor"] == 2');
  const context = new Map<string, unknown>([
    ['__proto__', 1],
    ['deep', new Map([['constructor', 2]])],
  ]);
  assert.equal(holds(policy, context), true);
  assert.equal(holds(when('context has "toString"'), {}), false);
});

test('issues point at UTF-16 units of the text, byte order mark or not', () => {
  for (const before of ['/* */'.slice(0, 0), '// é😀 ü\n', '// \uFEFF\n']) {
    const text = `${before}permit (principal, action, resource) when { oh };`;
    const [issue] = issues(new Official().parsePolicy(text));
    assert.equal(text.slice(issue?.at, (issue?.at ?? 0) + (issue?.length ?? 0)), 'oh', JSON.stringify(issue));
  }
});

test('a text that is no policy has issues, whatever is in it', () => {
  const engine = new Official();
  const table: Readonly<Record<string, string>> = {
    nothing: '',
    'two policies': when('true') + when('true'),
    'a template': 'permit (principal == ?principal, action, resource);',
    'an open string': when('"abc'),
    'half of a surrogate pair': when('"\ud800" == "x"'),
    'a NUL': 'permit\0(principal, action, resource);',
    'too many signs': when(`${'!'.repeat(5000)}true`),
  };
  for (const [name, text] of Object.entries(table)) assert.notEqual(issues(engine.parsePolicy(text))[0]?.message, '', name);
  assert.ok(Array.isArray(engine.parseTemplate(when('true'))));
  assert.equal(est(engine.parseTemplate(table['a template'] ?? '')).principal.op, '==');
});

test('an annotation without a value is null', () => {
  assert.deepEqual(est(new Official().parsePolicy('@id("a") @flag permit (principal, action, resource);')).annotations, {
    id: 'a',
    flag: null,
  });
});

const TRAPS: Readonly<Record<string, string>> = {
  brackets: when(`${'('.repeat(5000)}true${')'.repeat(5000)}`),
  'a chain': when(Array.from({ length: 8000 }, () => 'context.a').join(' || ')),
  conditionals: when(`${'if true then true else '.repeat(4000)}true`),
  accesses: when(`context${'.a'.repeat(20_000)}`),
  sets: when(`${'['.repeat(10_000)}${']'.repeat(10_000)} == 1`),
};

test('what overflows the engine is an error that leaves nothing behind', () => {
  const engine = new Official();
  engine.prepare('kept', policies(when('context.n == 1')));
  let traps = 0;
  for (let round = 0; round < 2; round++) {
    for (const [name, text] of Object.entries(TRAPS)) {
      for (const use of [() => engine.parsePolicy(text), () => engine.prepare('trap', policies(text))]) {
        // how deep is too deep depends on how far the module has been optimised
        traps += isTrapped(use) ? 1 : 0;
        assert.deepEqual(engine.authorize('kept', request({ n: 1 }), []), { allowed: true, reasons: ['p0'], errors: [] }, name);
      }
    }
  }
  assert.ok(traps > 10, `${traps} of 20 overflowed`);
});

function isTrapped(use: () => unknown): boolean {
  try {
    use();
    return false;
  } catch (error) {
    assert.ok(error instanceof EngineTrap, String(error));
    return true;
  }
}

test('the unwrapped engine does not survive that', () => {
  const cedar = newInstance();
  for (let round = 0; round < 10; round++) assert.throws(() => cedar.policyToJson(JsonText.of(TRAPS['brackets'])));
  assert.throws(() => cedar.policyToJson(JsonText.of(when('true'))), 'if this no longer throws, instances need not be dropped any more');
});

test('a request that overflows the evaluation is an error, the next one is answered', () => {
  const engine = new Official();
  const chain = when(Array.from({ length: 1000 }, () => 'context.a').join(' || '));
  engine.prepare('chain', policies(chain));
  for (let round = 0; round < 4; round++) {
    assert.throws(() => engine.authorize('chain', request({ a: false }), []), EngineTrap);
    assert.equal(holds(when('context.n == 1'), { n: 1 }, engine), true);
  }
});

test('a request that the engine cannot read is refused, and what was prepared stays', () => {
  const engine = new Official();
  engine.prepare('set', policies(when('true')));
  let deep: object = {};
  for (let depth = 0; depth < 200; depth++) deep = { deep };
  const table: readonly (readonly [string, object])[] = [
    ['half of a surrogate pair', { a: '\ud800' }],
    ['half of a surrogate pair in a key', { '\udfff': 1 }],
    ['depth', deep],
    ['a fraction', { a: 1.5 }],
    ['null', { a: null }],
    ['beyond 64 bits', { a: LONG_MAX + 1n }],
    ['an unknown extension', { a: { __extn: { fn: 'regex', arg: '.*' } } }],
  ];
  for (const [name, context] of table) {
    assert.throws(() => engine.authorize('set', request(context), []), Error, name);
    assert.equal(engine.authorize('set', request({}), []).allowed, true, name);
  }
  assert.equal(holds(when('context.a == "\\\\ud800"'), { a: '\\ud800' }), true, 'a backslash before `ud800` is no surrogate');
});

test('a cycle of entities is refused', () => {
  const engine = new Official();
  engine.prepare('set', policies(when('true')));
  const [a, b] = [
    { type: 'User', id: 'ann' },
    { type: 'User', id: 'bob' },
  ] as const;
  const cycle = [
    { uid: a, attrs: {}, parents: [b] },
    { uid: b, attrs: {}, parents: [a] },
  ];
  assert.throws(() => engine.authorize('set', request({}), cycle), /refused the request/);
});

test('an evaluation error names the policy and no value of the request', () => {
  const engine = new Official();
  engine.prepare('set', policies(when('context.secret < 3'), 'permit (principal, action, resource);'));
  const { allowed, reasons, errors } = engine.authorize('set', request({ secret: 'hunter2' }), []);
  assert.deepEqual(
    { allowed, reasons, policies: errors.map(({ policy }) => policy) },
    { allowed: true, reasons: ['p1'], policies: ['p0'] },
  );
  assert.match(errors[0]?.message ?? '', /type error/);
  assert.doesNotMatch(errors[0]?.message ?? '', /hunter2/);
});

test('templates and their links decide', () => {
  const engine = new Official();
  const link = { template: 't', id: 'ann-reads', values: new Map([['?principal', { type: 'User', id: 'ann' }]]) };
  engine.prepare('set', {
    static: new Map(),
    templates: new Map([['t', 'permit (principal == ?principal, action, resource);']]),
    links: [link],
  });
  assert.deepEqual(engine.authorize('set', request({}), []).reasons, ['ann-reads']);
  assert.equal(engine.authorize('set', { ...request({}), principal: { type: 'User', id: 'bob' } }, []).allowed, false);
});

test('a set goes by its name until it is forgotten', () => {
  const engine = new Official();
  const decide = (name: string): boolean => engine.authorize(name, request({}), []).allowed;
  engine.prepare('a', policies(when('true')));
  engine.prepare('b', policies(when('false')));
  assert.deepEqual([decide('a'), decide('b')], [true, false]);
  engine.forget('a');
  engine.prepare('c', policies(when('false')));
  assert.throws(() => decide('a'), /no policy set `a`/);
  assert.deepEqual([decide('b'), decide('c')], [false, false]);
  assert.throws(() => engine.prepare('b', policies('permit')), { name: 'Error', message: /unexpected end/ });
  assert.throws(() => engine.prepare('b', policies(when('true')), 'entity'), { name: 'Error' });
  assert.equal(decide('b'), false, 'a set that does not parse replaces none');
  engine.prepare('b', policies(when('true')));
  assert.deepEqual([decide('b'), decide('c'), engine.isPrepared('a'), engine.isPrepared('b')], [true, false, false, true]);
});

test('sets that were replaced or forgotten cost no memory', () => {
  const engine = new Official();
  const set = (round: number) =>
    policies(...Array.from({ length: 100 }, (_, at) => when(`context.a == ${round} && context.b like "x*${at}"`)));
  const grown = (rounds: number): number => {
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    for (let round = 0; round < rounds; round++) {
      engine.prepare('same', set(round));
      engine.prepare(`other-${round}`, set(round));
      engine.forget(`other-${round}`);
    }
    return process.memoryUsage().arrayBuffers + process.memoryUsage().external - before;
  };
  grown(5);
  assert.ok(grown(20) < 2 * 2 ** 20, '20 sets of 100 policies would be more than 4 MiB');
});

test('with a schema, requests and entities are held to it', () => {
  const engine = new Official();
  const schema = `entity User; entity Doc { owner: User }; action read appliesTo { principal: User, resource: Doc, context: { n: Long } };`;
  engine.prepare('set', policies(when('resource.owner == principal && context.n > 1')), schema);
  const doc = { uid: { type: 'Doc', id: 'one' }, attrs: { owner: { type: 'User', id: 'ann' } }, parents: [] };
  assert.equal(engine.authorize('set', request({ n: 2 }), [doc]).allowed, true);
  assert.throws(() => engine.authorize('set', request({ n: 'two' }), [doc]), /refused the request/);
  assert.throws(() => engine.authorize('set', request({ n: 2 }), [{ ...doc, attrs: {} }]), /refused the request/);
});

test('text is laid out, schemas are read, and what is neither has issues', () => {
  const engine = new Official();
  assert.equal(
    engine.format('// why\npermit(principal,action,resource)when{true};'),
    '// why\npermit (principal, action, resource)\nwhen { true };\n',
  );
  assert.ok(issues(engine.format('permit(')).length > 0);
  assert.deepEqual(issues(engine.format('\ud800'))[0]?.message, 'the text holds half of a surrogate pair');
  const json = engine.schemaToJson('entity User { name: String };');
  assert.match(JSON.stringify(json), /EntityOrCommon/);
  assert.doesNotMatch(JSON.stringify(engine.schemaToJsonWithResolvedTypes('entity User { name: String };')), /EntityOrCommon/);
  assert.ok(issues(engine.schemaToJson('entity')).length > 0);
  assert.ok(issues(engine.schemaToJsonWithResolvedTypes('entity')).length > 0);
  assert.throws(
    () => engine.validate(policies(when('true')), { '': { entityTypes: {}, actions: { a: { memberOf: [{ id: 'b' }] } } } }),
    Error,
  );
});

test('a slice of the schema finds in a policy what the whole schema finds', () => {
  const schema = new Official().schemaToJson(`
    entity G; entity U in [G] { n: Long, s: String }; entity F; entity R in [F] { o: U, n?: Long } tags String; entity E enum ["a", "b"];
    action all; action rd in [all]; action wr in [all, N::Action::"N"];
    action r1 in [rd] appliesTo { principal: U, resource: R, context: { x: Long } };
    action r2 in [rd] appliesTo { principal: [U, G], resource: [R, F], context: { x: String } };
    action w1 in [wr] appliesTo { principal: G, resource: F, context: { y: Long } };
    action w2 in [wr, r1] appliesTo { principal: U, resource: [E, U] };
    action lone appliesTo { principal: E, resource: R, context: { x: Long } };
    namespace N { entity T; action N; action n1 in [N] appliesTo { principal: [U, T], resource: T, context: { z: String } }; }`);
  assert.ok(!isIssues(schema));
  const engine = new Official();
  const slices = new SchemaSlices(schema);
  let sliced = 0;
  for (let batch = 0; batch < 12; batch++) {
    const drafts = Array.from({ length: 40 }, (_, at) => {
      const text = randomPolicy(batch * 40 + at);
      return { id: String(at), text, est: est(engine.parsePolicy(text)) };
    });
    const validated = (some: typeof drafts, against: OfficialSchema): ReadonlyMap<string, string> => {
      const { errors, warnings } = engine.validate({ static: new Map(some.map(({ id, text }) => [id, text])) }, against);
      const said = (id: string): string =>
        [...new Set([...errors, ...warnings].filter(({ policy }) => policy === id).map(({ message, at }) => `${at} ${message}`))]
          .sort()
          .join('\n');
      return new Map(some.map(({ id }) => [id, said(id)]));
    };
    const whole = validated(drafts, schema);
    for (const slice of slices.slices(drafts)) {
      if (slice.schema !== schema) sliced += slice.policies.length;
      for (const [id, said] of validated([...slice.policies], slice.schema)) assert.equal(said, whole.get(id), drafts[Number(id)]?.text);
    }
  }
  assert.ok(sliced > 200, `${sliced} of 480 were validated against a slice`);
});

/** The same for the same number. */
function randomPolicy(seed: number): string {
  let state = seed + 1;
  const below = (n: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor((((state ^ (state >>> 13)) >>> 0) / 2 ** 32) * n);
  };
  const pick = (from: readonly string[]): string => from[below(from.length)] ?? '';
  const action = (): string =>
    pick(
      ['all', 'rd', 'wr', 'r1', 'r2', 'w1', 'w2', 'lone', 'unknown']
        .map((id) => `Action::"${id}"`)
        .concat('N::Action::"N"', 'N::Action::"n1"'),
    );
  const actions = (): string => Array.from({ length: 1 + below(3) }, action).join(', ');
  const type = (): string => pick(['U', 'G', 'R', 'F', 'E', 'N::T', 'Unknown']);
  const entity = (): string => `${type()}::"${pick(['a', 'b', 'c'])}"`;
  const scope = (name: string): string =>
    name + pick(['', '', ` == ${entity()}`, ` in ${entity()}`, ` is ${type()}`, ` is ${type()} in ${entity()}`]);
  const actionScope = pick(['action', `action == ${action()}`, `action in ${action()}`, `action in [${actions()}]`, 'action in []']);
  const atoms = (): readonly string[] => [
    'context.x == 1',
    'context.y > 2',
    'context has x && context.x > 1',
    'context.z like "a*"',
    'principal.n > 1',
    'resource.o.n < 4',
    '1 + "a" == 2',
    'true',
    `principal in ${entity()}`,
    `resource == ${entity()}`,
    `action == ${action()}`,
    `action in [${actions()}]`,
    `[${action()}, action].contains(${action()})`,
    `(if action in ${action()} then context.x == 1 else context.y == 2)`,
  ];
  const atom = (): string => pick(atoms());
  const condition = `(${atom()}) ${pick(['&&', '||'])} ${pick(['', '!'])}(${atom()})`;
  return `${pick(['permit', 'forbid'])} (${scope('principal')}, ${actionScope}, ${scope('resource')}) ${pick(['when', 'unless'])} { ${condition} };`;
}
