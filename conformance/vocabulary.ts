// The words of random policies: few names and values, so that what one policy asks for another entity often has. Values come in families
// of near misses: equal in another form, one apart, at the edge of their type.
import type { Json } from '../src/domain/json.ts';
import type { Uid } from './decisions.ts';

export type Scalar = 'bool' | 'long' | 'string' | 'entity' | Extension;
export type Extension = 'decimal' | 'ip' | 'datetime' | 'duration';
export type Type = Scalar | 'record' | SetType;

/** A set → what is in it. */
export const ELEMENT = {
  'bool set': 'bool',
  'long set': 'long',
  'string set': 'string',
  'entity set': 'entity',
  'decimal set': 'decimal',
  'ip set': 'ip',
  'datetime set': 'datetime',
  'duration set': 'duration',
  'record set': 'record',
  'long set set': 'long set',
} as const;
export type SetType = keyof typeof ELEMENT;

export const SCALARS: readonly Scalar[] = ['bool', 'long', 'string', 'entity', 'decimal', 'ip', 'datetime', 'duration'];
export const SETS = Object.keys(ELEMENT).filter(isSetType);
export const TYPES: readonly Type[] = [...SCALARS, 'record', ...SETS];

export function isSetType(type: string): type is SetType {
  return Object.hasOwn(ELEMENT, type);
}

/** What attributes, tags and members of records are called, and the type that each mostly has. Some are names of JavaScript's objects. */
export const MEMBERS: Readonly<Record<Type, readonly string[]>> = {
  bool: ['flag', 'ключ'],
  long: ['n', 'm', 'constructor', 'a b', '0'],
  string: ['name', 'toString', ''],
  entity: ['owner', 'parent'],
  decimal: ['price', 'limit'],
  ip: ['addr', 'net'],
  datetime: ['at', 'since'],
  duration: ['span', 'wait'],
  record: ['rec', '__proto__'],
  'bool set': ['flags'],
  'long set': ['nums', 'more'],
  'string set': ['names'],
  'entity set': ['friends', 'groups'],
  'decimal set': ['prices'],
  'ip set': ['nets'],
  'datetime set': ['days'],
  'duration set': ['spans'],
  'record set': ['recs'],
  'long set set': ['nested'],
};

export const isIdentifier = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name);

const uids = (text: string): readonly Uid[] =>
  text.split(' ').map((one) => {
    const [type = '', id = ''] = one.split('|');
    return { type, id };
  });

/** Parents come later than their children. Types and ids are cut so that careless keys of two entities are one. */
export const ENTITIES: readonly Uid[] = [
  ...uids('User|a User|b User|__proto__ A|B::c A::B|c A|b Doc|1 Doc|*'),
  { type: 'Doc', id: '"é\\' },
  ...uids('Group|a Group|b NS::Group|a Group|User Root|'),
];

/** Parents come later than their children; an action is only in actions. */
export const ACTIONS: readonly Uid[] = uids('Action|read Action|write NS::Action|read Action|edit Action|all NS::Action|all');

export const ENTITY_TYPES: readonly string[] = [...new Set([...ENTITIES, ...ACTIONS].map(({ type }) => type)), 'Missing'];
export const ALL_UIDS: readonly Uid[] = [...ENTITIES, ...ACTIONS, ...uids('Missing|a User|missing')];

const extension =
  (fn: Extension) =>
  (text: string): Json => ({ __extn: { fn, arg: text } });
const families = (make: (text: string) => Json, ...lists: readonly string[]): Json[][] => lists.map((list) => list.split(' ').map(make));

/** Datetimes that no text gives. */
const EXTREMES = ['9223372036854775807ms', '-9223372036854775808ms', '-9223372036854775807ms', '-62167219200001ms'].map((span): Json => ({
  __extn: { fn: 'offset', args: [extension('datetime')('1970-01-01'), extension('duration')(span)] },
}));

const around = (middle: bigint): Json[] =>
  [-2n, -1n, 0n, 1n, 2n]
    .map((by) => middle + by)
    .filter((n) => n >= -(2n ** 63n) && n < 2n ** 63n)
    .map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n));

