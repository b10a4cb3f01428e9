// Selectors and registration entries, as values: what parses, what matches, what comes nearest; and claims of tokens as facts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../src/domain/json.ts';
import { COMPOSITION_PARTS, driftOf, parseComposition, unseenOf } from '../src/identity/composition.ts';
import { claimTexts, tokenFacts } from '../src/identity/oidc.ts';
import { EntryIndex, entrySelectors, noMatch, type RegistrationEntry } from '../src/identity/registration.ts';
import { kindOf, parseSelector, selectorsOf, selectorText, type Selector } from '../src/identity/selectors.ts';

const HEX = 'ab'.repeat(32);

const entry = (id: string, name: string, ...selectors: readonly string[]): RegistrationEntry => ({
  id,
  kind: 'agent',
  name,
  selectors: entrySelectors(selectors.map(parseSelector)),
  owner: 'ops',
  purpose: 'test',
  composition: {},
  source: 'api',
  createdBy: 'test',
});

describe('a selector', () => {
  const GOOD = [
    'unix:uid:0',
    'unix:uid:1000',
    'unix:uid:4294967294',
    'unix:gid:100',
    'unix:path:/usr/bin/node',
    'unix:path:/opt/a:b c/ü',
    `unix:sha256:${HEX}`,
    `launcher:digest:${HEX}`,
    `launcher:lock:${HEX}`,
    'launcher:uid:1000',
    'oidc:iss:https://idp.example/tenant/',
    'oidc:sub:system:serviceaccount:desk:clerk',
    'oidc:claim:repository:acme/desk',
    'oidc:claim:kubernetes.io/serviceaccount/name:clerk',
    'oidc:claim:https%3A%2F%2Fidp.example%2Frole:admin:all',
    'spiffe:id:spiffe://other.example/agent/clerk',
    'join_token:7Q2FM3XK9A',
  ];
  const BAD = [
    '',
    'unix',
    'unix:',
    'unix:uid',
    'unix:uid:',
    'unix:uid:-1',
    'unix:uid:+1',
    'unix:uid:01',
    'unix:uid:1e3',
    'unix:uid: 1',
    'unix:uid:1 ',
    'unix:uid:1\n',
    'unix:uid:4294967295',
    'unix:uid:99999999999',
    'unix:UID:1',
    'Unix:uid:1',
    'unix:name:me',
    'unix:path:usr/bin',
    'unix:path:/usr//bin',
    'unix:path:/usr/../bin',
    'unix:path:/usr/./bin',
    'unix:path:/usr/bin/',
    'unix:path:/a\u0000b',
    `unix:sha256:${HEX.toUpperCase()}`,
    `unix:sha256:${HEX}0`,
    `unix:sha256:${HEX.slice(1)}`,
    'launcher:path:/x',
    'oidc:sub:',
    'oidc:claim::x',
    'oidc:claim:x',
    'oidc:claim:x:',
    'oidc:claim:a//b:x',
    'oidc:claim:/a:x',
    'oidc:claim:a%2fb:x',
    'oidc:claim:a%:x',
    'oidc:claim:a b:x',
    'oidc:email:x',
    'spiffe:id:spiffe://Other.example/x',
    'spiffe:id:https://other.example/x',
    'spiffe:id:spiffe://other.example/x/',
    'join_token:',
    'join_token:lower',
    'constructor:name:x',
    '__proto__:x:y',
    'unix:__proto__:y',
    'unix:toString:y',
    `oidc:sub:${'x'.repeat(1100)}`,
    'oidc:sub:\ud800',
    'oidc:sub:\u0085',
  ];
  for (const text of GOOD) test(`\`${text.slice(0, 60)}\` is one`, () => assert.equal(parseSelector(text), text));
  for (const text of BAD) {
    test(`${JSON.stringify(text.slice(0, 60))} is none`, () => assert.throws(() => parseSelector(text), { code: 'CORDON-9011' }));
  }

  test('has a kind, and a text that shortens nothing but digests', () => {
    assert.equal(kindOf(parseSelector('oidc:claim:repository:acme/desk:x')), 'oidc:claim:repository');
    assert.equal(kindOf(parseSelector('oidc:sub:a:b')), 'oidc:sub');
    assert.equal(kindOf(parseSelector('join_token:ABCD')), 'join_token');
    assert.equal(selectorText(parseSelector('unix:uid:1001')), 'unix:uid=1001');
    assert.equal(selectorText(parseSelector(`unix:sha256:${HEX}`)), 'unix:sha256=abababab..');
  });

  test('whatever is parsed is what was given', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return parseSelector(text) === text;
        } catch (error) {
          return (error as { code?: string }).code === 'CORDON-9011';
        }
      }),
    );
  });
});

