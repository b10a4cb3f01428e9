// The rules of `cordon policy check`: each finds what it is for, where it is, and nothing that is sound; and no source makes it fail.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../src/domain/refusal.ts';
import type { World } from '../src/domain/registry.ts';
import { admit } from '../src/policy/admit.ts';
import { closeAdmission } from '../src/policy/admission.ts';
import { lint } from '../src/policy/lint/lint.ts';
import { type LintFinding, type RuleId, RULES } from '../src/policy/lint/rules.ts';
import { call, desk, digest, POLICIES, tool } from './support/policy-desk.ts';

after(closeAdmission);

const ROOT = join(import.meta.dirname, '..');
/** All in one segment, so that no test is about links unless it says so. */
const { agents, resources } = desk();
const LINKED: World = desk({
  agents: agents.map((agent) => ({ ...agent, segment: 'finance' })),
  resources: resources.map((resource) => ({ ...resource, segment: 'finance' })),
});

const linted = (text: string, world: World = LINKED): Promise<readonly LintFinding[]> => lint([{ path: 'p.cedar', text }], world);
const rules = (findings: readonly LintFinding[]): readonly RuleId[] => findings.map(({ rule }) => rule);

/** What a finding points at: its line from the first to the last character that is marked. */
const marked = ({ excerpt: [line, caret] }: LintFinding): string => line.slice(caret.indexOf('^'), caret.length);

const CALL = call('clerk', 'ledger/pay_invoice');
const PAY = 'principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource';
const permit = (scope: string, rest = '', id = 'a'): string => `@id("${id}")\npermit (${scope})${rest};\n`;
const when = (condition: string): string => permit(PAY, `\nwhen { ${condition} }`);