/** Per type, lists of values that are near one another. */
export const FAMILIES: Readonly<Record<Exclude<Scalar, 'entity'>, readonly (readonly Json[])[]>> = {
  bool: [[true, false]],
  long: [
    around(0n),
    around(0n),
    around(2n ** 53n),
    around(-(2n ** 53n)),
    around(2n ** 63n - 1n),
    around(-(2n ** 63n)),
    around(3037000500n),
    around(-3037000499n),
    around(2n ** 32n),
    [86_400_000, 86_399_999, -86_400_000, 1000, 999, 60_000, 3_600_000],
    [4611686018427387904n, 4611686018427387903n, -4611686018427387904n, -4611686018427387905n, 2, -2],
  ],
  string: [
    ['', 'a', 'ab', 'aba', 'abab', 'ababa', 'aab', 'ba', 'b'],
    ['a*b', 'a\\b', '*', '\\', '\\*', 'a"b', "a'b", '"', 'a\nb', '\u0000'],
    ['é', 'e\u0301', '𝒳', '𝒴', 'a𝒳', '𝒳b', '\u200d', 'É'],
    ['__proto__', 'constructor', 'n', 'name', 'flag', 'owner', 'toString', 'nums', 'price', 'rec'],
    ['1.0', '10.0.0.1', '2024-02-29', '1d', '::1', 'x'],
    ['10', '9', '1', 'true', 'null', '[1]', 'User::"a"'],
  ],
  decimal: families(
    extension('decimal'),
    '1.0 1.00 1.0000 01.0 1.0001 0.9999 -1.0',
    '0.0 -0.0 0.0001 -0.0001 0.1 -0.1',
    '922337203685477.5807 922337203685477.5806 -922337203685477.5808 -922337203685477.5807',
    '900719925474.0992 900719925474.0991 900719925474.0993 12.5 12.50',
  ),
  ip: families(
    extension('ip'),
    '10.0.0.1 10.0.0.1/32 10.0.0.1/31 10.0.0.0/31 10.0.0.1/8 10.0.0.0/8 10.0.0.2 0.0.0.0/0',
    '127.0.0.1 127.255.255.255 127.0.0.0/8 127.0.0.0/7 126.255.255.255 128.0.0.0 127.0.0.1/9',
    '224.0.0.1 239.255.255.255 224.0.0.0/4 224.0.0.0/3 240.0.0.0 223.255.255.255 224.0.0.0/5',
    '::1 ::1/128 ::1/127 0:0:0:0:0:0:0:1 :: ::/127 ::2 ::/0 1::',
    'ff00::1 ff00::/8 ff00::/7 feff:ffff::1 ff00::/9 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe00::/7',
    '2001:db8::1 2001:DB8::1 2001:db8:0:0::1 2001:db8::/32 2001:db8::/31 2001:db9::1 2001:db8::1/64',
    '::a00:1 10.0.0.1 ::ffff:a00:1 ::/96 1:0:0:2:0:0:0:3 1::2:0:0:0:3 1:0:0:2::3 1:0:2:3:4:5:6:7',
  ),
  datetime: [
    EXTREMES,
    ...families(
      extension('datetime'),
      '2024-01-01 2024-01-01T00:00:00Z 2024-01-01T01:00:00+0100 2023-12-31T23:00:00.000-0100 2024-01-01T00:00:00.001Z 2023-12-31',
      '1970-01-01 1969-12-31 1969-12-31T23:59:59.999Z 1969-12-31T00:00:00.001Z 1970-01-01T23:59:59.999Z 1970-01-02',
      '0000-01-01 0000-01-01T00:00:00.001Z 0001-01-01 9999-12-31T23:59:59.999Z 9999-12-31 0000-01-01T00:00:00+2359 9999-12-31T23:59:59-2359',
      '2024-02-29 2024-03-01 2023-02-28 2000-02-29 1900-02-28 1900-03-01 1600-02-29',
      '2024-06-30T12:34:56.789Z 2024-06-30T12:34:56Z 2024-06-30T12:34:56.789+0530 2024-06-30T07:04:56.789Z',
    ),
  ],
  duration: families(
    extension('duration'),
    '1d 24h 1440m 86400s 86400000ms 23h60m 86399999ms 1d1ms',
    '0ms -0ms 0d0h0m0s0ms 1ms -1ms 999ms -999ms 1s -1s',
    '9223372036854775807ms 106751991167d7h12m55s807ms -9223372036854775808ms -106751991167d7h12m55s808ms 9223372036854775806ms',
    '1d2h3m4s5ms 93784005ms -1d2h3m4s5ms -93784005ms 1h30m 90m 59s 3599999ms -3599999ms',
    '9007199254740991ms 9007199254740992ms 9007199254740993ms -9007199254740993ms 62167219200000ms -62167219200000ms',
  ),
};

/** What the parsers of extensions must tell from the real thing. */
export const MALFORMED: Readonly<Record<Extension, readonly string[]>> = {
  decimal: ['1', '1.', '.1', '1.00000', '922337203685477.5808', '-922337203685477.5809', '1.0e1', '+1.0', ' 1.0', '--1.0', '١.0', ''],
  ip: [
    '010.0.0.1 10.0.0.1/ 10.0.0.1/33 10.0.0.1/032 10.0.0 10.0.0.0.1 256.0.0.1 10.0.0.1/-1 10.0.0.1/+1 ::1/129 ::1/0128 1::2::3 :::',
    '1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7::8 ::ffff:10.0.0.1 12345:: ::g [::1] ::1%eth0 /8 10.0.0.1/8/8 :1 1: 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8',
    '0000:0000:0000:0000:0000:0000:0000:00001 2001:0db8:0000:0000:0000:0000:0000:0001/128 2001:0db8:0000:0000:0000:0000:0000:0001/1280',
  ].flatMap((list) => list.split(' ')),
  datetime: [
    '2023-02-29 1900-02-29 2024-13-01 2024-00-01 2024-01-00 2024-01-32 2024-1-1 24-01-01 2024-04-31 2024-01-01T24:00:00Z 10000-01-01',
    '2024-01-01T00:60:00Z 2024-01-01T00:00:60Z 2024-01-01T00:00:00 2024-01-01T00:00:00.1Z 2024-01-01T00:00:00.1234Z 2024-01-01T00:00:00+2400',
    '2024-01-01T00:00:00+0060 2024-01-01T00:00:00+01:00 2024-01-01t00:00:00z 2024-01-01T00:00:00.Z 2024-01-01Z -2024-01-01 2024-01-01T23:59:59.999+0000',
    '2024-01-01T00:00Z +2024-01-01 2024-01-01T00:00:00-0000 2024-01-01T00:00:00+2359 2024-01-01T00:00:00.000+000',
  ].flatMap((list) => list.split(' ')),
  duration: [
    '1h1d 1 d 1D 1d1d 1.5h -1h-1m +1h 1ms1s 9223372036854775808ms -9223372036854775809ms 106751991168d 1w 1d- - 18446744073709551616ms 1m1ms 1m1s1ms',
    '18446744073709551615d 99999999999999999999999ms 00000000000000000000000001ms -00d 106751991167d25h',
  ].flatMap((list) => list.split(' ')),
};