describe('an entry', () => {
  const WRONG: readonly (readonly [why: string, ...selectors: readonly string[]])[] = [
    ['without selectors'],
    ['of two attestors', 'unix:uid:1', 'launcher:uid:1'],
    ['that wants two users', 'unix:uid:1', 'unix:uid:2'],
    ['that wants two subjects', 'oidc:iss:a', 'oidc:sub:a', 'oidc:sub:b'],
    ['that trusts whoever says the subject', 'oidc:sub:me'],
    ['that trusts whoever says the claim', 'oidc:claim:repository:acme/desk'],
    ['that lets in all of an issuer', 'oidc:iss:https://idp.example'],
    ['that lets in a whole group', 'unix:gid:100'],
    ['that lets in whatever a user starts', 'launcher:uid:1000'],
    ['of a join token', 'join_token:7Q2FM3XK9A'],
  ];
  for (const [why, ...selectors] of WRONG) {
    test(`${why} is refused`, () => assert.throws(() => entrySelectors(selectors.map(parseSelector)), { code: 'CORDON-9011' }));
  }
  test('may want two lock files, and each selector once', () => {
    const selectors = [`launcher:lock:${HEX}`, `launcher:lock:${'cd'.repeat(32)}`, `launcher:lock:${HEX}`].map(parseSelector);
    assert.equal(entrySelectors(selectors).length, 2);
  });
});

describe('matching', () => {
  const index = new EntryIndex([
    entry('e1', 'clerk', 'unix:uid:1000'),
    entry('e2', 'clerk', 'unix:uid:1000', `unix:sha256:${HEX}`),
    entry('e3', 'reader', 'unix:uid:1000', 'unix:path:/srv/reader'),
    entry('e4', 'mailer', 'unix:uid:100'),
    entry('e5', 'ci', 'oidc:iss:https://idp.example', 'oidc:claim:repository:acme/desk'),
  ]);
  const seen = (...selectors: readonly string[]): readonly Selector[] => selectors.map(parseSelector);
  const ids = (...selectors: readonly string[]): readonly string[] => index.match(seen(...selectors)).map(({ id }) => id);

  test('is of all selectors, most specific first, one entry for each agent', () => {
    assert.deepEqual(ids('unix:uid:1000'), ['e1']);
    assert.deepEqual(ids('unix:uid:1000', `unix:sha256:${HEX}`), ['e2']);
    assert.deepEqual(ids('unix:uid:1000', 'unix:gid:5', `unix:sha256:${HEX}`, 'unix:path:/srv/reader'), ['e2', 'e3']);
    assert.deepEqual(ids(`unix:sha256:${HEX}`), []);
  });

  test('is never of a beginning, an end, another case or a longer one', () => {
    for (const near of ['unix:uid:10000', 'unix:uid:10', 'unix:uid:1', 'unix:gid:1000']) assert.deepEqual(ids(near), [], near);
    const issuer = 'oidc:iss:https://idp.example';
    for (const near of ['acme/desk2', 'acme/des', 'Acme/desk', ' acme/desk', 'acme/desk ', 'acme/desk/x']) {
      assert.deepEqual(ids(issuer, `oidc:claim:repository:${near}`), [], near);
    }
    assert.deepEqual(ids(`${issuer}/`, 'oidc:claim:repository:acme/desk'), []);
    assert.deepEqual(ids('unix:uid:1000', issuer, 'oidc:claim:repositor:y:acme/desk'), ['e1']);
  });

  test('says what came nearest, and how many facts differ', () => {
    const facts = seen('unix:uid:1001', 'unix:path:/srv/reader', `unix:sha256:${HEX}`);
    const refusal = noMatch(facts, index.nearest(facts));
    assert.equal(refusal.code, 'CORDON-1012');
    assert.match(refusal.expected ?? '', /^entry `(clerk|reader)` wants unix:uid=1000 {2}\(1 of 2 differ\)$/);
    assert.match(refusal.fix, /^cordon agent register (clerk|reader) --selector 'unix:uid:1001' --selector 'unix:(sha256|path):\S+'$/);
    const nobody = seen('spiffe:id:spiffe://other.example/x');
    assert.match(noMatch(nobody, index.nearest(nobody)).expected ?? '', /there is none/);
    const quoted = noMatch(seen("oidc:sub:a'; rm -rf /"), undefined);
    assert.ok(quoted.fix.includes(`'oidc:sub:a'\\''; rm -rf /'`), quoted.fix);
  });

  test('of any facts is exactly the entries whose selectors are all among them', () => {
    const facts = fc.subarray(
      ['unix:uid:1', 'unix:uid:2', 'unix:gid:3', 'unix:path:/a', 'unix:path:/a/b', `unix:sha256:${HEX}`].map(parseSelector),
    );
    const wanted = fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c'), selectors: facts.filter((some) => fits(some)) }), {
      maxLength: 8,
      selector: ({ name, selectors }) => `${name} ${selectors.join(' ')}`,
    });
    fc.assert(
      fc.property(facts, wanted, (some, rows) => {
        const all = rows.map(({ name, selectors }, at) => entry(`e${at}`, name, ...selectors));
        const matched = new EntryIndex(all).match(some);
        const names = new Set(
          all.filter(({ selectors }) => selectors.every((selector) => some.includes(selector))).map(({ name }) => name),
        );
        assert.deepEqual(new Set(matched.map(({ name }) => name)), names);
        assert.equal(matched.length, names.size);
        for (const [at, one] of matched.entries()) assert.ok(at === 0 || (matched[at - 1]?.selectors.length ?? 0) >= one.selectors.length);
      }),
    );
  });

  test('stays fast with ten thousand entries', () => {
    const many = Array.from({ length: 10_000 }, (_, at) => entry(`n${at}`, `agent-${at}`, 'unix:uid:1000', `unix:path:/srv/${at}`));
    const large = new EntryIndex(many);
    const began = performance.now();
    for (let at = 0; at < 1000; at++) assert.equal(large.match(seen('unix:uid:1000', `unix:path:/srv/${at}`)).length, 1);
    assert.ok(performance.now() - began < 500);
  });
});

