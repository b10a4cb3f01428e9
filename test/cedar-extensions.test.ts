// The extension types against the official engine: for each expression, `expression == <our value>` must hold there, or fail to evaluate
// where ours does. Operands come from small pools, so that they are related: near-equal addresses, prefixes, leap days, edges of 64 bits.
import { deepEqual, equal as same, ok, throws } from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EvaluationError } from '../src/policy/cedar/evaluation-error.ts';
import { compareExtensions, EXTENSIONS } from '../src/policy/cedar/extensions.ts';
import { equal, Extension, type Value } from '../src/policy/cedar/value.ts';
import { cedarText } from './support/cedar-text.ts';
import { asking } from './support/oracle.ts';

/** A Cedar expression, and what we say its value is; undefined: it fails to evaluate. */
interface Probe {
  /** Of the function or the operator. */
  readonly name?: string;
  readonly text: string;
  readonly value: Value | undefined;
}

/** What the official engine does not confirm. */
function refuted(probes: readonly Probe[]): readonly string[] {
  const claims = probes.map(({ text, value }) => (value === undefined ? `${text} == 0` : `${text} == ${cedarText(value)}`));
  const found = asking(claims)({});
  return claims.filter((claim, at) => found?.[probes[at]?.value === undefined ? 'failed' : 'held'].has(claim) !== true);
}

const CONSTRUCTORS = new Set(['decimal', 'ip', 'datetime', 'duration']);

const literal = (value: Value): Probe => ({ text: cedarText(value), value });

function call(name: string, ...args: readonly Probe[]): Probe {
  const [receiver, ...rest] = args.map(({ text }) => text);
  const text = CONSTRUCTORS.has(name) ? `${name}(${args.map((arg) => arg.text).join(', ')})` : `${receiver}.${name}(${rest.join(', ')})`;
  const values = args.flatMap(({ value }) => (value === undefined ? [] : [value]));
  return { name, text, value: values.length < args.length ? undefined : attempt(() => EXTENSIONS.get(name)?.apply(values)) };
}

function operator(sign: string, a: Probe, b: Probe, apply: (a: Value, b: Value) => Value | undefined): Probe {
  const [left, right] = [a.value, b.value];
  return {
    name: sign,
    text: `(${a.text} ${sign} ${b.text})`,
    value: left === undefined || right === undefined ? undefined : apply(left, right),
  };
}

function attempt(evaluate: () => Value | undefined): Value | undefined {
  try {
    return evaluate();
  } catch (error) {
    ok(error instanceof EvaluationError);
    return undefined;
  }
}

const ORDER: Readonly<Record<string, (sign: number) => boolean>> = {
  '<': (sign) => sign < 0,
  '<=': (sign) => sign <= 0,
  '>': (sign) => sign > 0,
  '>=': (sign) => sign >= 0,
};

const ordered = (sign: string, a: Probe, b: Probe): Probe =>
  operator(sign, a, b, (left, right) => {
    const order = left instanceof Extension && right instanceof Extension ? compareExtensions(left, right) : undefined;
    return order === undefined ? undefined : ORDER[sign]?.(order);
  });

// — operands