describe('each rule finds what it is for, where it is', () => {
  /** Text → rule, what is marked, and what the finding must say. */
  const table: readonly (readonly [what: string, text: string, rule: RuleId, mark: string, says: RegExp])[] = [
    ['a comma', 'permit (principal, action resource);', 'syntax', 'resource', /unexpected token/],
    ['a single equals sign', when('principal.level = "off"'), 'syntax', 'principal.level = "off"', /try using '=='/],
    ['a template', permit('principal == ?principal, action, resource'), 'syntax', '?principal', /slot/],
    ['65 brackets', when(`${'('.repeat(65)}true${')'.repeat(65)}`), 'syntax', '(', /deeper than 64/],
    ['no end of a string', '@id("a', 'syntax', '"', /without an end/],
    ['no id', 'permit (principal == Agent::"clerk", action, resource);', 'missing-id', 'permit (principal == Agent::"clerk", action, resource);', /no `@id`/],
    ['an id that is no name', permit(PAY, '', 'a b'), 'invalid-id', '@id("a b")', /not a name/],
    ['an id of a guardrail', permit(PAY, '', 'cordon.mine'), 'invalid-id', '@id("cordon.mine")', /guardrails/],
    ['a taken id', `${permit(PAY)}${permit('principal == Agent::"reader", action, resource')}`, 'duplicate-id', '@id("a")', /p\.cedar:1/],
    ['a mode of another product', `@id("a") @mode("audit") ${permit(PAY).slice(9)}`, 'unsupported-mode', '@id("a") @mode("audit") ', /shadow/],
    ['an approval by anybody', `@id("a") @approval("viewer") ${permit(PAY).slice(9)}`, 'unsupported-approval', '@id("a") @approval("viewer") ', /analyst/],
    ['101 clauses', permit(PAY, ' when { true }'.repeat(99)), 'too-many-clauses', '@id("a")', /more than 100 clauses/],
    ['an agent', permit('principal == Agent::"clark", action, resource'), 'unknown-entity', 'Agent::"clark"', /did you mean `Agent::"clerk"`/],
    ['an agent in a condition', when('principal == Agent::"clark"'), 'unknown-entity', 'Agent::"clark"', /one of clerk, auditor/],
    ['a segment', permit('principal in Segment::"finances", action, resource'), 'unknown-entity', 'Segment::"finances"', /`Segment::"finance"`/],
    ['a server', permit('principal == Agent::"clerk", action, resource in Server::"ledgr"'), 'unknown-entity', 'Server::"ledgr"', /"ledger"/],
    ['a tool', permit('principal, action, resource == Tool::"ledger/pay"'), 'unknown-entity', 'Tool::"ledger/pay"', /one of ledger\/pay_invoice/],
    ['an action', permit('principal, action == Action::"ledger/pay_invoce", resource'), 'unknown-entity', 'Action::"ledger/pay_invoce"', /pay_invoice/],
    ['one of two actions', permit('principal, action in [Action::"read", Action::"reed"], resource'), 'unknown-entity', 'Action::"reed"', /`Action::"read"`/],
    ['a name in escapes', when('principal == Agent::"\\u{63}lark"'), 'unknown-entity', 'Agent::"\\u{63}lark"', /`clark`/],
    ['an argument', when('context.input.amont_cents > 1'), 'types', 'context.input.amont_cents', /did you mean `amount_cents`/],
    ['a number and a text', when('context.input.amount_cents == "1"'), 'types', 'context.input.amount_cents == "1"', /not compatible/],
    ['a type', permit('principal == Robot::"clerk", action, resource'), 'types', 'Robot', /unrecognized entity type/],
    ['a user in a condition', when('principal in Group::"finance"'), 'types', 'Group', /about users only if its scope/],
    ['an optional argument', when('context.input.memo == "x"'), 'unguarded-optional', 'context.input.memo', /has memo/],
    ['a tag', when('resource.server.getTag("Acme") == "x"'), 'unguarded-optional', 'resource.server.getTag("Acme")', /hasTag/],
    ['a level', when('principal.level == "restrictd"'), 'impossible-value', 'principal.level == "restrictd"', /did you mean `"restricted"`/],
    ['a level, denied', permit(PAY, ' unless { "of" == principal.level }'), 'impossible-value', '"of" == principal.level', /"off"/],
    ['a server that the action is not on', permit(`${PAY} in Server::"mail"`), 'never-matches', 'resource in Server::"mail"', /Tool::"ledger\/pay_invoice"/],
    ['a type that the action is not on', permit(`${PAY} is Agent`), 'never-matches', 'resource is Agent', /never for this resource/],
    ['a principal that is no agent', permit('principal == Segment::"finance", action, resource'), 'never-matches', 'permit (principal == Segment::"finance", action, resource);', /types/],
    ['false', when('false'), 'never-matches', 'false', /never holds/],
    ['unless true', permit(PAY, ' unless { true }'), 'never-matches', 'true', /never holds/],
    ['two values', when('context.input.vendor == "a" && "b" == context.input.vendor'), 'never-matches', '"b" == context.input.vendor', /"a" and "b"/],
    ['the scope and another agent', when('principal == Agent::"auditor"'), 'never-matches', 'principal == Agent::"auditor"', /"clerk" and Agent::"auditor"/],
    ['a value and not it', when('context.input.vendor == "a" && !(context.input.vendor == "a")'), 'never-matches', '!(context.input.vendor == "a")', /and not be it/],
    ['an empty range', when('context.input.amount_cents > 5 && context.input.amount_cents < 6'), 'never-matches', 'context.input.amount_cents < 6', /no value [^]*at least 6 and at most 5/],
    ['a range beyond 2^53', when('context.input.amount_cents > 9007199254740992 && context.input.amount_cents < 9007199254740993'), 'never-matches', 'context.input.amount_cents < 9007199254740993', /9007199254740993 and at most 9007199254740992/],
    ['a value out of range', when('context.input.amount_cents == 7 && context.input.amount_cents <= 5'), 'never-matches', 'context.input.amount_cents <= 5', /no value/],
    ['there and not there', when('!(context.input has memo) && context.input has memo'), 'never-matches', 'context.input has memo', /contrary/],
    ['the same twice', `${permit(PAY, ' when { principal.owner == "x" && principal.level != "off" }')}${permit(PAY, ' when { "off" != principal.level } unless { principal.owner != "x" }', 'b')}`, 'duplicate-policy', `permit (${PAY}) when { "off" != `, /`a` \(p\.cedar:1\)/],
    ['inside a wider permit', `${permit(PAY, ' when { principal.owner == "x" }')}${permit('principal in Segment::"finance", action in Action::"tools/call", resource in Server::"ledger"', '', 'wide')}`, 'shadowed', `permit (${PAY}) when { principal.owner == "x" };`, /decides nothing: `wide`/],
    ['inside a type', `${permit('principal == Agent::"clerk", action in Action::"read", resource is Tool in Server::"ledger"')}${permit('principal, action in Action::"read", resource is Tool', '', 'wide')}`, 'shadowed', 'permit (principal == Agent::"clerk"', /`wide`/],
    ['a group inside a group', `${permit('principal == Agent::"clerk", action in Action::"mcp/session", resource')}${permit('principal is Agent in Segment::"finance", action in Action::"read", resource', '', 'wide')}`, 'shadowed', 'permit (principal == Agent::"clerk"', /`wide`/],
    ['under a forbid', `@id("no") @reason("r") forbid (principal == Agent::"clerk", action, resource);\n${permit(PAY)}`, 'shadowed', `permit (${PAY});`, /allows nothing: `no`/],
    ['everything', permit('principal, action, resource'), 'too-broad', 'permit (principal, action, resource);', /every agent every call/],
    ['every tool of a server', permit('principal is Agent, action in Action::"tools/call", resource in Server::"ledger"', ' when { true }'), 'too-broad', 'permit (principal is Agent, action in Action::"tools/call", resource in Server::"ledger") when { true };', /of this resource/],
    ['any text', when('context.input.vendor like "*"'), 'too-broad', 'context.input.vendor like "*"', /true of every string/],
    ['a forbid without a word', '@id("no") forbid (principal == Agent::"clerk", action, resource);', 'forbid-without-reason', 'forbid (principal == Agent::"clerk", action, resource);', /@reason/],
    ['a misspelt annotation', `@onwer("x") ${permit(PAY)}`, 'unknown-annotation', '@onwer', /`@owner`/],
    ['a code of another kind', `@code("CORDON-9001") @reason("r") @id("no") forbid (${PAY});`, 'invalid-code', '@code', /CORDON-3002 stands in/],
    ['a list of vendors', when(`[${Array.from({ length: 51 }, (_, at) => `"v${at}"`).join(', ')}].contains(context.input.vendor)`), 'large-set', '["v0", "v1"', /51 values/],
    ['bidirectional text', when('principal.owner == "a\u202e"'), 'confusable-text', '"a "', /BIDI/],
  ]; // prettier-ignore
  for (const [what, text, rule, mark, says] of table) {
    test(`${rule}: ${what}`, async () => {
      const findings = await linted(text);
      const found = findings.find((finding) => finding.rule === rule);
      assert.ok(found, `found ${JSON.stringify(findings)}`);
      assert.equal(found.severity, RULES[rule]);
      assert.ok(marked(found).startsWith(mark), `marks \`${marked(found)}\`, not \`${mark}\``);
      const { message, observed = '', expected = '', help = '' } = found;
      assert.match([message, observed, expected, help].join('\n'), says);
      const line = text.split('\n')[found.line - 1] ?? '';
      assert.ok(
        line
          .replaceAll(/\p{C}/gu, ' ')
          .slice(found.column - 1)
          .startsWith(marked(found).slice(0, 20)),
        'line and column',
      );
    });
  }

  test('unlinked, and the link that would mend it', async () => {
    const text = permit('principal == Agent::"stranger", action in Action::"read", resource in Segment::"finance"');
    const [found] = await linted(text, desk());
    assert.equal(found?.rule, 'unlinked');
    assert.match(`${found.observed} ${found.help}`, /`outside` has no link to `finance`.*outside: \{ links: \[finance\] \}/);
    assert.deepEqual(rules(await linted(text.replace('"stranger"', '"auditor"'), LINKED)), []);
  });

  test('unused-link, only when everything else can be read', async () => {
    const text = permit('principal == Agent::"clerk", action in Action::"read", resource in Server::"ledger"');
    const [found] = await linted(text, desk());
    assert.deepEqual([found?.rule, found?.file], ['unused-link', 'cordon.yaml']);
    assert.match(found?.message ?? '', /from `finance` to `inbox`/);
    assert.deepEqual(rules(await linted(`${text}permit (`, desk())), ['syntax']);
  });

  test('a value that the tool does not list', async () => {
    const currency = { type: 'object', properties: { currency: { type: 'string', enum: ['EUR', 'USD'] }, count: { type: 'integer', enum: [1, 2] } }, required: ['currency', 'count'], additionalProperties: false }; // prettier-ignore
    const world = { ...LINKED, tools: new Map([['ledger', [tool('pay_invoice', currency)]]]) };
    const [text, number] = await linted(when('context.input.currency == "EURO" && context.input.count != 3'), world);
    assert.deepEqual([text?.rule, text?.help], ['impossible-value', 'did you mean `"EUR"`?']);
    assert.deepEqual([number?.rule, number?.expected], ['impossible-value', 'one of 1, 2']);
    assert.deepEqual(rules(await linted(when('context.input.currency == "EUR" && context.input.count != 2'), world)), []);
  });

  test('a server that was never seen running, and a tool that cannot be typed, are told apart from a misspelt name', async () => {
    const text = permit('principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource');
    const [unseen] = await linted(text, desk({ tools: new Map() }));
    assert.deepEqual([unseen?.rule, /not been seen running/.test(unseen?.message ?? '')], ['unknown-entity', true]);
    const untyped = { type: 'object', properties: { ['__entity']: { type: 'string' } } };
    const [untypable] = await linted(text, desk({ tools: new Map([['ledger', [tool('pay_invoice', untyped)]]]) }));
    assert.match(untypable?.message ?? '', /cannot be typed.*every call of it is denied/);
  });
});