const fits = (selectors: readonly Selector[]): boolean => {
  try {
    return entrySelectors(selectors).length > 0;
  } catch {
    return false;
  }
};

describe('claims as facts', () => {
  const facts = (claims: JsonObject): readonly string[] => selectorsOf(tokenFacts(claims));

  test('members of objects have a path, elements of lists are facts of their own, numbers and booleans are texts', () => {
    const claims = {
      iss: 'https://a',
      sub: 'b',
      aud: 'c',
      exp: 1,
      jti: 'x',
      groups: ['g1', 'g2'],
      n: 7,
      yes: true,
      deep: { er: { est: 'z' } },
      none: null,
    };
    assert.deepEqual(facts(claims), [
      'oidc:claim:deep/er/est:z',
      'oidc:claim:groups:g1',
      'oidc:claim:groups:g2',
      'oidc:claim:n:7',
      'oidc:claim:yes:true',
      'oidc:iss:https://a',
      'oidc:sub:b',
    ]);
  });

  test('a name that holds a separator is not mistaken for a path', () => {
    assert.deepEqual(facts({ 'a/b': 'x' }), ['oidc:claim:a%2Fb:x']);
    assert.deepEqual(facts({ a: { b: 'x' } }), ['oidc:claim:a/b:x']);
    assert.deepEqual(facts({ 'a:b': 'x' }), ['oidc:claim:a%3Ab:x']);
    assert.deepEqual(facts({ 'iss:https': 'x', '': 'y' }), ['oidc:claim:iss%3Ahttps:x']);
  });

  test('what fits in no selector is left out, and too many facts are refused', () => {
    assert.deepEqual(facts({ long: 'x'.repeat(2000), line: 'a\nb', empty: '' }), []);
    assert.throws(() => facts({ many: Array.from({ length: 200 }, (_, at) => at) }), { code: 'CORDON-1005' });
  });

  test('two different claim sets never state the same path with different values as one', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean());
    const claims = fc.dictionary(fc.string(), fc.oneof(value, fc.dictionary(fc.string(), value, { maxKeys: 3 })), { maxKeys: 5 });
    fc.assert(
      fc.property(claims, (some) => {
        const paths = [...claimTexts(some)].map(([path]) => path);
        const leaves = Object.values(some).flatMap((each) => (typeof each === 'object' ? Object.values(each) : [each]));
        assert.equal(paths.length, leaves.length);
        const named = paths.filter((path) => path.split('/').every((part) => part !== ''));
        assert.equal(new Set(named).size, named.length);
      }),
    );
  });
});

describe('composition', () => {
  test('is digests of known parts and the name of a model', () => {
    assert.deepEqual(parseComposition({ prompt: HEX, model: 'm-2 large' }), { prompt: HEX, model: 'm-2 large' });
    for (const bad of [
      { prompt: 'x' },
      { prompt: HEX.toUpperCase() },
      { model: 'a\n' },
      { model: ' a' },
      { toString: HEX },
      { prompt: 7 },
    ]) {
      assert.throws(() => parseComposition(bad), { code: 'CORDON-9011' }, JSON.stringify(bad));
    }
    assert.deepEqual([...COMPOSITION_PARTS], ['binary', 'prompt', 'tools', 'model']);
  });

  test('drifts where it was seen to differ, and lacks what nobody saw', () => {
    const expected = { prompt: HEX, model: 'a' };
    assert.deepEqual(driftOf(expected, { prompt: HEX, model: 'b', tools: HEX }), ['model']);
    assert.deepEqual(driftOf(expected, {}), []);
    assert.deepEqual(unseenOf(expected, { model: 'b' }), ['prompt']);
  });
});