const pick = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const digits = (length: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`));
const maybe = (text: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.option(text, { nil: '', freq: 3 });
const joined = (...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> => fc.tuple(...parts).map((all) => all.join(''));

const decimalText = joined(
  maybe(pick('-')),
  pick('0', '00', '1', '12', '0012', '922337203685477', '922337203685478', '0'.repeat(40)),
  pick('.', '.', '.', ''),
  pick('0', '5', '50', '5000', '0001', '5807', '5808', '9999', '00000', ''),
);
const octet = pick('0', '1', '10', '127', '128', '223', '224', '239', '240', '255', '256', '01');
const v4Text = joined(
  fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join('.')),
  maybe(pick('/0', '/1', '/4', '/7', '/8', '/9', '/24', '/31', '/32', '/33', '/08', '/')),
);
const group = pick('0', '0', '0', '1', '2', 'ff', 'FF00', 'ff02', 'ffff', '0001', '10000', 'g');
const groups = (maxLength: number): fc.Arbitrary<string> => fc.array(group, { maxLength }).map((all) => all.join(':'));
const v6Text = joined(
  fc.oneof(
    fc.array(group, { minLength: 7, maxLength: 9 }).map((all) => all.join(':')),
    fc.tuple(groups(5), groups(4)).map(([head, tail]) => `${head}::${tail}`),
    pick('::1', '::', 'ff00::', 'ff02::1', '::ffff:1.2.3.4', '1::2::3', ':::', '1:', ':1'),
  ),
  maybe(pick('/0', '/7', '/8', '/9', '/64', '/126', '/127', '/128', '/129', '/0128')),
);
/** Mostly `right`. */
const mostly = (right: readonly string[], wrong: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 20, arbitrary: pick(...right) }, { weight: 1, arbitrary: pick(...wrong) });
const dateText = joined(
  mostly(['0000', '0004', '0100', '1900', '1969', '1970', '2000', '2023', '2024', '9999'], ['999']),
  mostly(['-01', '-02', '-02', '-04', '-12'], ['-00', '-13', '-1']),
  mostly(['-01', '-28', '-29'], ['-00', '-30', '-31', '-32']),
);
const timeText = joined(
  mostly(['T00', 'T12', 'T23'], ['T24', 't12']),
  mostly([':00', ':59'], [':60']),
  mostly([':00', ':59'], [':60']),
  maybe(mostly(['.000', '.001', '.999'], ['.1', '.1234'])),
  mostly(['Z', '+0000', '-0000', '+0130', '-2359', '+2359'], ['z', '+2400', '-0060', '+01:00', '']),
);
const count = fc.oneof(pick('0', '1', '23', '24', '59', '60', '999', '1000', '007'), digits(3));
const MOST_DAYS = ['106751991167', '106751991168'];
const MOST_MS = ['9223372036854775807', '9223372036854775808', '9007199254740993', '18446744073709551616', `${'0'.repeat(30)}1`];
const durationText = joined(
  maybe(pick('-')),
  maybe(fc.oneof(count, pick(...MOST_DAYS)).map((n) => `${n}d`)),
  maybe(count.map((n) => `${n}h`)),
  maybe(count.map((n) => `${n}m`)),
  maybe(count.map((n) => `${n}s`)),
  maybe(fc.oneof(count, pick(...MOST_MS)).map((n) => `${n}ms`)),
);

/** One character more or less. */
const damaged = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(text, fc.nat(40), pick('', ' ', '+', '-', '0', ':', '.', '/', 'T', 'ms', '\n', '٣', '\u0000'))
    .map(([whole, at, more]) => (more === '' ? whole.slice(0, at) + whole.slice(at + 1) : whole.slice(0, at) + more + whole.slice(at)));
const made = (name: string, text: fc.Arbitrary<string>): fc.Arbitrary<Probe> =>
  fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: damaged(text) }).map((one) => call(name, literal(one)));

const decimals = made('decimal', decimalText);
const ips = fc.oneof(made('ip', v4Text), made('ip', v6Text));
const durations = made('duration', durationText);
const writtenDates = made('datetime', fc.oneof(dateText, joined(dateText, timeText)));
const datetimes = fc.oneof(
  writtenDates,
  fc.tuple(writtenDates, durations).map(([a, b]) => call('offset', a, b)),
  writtenDates.map((a) => call('toDate', a)),
);
const intervals = fc.oneof(
  durations,
  fc.tuple(datetimes, datetimes).map(([a, b]) => call('durationSince', a, b)),
  datetimes.map((a) => call('toTime', a)),
);
const others = fc.constantFrom<Value[]>(true, '1.0', '127.0.0.1').map(literal);
const OPERANDS = {
  string: fc.oneof(decimalText, v4Text, dateText, durationText).map(literal),
  decimal: decimals,
  ip: ips,
  datetime: datetimes,
  duration: intervals,
};
const anything = fc.oneof(others, ...Object.values(OPERANDS));

/** Of two, now and then the same twice. */
const related = (args: readonly Probe[], twice: boolean): readonly Probe[] => (twice ? args.map((arg) => args[0] ?? arg) : args);
const seldom = fc.nat(9).map((n) => n === 0);

/** Each function with arguments of its types, now and then with one of another type or one too many. */
const calls = [...EXTENSIONS].map(([name, { parameters }]) =>
  fc
    .tuple(
      fc.tuple(...parameters.map((type) => fc.oneof({ weight: 19, arbitrary: OPERANDS[type] }, { weight: 1, arbitrary: anything }))),
      seldom,
      fc.oneof({ weight: 30, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(anything) }),
    )
    .map(([args, twice, more]) => call(name, ...related(args, twice), ...more)),
);
const pairs = fc.oneof(...Object.values(OPERANDS).map((of) => fc.tuple(of, of)), fc.tuple(anything, anything));
const comparisons = fc.tuple(pairs, seldom, fc.constantFrom('==', ...Object.keys(ORDER))).map(([pair, twice, sign]) => {
  const [a = pair[0], b = pair[1]] = related(pair, twice);
  return sign === '==' ? operator(sign, a, b, equal) : ordered(sign, a, b);
});

/** What the text is to people, or the kind of error. */
const TABLE: Readonly<Record<string, readonly (readonly [text: string, is: string])[]>> = {
  decimal: [
    ['1.0', '1.0000'],
    ['-0.5', '-0.5000'],
    ['-0.0', '0.0000'],
    ['00012.3400', '12.3400'],
    [`${'0'.repeat(5000)}.1`, '0.1000'],
    ['922337203685477.5807', '922337203685477.5807'],
    ['-922337203685477.5808', '-922337203685477.5808'],
    ['922337203685477.5808', 'overflow'],
    ['-922337203685477.5809', 'overflow'],
    [`${'9'.repeat(5000)}.0`, 'overflow'],
    ['1.00000', 'extension'],
    ['1', 'extension'],
    ['.5', 'extension'],
    ['1.', 'extension'],
    ['+1.0', 'extension'],
    ['1e3', 'extension'],
    ['1.0\n', 'extension'],
    ['١.٠', 'extension'],
    ['', 'extension'],
  ],
  ip: [
    ['10.0.0.1', '10.0.0.1'],
    ['10.0.0.1/32', '10.0.0.1'],
    ['10.0.0.1/8', '10.0.0.1/8'],
    ['0:0:0:0:0:0:0:1/128', '::1'],
    ['2001:0DB8:0:0:1:0:0:0', '2001:db8:0:0:1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::/0', '::/0'],
    ['ABCD:EF01:2345:6789:ABCD:EF01:2345:6789/128', 'abcd:ef01:2345:6789:abcd:ef01:2345:6789'],
    ['::1:2:3:4:5:6:7:8', 'extension'],
    ['1::2::3', 'extension'],
    [':::', 'extension'],
    ['::00001', 'extension'],
    ['::ffff:1.2.3.4', 'extension'],
    ['01.2.3.4', 'extension'],
    ['1.2.3', 'extension'],
    ['256.0.0.1', 'extension'],
    ['10.0.0.1/33', 'extension'],
    ['10.0.0.1/08', 'extension'],
    ['10.0.0.1/', 'extension'],
    ['10.0.0.1/8/8', 'extension'],
    ['::/129', 'extension'],
    ['[::1]', 'extension'],
    ['fe80::1%eth0', 'extension'],
    [' 1.2.3.4', 'extension'],
  ],
  datetime: [
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['0000-02-29', '0000-02-29T00:00:00.000Z'],
    ['2000-02-29T23:59:59.999Z', '2000-02-29T23:59:59.999Z'],
    ['1969-12-31T23:59:59+0100', '1969-12-31T22:59:59.000Z'],
    ['2024-12-31T23:59:59.001-2359', '2025-01-01T23:58:59.001Z'],
    ['0000-01-01T00:00:00+0001', '1970-01-01 and -62167219260000ms'],
    ['2023-02-29', 'extension'],
    ['1900-02-29', 'extension'],
    ['2024-04-31', 'extension'],
    ['2024-00-01', 'extension'],
    ['2024-13-01', 'extension'],
    ['2024-01-01T24:00:00Z', 'extension'],
    ['2016-12-31T23:59:60Z', 'extension'],
    ['2024-01-01T00:00:00+2400', 'extension'],
    ['2024-01-01T00:00:00+0060', 'extension'],
    ['2024-01-01T00:00:00+01:00', 'extension'],
    ['2024-01-01T00:00:00', 'extension'],
    ['2024-01-01T00:00:00.1Z', 'extension'],
    ['2024-01-01Z', 'extension'],
    ['10000-01-01', 'extension'],
    ['-001-01-01', 'extension'],
    ['2024-01-01\n', 'extension'],
  ],
  duration: [
    ['1d2h3m4s5ms', '93784005ms'],
    ['-1d2h', '-93600000ms'],
    ['90m', '5400000ms'],
    [`${'0'.repeat(5000)}1s`, '1000ms'],
    ['-0ms', '0ms'],
    ['9223372036854775807ms', '9223372036854775807ms'],
    ['-9223372036854775808ms', '-9223372036854775808ms'],
    ['-106751991167d7h12m55s808ms', '-9223372036854775808ms'],
    ['9223372036854775808ms', 'overflow'],
    ['106751991168d', 'overflow'],
    ['-106751991168d', 'overflow'],
    [`${'9'.repeat(5000)}d`, 'overflow'],
    ['', 'extension'],
    ['-', 'extension'],
    ['1h1d', 'extension'],
    ['1s1s', 'extension'],
    ['1', 'extension'],
    ['1.5s', 'extension'],
    ['+1s', 'extension'],
    ['1ms ', 'extension'],
  ],
};

describe('extension types', () => {
  for (const [name, rows] of Object.entries(TABLE)) {
    test(`${name}: ${rows.length} texts, as the official engine reads them`, () => {
      for (const [text, is] of rows)
        same(
          outcome(() => EXTENSIONS.get(name)?.apply([text])),
          is,
          text,
        );
      deepEqual(refuted(rows.map(([text]) => call(name, literal(text)))), []);
    });
  }

  test('a key is what its constructor reads', () => {
    for (const [name, rows] of Object.entries(TABLE)) {
      for (const [text] of rows) {
        const value = attempt(() => EXTENSIONS.get(name)?.apply([text]));
        if (!(value instanceof Extension) || value.key.includes('and')) continue;
        ok(equal(EXTENSIONS.get(name)?.apply([value.key]) ?? false, value), value.key);
      }
    }
  });

  test('agree with the official engine on every function and comparison', () => {
    const seen = new Map<string, number>();
    const probes = fc.array(fc.oneof({ weight: 4, arbitrary: fc.oneof(...calls) }, comparisons), { minLength: 80, maxLength: 80 });
    fc.assert(
      fc.property(probes, (all) => {
        for (const { name, value } of all) {
          const key = `${name} ${value === undefined ? 'fails' : 'is'}`;
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
        deepEqual(refuted(all), []);
      }),
      { numRuns: 60, seed: 20_261_122 },
    );
    const rare = [...EXTENSIONS.keys(), ...Object.keys(ORDER)].flatMap((name) =>
      [`${name} is`, `${name} fails`].filter((key) => (seen.get(key) ?? 0) < 5),
    );
    deepEqual(rare, [], 'each gave values and failed');
  });

  test('what fails says so without the value', () => {
    const secret = 'tok_5f2c';
    for (const [name, { parameters }] of EXTENSIONS) {
      const args = parameters.map(() => secret);
      throws(
        () => EXTENSIONS.get(name)?.apply(args),
        (error) => error instanceof EvaluationError && !error.message.includes(secret),
      );
      for (const wrong of [[], [...args, secret]]) {
        throws(
          () => EXTENSIONS.get(name)?.apply(wrong),
          (error) => error instanceof EvaluationError && error.kind === 'arity',
        );
      }
    }
  });

  test('a range of one family holds no address of the other', () => {
    const [four, six] = [call('ip', literal('0.0.0.0/0')), call('ip', literal('::/0'))];
    const both = [call('isInRange', four, six), call('isInRange', six, four)];
    deepEqual(
      both.map(({ value }) => value),
      [false, false],
    );
    deepEqual(refuted(both), []);
  });

  test('only datetimes and durations have an order', () => {
    const [early, late, short, price] = [call('datetime', literal('1969-12-31')), call('datetime', literal('1970-01-01'))].concat([
      call('duration', literal('-1ms')),
      call('decimal', literal('1.0')),
    ]);
    same(order(early, late), -1);
    same(order(late, early), 1);
    same(order(short, short), 0);
    same(order(short, late), undefined);
    same(order(price, price), undefined);
  });
});

function outcome(evaluate: () => Value | undefined): string {
  try {
    const value = evaluate();
    return value instanceof Extension ? value.key : 'no extension';
  } catch (error) {
    return error instanceof EvaluationError ? error.kind : String(error);
  }
}

const order = (a: Probe | undefined, b: Probe | undefined): number | undefined =>
  a?.value instanceof Extension && b?.value instanceof Extension ? compareExtensions(a.value, b.value) : NaN;