describe('what is sound is left alone', () => {
  const sound: readonly (readonly [what: string, text: string])[] = [
    ['the policies of the desk', POLICIES],
    ['both sides of a range', when('context.input.amount_cents >= 5 && context.input.amount_cents <= 5')],
    ['a value and another that it is not', when('context.input.vendor == "a" && context.input.vendor != "b"')],
    ['denied comparisons that leave one value', when('context.input.amount_cents == 3 && !(context.input.amount_cents < 3) && !(context.input.amount_cents > 3)')],
    ['constants on the left that leave one value', when('3 <= context.input.amount_cents && 3 >= context.input.amount_cents && 4 > context.input.amount_cents')],
    ['one alternative that never holds', when('context.input.vendor == "b" || false')],
    ['contradictions on two branches', when('if context.input.vendor == "a" then context.input.vendor != "a" else true')],
    ['a narrower permit with a condition of its own', `${permit(PAY, ' when { context.input.vendor == "a" }')}${permit('principal in Segment::"finance", action == Action::"ledger/pay_invoice", resource', ' when { context.input.amount_cents < 5 }', 'b')}`],
    ['a wider permit in shadow', `${permit(PAY)}@mode("shadow") ${permit('principal in Segment::"finance", action in Action::"tools/call", resource', ' when { true }', 'b')}`],
    ['a forbid with a condition over a permit', `@id("no") @reason("r") forbid (principal == Agent::"clerk", action, resource) when { principal.level == "watched" };\n${permit(PAY)}`],
    ['one action of two', `${permit('principal == Agent::"clerk", action in [Action::"read", Action::"ledger/pay_invoice"], resource')}${permit('principal == Agent::"clerk", action in Action::"read", resource', ' when { principal.level == "normal" }', 'b').replace('"clerk"', '"auditor"')}`],
    ['sessions for everybody', permit('principal, action in Action::"mcp/session", resource')],
    ['annotations of the author', `@ticket("X-1") @team("desk") ${permit(PAY)}`],
    ['a comment that looks like a policy', `// permit (principal, action, resource);\n${permit(PAY)}`],
    ['a string that looks like an entity', when('context.input.vendor == "Agent::\\"clark\\""')],
    ['an untyped value', when('context.input has options && context.input.memo like "a*"').replace('memo like "a*"', 'vendor like "a*"')],
  ]; // prettier-ignore
  for (const [what, text] of sound) test(what, async () => assert.deepEqual(rules(await linted(text)), []));

  test('a permit beside one for a segment that its agent is not in', async () => {
    const text = `${permit('principal == Agent::"reader", action in Action::"read", resource')}${permit('principal in Segment::"finance", action in Action::"read", resource', '', 'b')}`; // prettier-ignore
    assert.deepEqual(rules(await linted(text, desk())), []);
    assert.deepEqual(rules(await linted(text, LINKED)), ['shadowed']);
  });

  test('policies for servers that have no tools yet: nothing to match is no fault of a policy', async () => {
    const world = { ...LINKED, resources: [], tools: new Map() };
    const text = `${permit('principal == Agent::"clerk", action in Action::"tools/call", resource in Segment::"finance"')}
      ${permit('principal, action in Action::"mcp/session", resource', '', 'b')}`;
    assert.deepEqual(rules(await linted(text, world)), []);
  });

  test('the policies of `cordon init` and of the example, each in its world', async () => {
    const { worldOf, WORLD } = await import('../src/control/world-view.ts');
    const dir = join(ROOT, 'examples/invoice-desk/policies');
    const world = worldOf(WORLD.parse(JSON.parse(await readFile(join(dir, 'world.json'), 'utf8'))));
    assert.deepEqual(await lint([{ path: 'desk.cedar', text: await readFile(join(dir, 'desk.cedar'), 'utf8') }], world), []);
  });
});

