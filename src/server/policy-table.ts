// `*.test.yaml` beside the policies: read member by member, everything that does not fit found at once, each with its line.
//
//   defaults: { agent: clerk, call: ledger/pay_invoice, input: { vendor: Acme, iban: DE02…, amount_cents: 4200 } }
//   tests:
//     - { name: the account on record, expect: allow, policy: clerk-pays }
//     - { name: another account, input: { iban: DE1 }, expect: CORDON-3005 }
//     - { name: nobody outside finance has it pay, user: bob, groups: [sales], expect: deny }
//     - { name: a restricted clerk, levels: { clerk: restricted }, expect: CORDON-4004 }
//     - { name: the clerk asks the reader, action: a2a/SendMessage, resource: reader, input: { text: hi }, expect: deny }
import { LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { LEVELS, VERDICTS } from '../domain/access.ts';
import { CODES, isCode } from '../domain/codes.ts';
import type { JsonObject } from '../domain/json.ts';
import { parseMandate } from '../domain/mandate.ts';
import { errorTextOf } from '../domain/refusal.ts';
import { CAUSE_NAMES, MOST_RISK } from '../domain/risk.ts';
import { similar } from '../domain/similar.ts';
import type { Expected, TableTest } from '../policy/test-table.ts';
import { misfit, offsetOf, placeOf, type Issue, type Source } from './config-place.ts';

const MAX_BYTES = 1_048_576;
/** Enough to share a call between tests; a small file cannot become a huge value. */
const MAX_ALIASES = 100;

const isExpected = (value: string): value is Expected => VERDICTS.some((verdict) => verdict === value) || isCode(value);

const expected = z.custom<Expected>((value) => typeof value === 'string' && isExpected(value), {
  error: ({ input }) => {
    const [meant] = typeof input === 'string' ? similar(input, [...VERDICTS, ...Object.keys(CODES)]) : [];
    return `${VERDICTS.map((verdict) => `\`${verdict}\``).join(', ')} or a code such as CORDON-3005${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`;
  },
});
const text = z.string().min(1).max(300);
/** What the YAML reader makes of a mapping; the shape of the arguments is the tool's to judge. */
const object = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'a mapping of arguments',
);

/** As in a token: the same code reads it there. */
const mandate = z.custom<JsonObject[]>().superRefine((value, context) => {
  try {
    parseMandate(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: errorTextOf(error) });
  }
});

const members = {
  agent: text.optional(),
  call: text.optional(),
  action: text.optional(),
  resource: text.optional(),
  input: object.optional(),
  user: text.optional(),
  issuer: text.optional(),
  groups: z.array(text).optional(),
  mandate: mandate.optional(),
  labels: z.array(text).optional(),
  risk: z.int().min(0).max(MOST_RISK).optional(),
  causes: z.array(z.enum(CAUSE_NAMES)).optional(),
  expect: expected.optional(),
  policy: text.optional(),
  levels: z.record(z.string(), z.enum(LEVELS, `one of ${LEVELS.join(', ')}`)).optional(),
  tags: z.record(z.string(), z.record(z.string(), z.string())).optional(),
};
const TABLE = z.strictObject({
  defaults: z.strictObject(members).prefault({}),
  tests: z.array(z.strictObject({ name: text, ...members })).min(1, 'at least one test'),
});

type Table = z.infer<typeof TABLE>;
type Row = Table['tests'][number];

/** Whom and what tests may speak of. */
export interface Registered {
  readonly agents: readonly { readonly name: string }[];
  readonly resources: readonly { readonly name: string }[];
}

/** The tests of one file, or everything that is wrong with it. */
export interface Read {
  readonly tests: readonly TableTest[];
  /** `file:line:column: …` */
  readonly problems: readonly string[];
}

/** `path` names the file in messages. Names that only a test gives a meaning to (levels, tags) must be registered. */
export function parseTable(yaml: string, path: string, registered: Registered): Read {
  if (yaml.length > MAX_BYTES) return { tests: [], problems: [`${path}:1:1: longer than ${MAX_BYTES} characters`] };
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, uniqueKeys: true, schema: 'core', merge: true, intAsBigInt: true });
  const source: Source = { path, document, lines };
  const broken = document.errors.map(
    ({ pos, message }) => `${placeOf(source, pos[0])}: ${(message.split('\n', 1)[0] ?? '').replace(/ at line \d+.*$/, '')}`,
  );
  if (broken.length > 0) return { tests: [], problems: broken };
  let value: unknown;
  try {
    value = exact(document.toJS({ maxAliasCount: MAX_ALIASES }));
  } catch (cause) {
    return { tests: [], problems: [`${path}:1:1: ${cause instanceof Error ? cause.message : 'no value'}`] };
  }
  const result = TABLE.safeParse(value);
  const said = (issues: readonly Issue[]): readonly string[] =>
    issues.toSorted((a, b) => offsetOf(document, a.path) - offsetOf(document, b.path)).map((issue) => misfit(source, issue).message);
  if (!result.success) return { tests: [], problems: said(result.error.issues.flatMap(issuesOf)) };
  const { defaults, tests } = result.data;
  const rows = tests.map((row, at) => testOf(row, defaults, `${path}:${lines.linePos(offsetOf(document, ['tests', at, 'name'])).line}`));
  const lacking = rows.flatMap((row, at): Issue[] => (typeof row === 'string' ? [{ path: ['tests', at, 'name'], message: row }] : []));
  return { tests: rows.filter((row) => typeof row !== 'string'), problems: said([...namesIn(result.data, registered), ...lacking]) };
}

/** Integers as JSON has them here: a number while that is exact, a bigint beyond. */
function exact(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(exact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, exact(member)]));
}

/** A misspelt member is told with the one that was meant; all others as the schema says it. */
function issuesOf(issue: z.core.$ZodIssue): readonly Issue[] {
  if (issue.code === 'invalid_type' && issue.input === undefined) return [{ path: issue.path, message: 'is missing' }];
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }];
  const known = issue.path.length === 0 ? ['defaults', 'tests'] : ['name', ...Object.keys(members)];
  return issue.keys.map((key) => {
    const [meant] = similar(key, known);
    return { path: [...issue.path, key], message: `unknown member${meant === undefined ? '' : `; did you mean \`${meant}\`?`}` };
  });
}

/** A level for an agent that is not there changes nothing, and the test would not mean what it says. */
function namesIn({ defaults, tests }: Table, { agents, resources }: Registered): readonly Issue[] {
  const rows = [{ row: defaults, at: ['defaults'] }, ...tests.map((row, index) => ({ row, at: ['tests', index] }))];
  const unknown = (
    given: object | undefined,
    known: readonly { readonly name: string }[],
    at: readonly PropertyKey[],
    what: string,
  ): Issue[] =>
    Object.keys(given ?? {})
      .filter((name) => !known.some((one) => one.name === name))
      .map((name) => {
        const [meant] = similar(
          name,
          known.map((one) => one.name),
        );
        return { path: [...at, name], message: `no ${what} is called so${meant === undefined ? '' : `; did you mean \`${meant}\`?`}` };
      });
  return rows.flatMap(({ row, at }) => [
    ...unknown(row.levels, agents, [...at, 'levels'], 'agent'),
    ...unknown(row.tags, resources, [...at, 'tags'], 'resource'),
  ]);
}

/** One test with what it takes from the defaults, or what it lacks. What it calls is taken whole: another call has other arguments. */
function testOf(row: Row, defaults: Table['defaults'], source: string): TableTest | string {
  const calls = [row.call, row.action, row.resource].some((member) => member !== undefined) ? row : { ...defaults, input: undefined };
  const { call, action, resource } = calls;
  const agent = row.agent ?? defaults.agent;
  const expect = row.expect ?? defaults.expect;
  if (agent === undefined) return '`agent` is missing';
  if (expect === undefined) return '`expect` is missing';
  if (call !== undefined && (action !== undefined || resource !== undefined)) return 'either `call`, or `action` and `resource`';
  const wanted = call === undefined ? { action, resource } : { action: 'tools/call', resource: call };
  if (wanted.action === undefined || wanted.resource === undefined) return '`call` is missing, or `action` and `resource`';
  const input = calls === row ? row.input : merged(defaults.input, row.input);
  const policy = row.policy ?? defaults.policy;
  const labels = row.labels ?? defaults.labels;
  const risk = row.risk ?? defaults.risk;
  const causes = row.causes ?? defaults.causes;
  const { user, issuer, groups, mandate: within } = { ...defaults, ...row };
  if (user === undefined && [issuer, groups, within].some((member) => member !== undefined)) return '`user` is missing';
  const about = {
    ...(issuer === undefined ? {} : { issuer }),
    ...(groups === undefined ? {} : { groups }),
    ...(within === undefined ? {} : { mandate: within }),
  };
  return {
    name: row.name,
    source,
    agent,
    action: wanted.action,
    resource: wanted.resource,
    ...(input === undefined ? {} : { input }),
    ...(labels === undefined ? {} : { labels }),
    ...(risk === undefined ? {} : { risk }),
    ...(causes === undefined ? {} : { causes }),
    ...(user === undefined ? {} : { onBehalf: { user, ...about } }),
    expect,
    ...(policy === undefined ? {} : { policy }),
    levels: { ...defaults.levels, ...row.levels },
    tags: { ...defaults.tags, ...row.tags },
  };
}

const merged = (base: JsonObject | undefined, over: JsonObject | undefined): JsonObject | undefined =>
  base === undefined || over === undefined ? (over ?? base) : { ...base, ...over };