describe('all findings at once', () => {
  test('of every file, in their order, each once', async () => {
    const sources = [
      {
        path: 'a.cedar',
        text: `permit (principal action, resource);\n${permit('principal == Agent::"clark", action, resource in Server::"maill"')}`,
      },
      { path: 'b.cedar', text: when('context.input.nope == 1 && context.input.nope == 2') },
    ];
    const findings = await lint(sources, LINKED);
    assert.deepEqual(
      findings.map(({ file, line, rule }) => [file, line, rule]),
      [
        ['a.cedar', 1, 'syntax'],
        ['a.cedar', 3, 'unknown-entity'],
        ['a.cedar', 3, 'unknown-entity'],
        ['b.cedar', 1, 'duplicate-id'],
        ['b.cedar', 3, 'types'],
        ['b.cedar', 3, 'types'],
      ],
    );
  });

  test('ids of policies are in findings, those without one have none', async () => {
    const findings = await linted(
      `${permit('principal == Agent::"clark", action, resource', '', 'mine')}permit (principal, action, resource);`,
    );
    assert.deepEqual(findings.map(({ rule, policy }) => [rule, policy]), [['unknown-entity', 'mine'], ['missing-id', undefined]]); // prettier-ignore
  });

  test('every rule has its section in docs/policy-lint.md with its severity, and every section its rule', async () => {
    const docs = await readFile(join(ROOT, 'docs/policy-lint.md'), 'utf8');
    const sections = [...docs.matchAll(/^## ([a-z-]+)\n\n(Error|Warning)\. /gm)].map(([, rule, severity]) => [
      rule,
      severity?.toLowerCase(),
    ]);
    assert.deepEqual(Object.fromEntries(sections), RULES);
    for (const rule of Object.keys(RULES)) assert.ok(docs.includes(`[${rule}](#${rule})`), rule);
  });
});

describe('attacks', () => {
  const PIECES = ['permit', 'forbid', '(', ')', 'principal', 'action', 'resource', ',', ';', 'when', 'unless', '{', '}', '@id("a")', '@', '==', 'in', 'is', 'Agent', '::', '"clerk"', 'Action::"read"', '[', ']', 'context.input', '.memo', '&&', '||', '!', 'like "*"', '\\', '"', '//', '\n', '\u0000', '\ud800', '?principal', 'if true then', '__proto__', '9223372036854775808', '😀']; // prettier-ignore

  test('whatever the text is: findings, no throw; and what admission refuses has an error', async () => {
    const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((parts) => parts.join(' '));
    await fc.assert(
      fc.asyncProperty(pieces, async (text) => {
        const findings = await linted(text);
        for (const { line, column } of findings) assert.ok(line >= 1 && column >= 1);
        const refused = await admit([{ path: 'p.cedar', text }], LINKED, 1, digest).then(
          () => false,
          (error: unknown) => error instanceof Refusal && error.code === 'CORDON-9006',
        );
        if (refused) assert.ok(findings.some(({ severity }) => severity === 'error'), text); // prettier-ignore
      }),
      { numRuns: 200 },
    );
  });

  /** Sound policies over the desk, often alike: so that overlaps, contradictions and ranges occur. */
  const condition = fc.constantFrom(
    'context.input.amount_cents > 3', 'context.input.amount_cents <= 3', 'context.input.vendor == "a"', 'context.input.vendor != "a"',
    'context.input.vendor == "b"', 'principal.level == "watched"', 'principal.owner == "platform"', 'true', 'false',
    'context.input has memo', '!(context.input has memo)', '(context.input.vendor == "a" || principal.level == "off")',
  ); // prettier-ignore
  const clause = fc
    .tuple(fc.constantFrom('when', 'unless'), fc.array(condition, { minLength: 1, maxLength: 3 }), fc.constantFrom(' && ', ' || '))
    .map(([kind, parts, by]) => ` ${kind} { ${parts.join(by)} }`);
  const policy = fc
    .tuple(
      fc.constantFrom('permit', 'forbid'),
      fc.constantFrom('principal', 'principal == Agent::"clerk"', 'principal == Agent::"auditor"', 'principal in Segment::"finance"', 'principal is Agent in Segment::"finance"'), // prettier-ignore
      fc.constantFrom('action == Action::"ledger/pay_invoice"', 'action in [Action::"ledger/pay_invoice"]'),
      fc.constantFrom('resource', 'resource is Tool', 'resource in Server::"ledger"', 'resource in Segment::"finance"', 'resource == Tool::"ledger/pay_invoice"', 'resource in Server::"mail"', 'resource is Tool in Server::"ledger"'), // prettier-ignore
      fc.array(clause, { maxLength: 2 }),
    )
    .map(([effect, principal, action, resource, clauses]) => `${effect} (${principal}, ${action}, ${resource})${clauses.join('')};`);
  const inputs = ['a', 'b', 'c'].flatMap((vendor) =>
    [3, 4].flatMap((amount_cents) => [
      { vendor, iban: 'i', amount_cents },
      { vendor, iban: 'i', amount_cents, memo: 'm' },
    ]),
  );
  const named = (texts: readonly string[]): string => texts.map((text, at) => `@id("p${at}")\n@reason("r")\n${text}`).join('\n');

  test('a finding is never a wrong one: without a shadowed or never matching policy every decision stays', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(policy, { minLength: 2, maxLength: 4 }), async (texts) => {
        const keep = '@id("keep") @reason("r") permit (principal == Agent::"reader", action in Action::"read", resource);';
        const findings = await linted(named(texts));
        const useless = new Set(findings.filter(({ rule }) => rule === 'never-matches').map(({ policy: id }) => id));
        // of policies that make one another useless one has to stay: the first finding is enough
        const first = findings.find(({ rule }) => rule === 'shadowed' || rule === 'duplicate-policy');
        if (first !== undefined) useless.add(first.policy);
        if (useless.size === 0) return;
        const full = `${keep}\n${named(texts)}`;
        const less = `${keep}\n${texts.map((text, at) => (useless.has(`p${at}`) ? '' : `@id("p${at}") @reason("r") ${text}`)).join('\n')}`;
        // a forbid that can never apply is refused by admission itself
        const admitted = [full, less].map((text) => admit([{ path: 'p.cedar', text }], LINKED, 1, digest).catch(() => undefined));
        const [before, now] = await Promise.all(admitted);
        if (before === undefined || now === undefined) return;
        for (const agent of ['clerk', 'auditor', 'reader']) {
          for (const level of ['normal', 'watched'] as const) {
            const world = { ...LINKED, levels: new Map([[agent, level]]) };
            for (const input of inputs) {
              const asked = { ...CALL, subject: { ...CALL.subject, id: agent }, context: { input } };
              assert.equal(now.decide(asked, world).verdict, before.decide(asked, world).verdict, JSON.stringify([full, agent, input]));
            }
          }
        }
      }),
      { numRuns: 120 },
    );
  });

  test('a thousand policies are looked at in seconds', async () => {
    const text = Array.from({ length: 1000 }, (_, at) => permit(`principal == Agent::"clerk", action == Action::"ledger/pay_invoice", resource`, ` when { context.input.vendor == "v${at}" }`, `p${at}`)).join('\n'); // prettier-ignore
    const began = performance.now();
    assert.deepEqual(rules(await linted(text)), []);
    assert.ok(performance.now() - began < 20_000);
  });
});
