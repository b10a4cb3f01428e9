// Random expressions, typed so that most of them evaluate, with operands that have to do with one another; a few are mistyped on purpose.
import { isJsonObject, type Json } from '../src/domain/json.ts';
import { drawn, leaf, listOf, literalOf, type Node, node, patternText, quoted, uidText } from './node.ts';
import type { Random } from './random.ts';
import { Values } from './values.ts';
import {
  ALL_UIDS,
  ELEMENT,
  ENTITY_TYPES,
  type Extension,
  FAMILIES,
  isIdentifier,
  isSetType,
  MALFORMED,
  SETS,
  type SetType,
  type Type,
  TYPES,
} from './vocabulary.ts';

/** How often an operand is of another type than its operator takes. */
const MISTYPED = 0.05;
const EXTENSIONS: readonly Extension[] = ['decimal', 'ip', 'datetime', 'duration'];
/** Some of them only by methods. */
const ORDERED: readonly Type[] = ['long', ...EXTENSIONS];

export class Expressions {
  readonly random: Random;
  readonly values: Values;
  /** Those that lead further, more often. */
  readonly #pathNames: readonly string[];

  constructor(random: Random) {
    this.random = random;
    this.values = new Values(random);
    this.#pathNames = this.values.members.flatMap(([name, type]) =>
      isIdentifier(name) ? (type === 'record' || type === 'entity' ? [name, name, name, name] : [name]) : [],
    );
  }

  /** An expression of `type`, mostly; at most `depth` operators deep. */
  of(type: Type, depth: number): Node {
    const wanted = this.random.chance(MISTYPED) ? this.random.pick(TYPES) : type;
    if (depth <= 0 || this.random.chance(0.15)) return this.#leaf(wanted);
    const makers = MAKERS[isSetType(wanted) ? 'set' : wanted];
    return this.random.chance(0.2) ? this.#anyOf(wanted, depth - 1) : this.random.pick(makers)(this, depth - 1, wanted);
  }

  literal(type: Type): Node {
    return drawn(() => leaf(type, literalOf(this.values.of(type))));
  }

  any(depth: number): Node {
    return this.of(this.random.pick(TYPES), depth);
  }

  /** An entity or a record to look into. */
  holder(depth: number): Node {
    return this.random.chance(0.75) ? this.of('entity', depth) : this.of('record', depth);
  }

  /** An entity that mostly is there. */
  stored(depth: number): Node {
    return this.random.chance(0.7) ? leaf('entity', this.random.pick(['principal', 'resource', 'action'])) : this.of('entity', depth);
  }

  /** A member of the holder that is mostly of the type; a literal where no member in use is. */
  member(type: Type, holder: () => Node): Node {
    const { random, values } = this;
    const names = random.chance(0.95) ? values.namesOf(type) : values.members.map(([name]) => name);
    if (names.length === 0) return this.literal(type);
    return node(type)`${holder()}${drawn(() => accessTo(random.pick(names), random))}`;
  }

  /** Two of a type that are equal, nearly, or by chance. */
  pair(type: Type, depth: number): readonly [Node, Node] {
    const { random, values } = this;
    if (random.chance(0.12)) {
      const both = this.of(type, depth);
      return [both, both];
    }
    const value = values.of(type);
    const one = isLong(value) && random.chance(0.4) ? this.#sumTo(value) : leaf(type, literalOf(value));
    if (random.chance(type === 'record' || isSetType(type) ? 0.7 : 0.4)) return [one, leaf(type, literalOf(values.near(value)))];
    const pair = [random.chance(0.4) ? one : this.of(type, depth), this.of(type, depth)] as const;
    return random.chance(0.5) ? pair : [pair[1], pair[0]];
  }

  /** The same integer, worked out. */
  #sumTo(value: number | bigint): Node {
    const part = this.random.chance(0.5) ? this.values.near(value) : this.values.of('long');
    const rest = BigInt(value) - (isLong(part) ? BigInt(part) : 0n);
    if (rest !== BigInt.asIntN(64, rest)) return leaf('long', literalOf(value));
    const [one, other] = [leaf('long', literalOf(part)), leaf('long', literalOf(rest))];
    return this.random.chance(0.5) ? node('long')`(${one} + ${other})` : node('long')`(${other} - -(${one}))`;
  }

  #leaf(type: Type): Node {
    const { random } = this;
    if (type === 'entity' && random.chance(0.65)) return leaf(type, random.pick(['principal', 'resource', 'action']));
    if (type === 'record' && random.chance(0.3)) return leaf(type, 'context');
    if (random.chance(0.5)) return this.literal(type);
    return this.member(type, () => leaf('entity', random.pick(['principal', 'resource', 'context', 'context', 'context', 'action'])));
  }

  /** What every type has. */
  #anyOf(type: Type, depth: number): Node {
    const { random } = this;
    return random.pick<() => Node>([
      () => this.member(type, () => this.holder(depth)),
      () => node(type)`${this.stored(depth)}.getTag(${this.#tagName(type, depth)})`,
      () => node(type)`(if ${this.of('bool', depth)} then ${this.of(type, depth)} else ${this.of(type, depth)})`,
    ])();
  }

  #tagName(type: Type, depth: number): Node {
    const names = this.values.namesOf(type);
    return this.random.chance(0.2) || names.length === 0
      ? this.of('string', depth)
      : drawn(() => leaf('string', quoted(this.random.pick(names))));
  }

  /** A name in the form that `has` takes, or a path of them. */
  path(): Node {
    const { random } = this;
    if (random.chance(0.4)) return drawn(() => leaf('string', quoted(random.pick(this.values.members)[0])));
    return drawn(() => leaf('string', random.list(random.between(1, 3), () => random.pick(this.#pathNames)).join('.')));
  }

  /** A string and a pattern cut from it. */
  like(depth: number): Node {
    const { random } = this;
    const text = textIn(this.values.of('string'));
    const of = random.chance(0.5) ? leaf('string', quoted(text)) : this.of('string', depth);
    return node('bool')`(${of} like ${drawn(() => leaf('string', this.#pattern(Array.from(text))))})`;
  }

  /** Pieces of the text in their order, of which some overlap; most patterns hold both ends. */
  #pattern(text: readonly string[]): string {
    const { random } = this;
    const piece = (from: number): string => patternText(text.slice(from, from + random.below(3)).join(''));
    const at = random.below(text.length + 1);
    const middle = random.pick([[], [piece(at)], [piece(at), piece(at)], [piece(at), piece(at + 1)], [piece(0), piece(at), piece(at)]]);
    const first = random.chance(0.6) ? piece(0) : '';
    const last = random.chance(0.6) ? patternText(text.slice(-random.below(3)).join('')) : '';
    return random.chance(0.1) ? `"${patternText(text.join(''))}"` : `"${[first, ...middle, last].join(random.chance(0.1) ? '**' : '*')}"`;
  }

  /** A constructor and a text that it takes, does not take, or almost. */
  construct(name: Extension, depth: number): Node {
    const { random } = this;
    const valid = argumentIn(random.pick(random.pick(FAMILIES[name])));
    const text = random.chance(0.4) ? valid : random.chance(0.5) ? random.pick(MALFORMED[name]) : this.#edited(valid);
    const literal = leaf('string', quoted(text));
    if (random.chance(0.7)) return node(name)`${leaf(name, name)}(${literal})`;
    const workedOut = node('string')`(if ${this.of('bool', depth)} then ${literal} else ${this.of('string', depth)})`;
    return this.#call(node(name)`${leaf(name, name)}`, name, [random.chance(0.7) ? workedOut : this.of('string', depth)]);
  }

  #edited(text: string): string {
    const { random } = this;
    const at = random.below(text.length + 1);
    const [before, after] = [text.slice(0, at), text.slice(at)];
    return random.pick([
      () => before + random.pick(EDITS) + after,
      () => before + after.slice(1),
      () => before + random.pick(EDITS) + after.slice(1),
      () => before + after.slice(0, 3) + after,
    ])();
  }

  /** Elements of which some are equal. */
  elements(type: SetType, depth: number): Node {
    const { random, values } = this;
    const element = ELEMENT[type];
    if (random.chance(0.4)) return this.of(type, depth);
    const value = values.of(element);
    const elements = random.list(random.below(4), () =>
      random.chance(0.5) ? leaf(element, literalOf(values.near(value))) : this.of(element, depth - 1),
    );
    return listOf(type, ['[', ']'], elements);
  }

  /** Two sets of which one may be in the other. */
  sets(depth: number): readonly [Node, Node] {
    const { random, values } = this;
    const type = random.pick(SETS);
    if (random.chance(0.3)) return [this.elements(type, depth), this.elements(type, depth)];
    const value = values.of(type);
    const near = values.near(random.chance(0.3) ? values.near(value) : value);
    return [leaf(type, literalOf(value)), leaf(type, literalOf(near))];
  }

  record(depth: number): Node {
    const { random, values } = this;
    const members = new Map(random.list(random.below(4), () => random.pick(values.members)));
    const made = [...members].map(([name, type]) => node(type)`${leaf('string', quoted(name))}: ${this.of(type, depth)}`);
    return listOf('record', ['{', '}'], made);
  }

  /** `X.name(…)` */
  method(type: Type, receiver: Node, name: string, operands: readonly Node[]): Node {
    return this.#call(node(type)`${receiver}.${leaf(type, name)}`, type, operands);
  }

  /** Now and then with one argument too many, or too few. */
  #call(called: Node, type: Type, operands: readonly Node[]): Node {
    const { random } = this;
    const given = random.chance(0.94) ? operands : random.chance(0.5) ? [...operands, this.any(0)] : operands.slice(1);
    return node(type)`${called}${listOf(type, ['(', ')'], given)}`;
  }

  /** `X in Y`, or in a set in which something may be no entity, or X itself. */
  within(depth: number): Node {
    const { random } = this;
    const one = this.of('entity', depth);
    const entity = (): Node =>
      random.chance(0.6) ? drawn(() => leaf('entity', uidText(random.pick(ALL_UIDS)))) : this.of('entity', depth);
    const element = (): Node => (random.chance(0.1) ? this.any(0) : random.chance(0.15) ? one : entity());
    const list = listOf('entity set', ['[', ']'], random.list(random.below(4), element));
    const other = this.of(random.chance(0.5) ? 'entity set' : 'entity', depth);
    const above = random.chance(0.05) ? this.any(0) : random.pick([entity(), list, other]);
    const test = random.chance(0.25) ? this.entityTest() : leaf('bool', '');
    return node('bool')`(${one}${test} in ${above})`;
  }

  /** ` is T` */
  entityTest(): Node {
    return node('bool')` is ${drawn(() => leaf('string', this.random.pick(ENTITY_TYPES)))}`;
  }
}

const EDITS = [...Array.from('0123456789.:/-+TZdhmsaf '), '00', '::', 'ms', '\u0661', '\n'];

function accessTo(name: string, random: Random): Node {
  return leaf('string', isIdentifier(name) && random.chance(0.7) ? `.${name}` : `[${quoted(name)}]`);
}

const isLong = (value: Json): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';
const textIn = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

/** The argument of a constructor in JSON form. */
function argumentIn(value: Json): string {
  const call = isJsonObject(value) ? value['__extn'] : undefined;
  return textIn(isJsonObject(call) ? call['arg'] : undefined);
}

type Maker = (make: Expressions, depth: number, type: Type) => Node;

/** As often as so many others. */
const often = (times: number, maker: Maker): readonly Maker[] => Array.from({ length: times }, () => maker);

const binary =
  (operator: string, left: Type, right: Type, result: Type): Maker =>
  (make, depth) =>
    node(result)`(${make.of(left, depth)} ${leaf(result, operator)} ${make.of(right, depth)})`;

/** `a + b - c`: three operands without brackets. */
const chain =
  (operators: readonly string[], type: Type): Maker =>
  (make, depth) => {
    const [first, second] = [leaf(type, make.random.pick(operators)), leaf(type, make.random.pick(operators))];
    return node(type)`(${make.of(type, depth)} ${first} ${make.of(type, depth)} ${second} ${make.of(type, depth)})`;
  };

const compared =
  (operators: readonly string[], types: readonly Type[]): Maker =>
  (make, depth) => {
    const [left, right] = make.pair(make.random.pick(types), depth);
    return node('bool')`(${left} ${leaf('bool', make.random.pick(operators))} ${right})`;
  };

const method =
  (result: Type, of: Type, names: readonly string[], ...args: readonly Type[]): Maker =>
  (make, depth) =>
    make.method(
      result,
      make.of(of, depth),
      make.random.pick(names),
      args.map((arg) => make.of(arg, depth)),
    );

/** A method of two values that are near one another. */
const paired =
  (of: Type, names: readonly string[]): Maker =>
  (make, depth) => {
    const [left, right] = make.pair(of, depth);
    return make.method('bool', left, make.random.pick(names), [right]);
  };

const MAKERS: Readonly<Record<Exclude<Type, SetType> | 'set', readonly Maker[]>> = {
  bool: [
    compared(['==', '==', '!='], TYPES),
    compared(['==', '!=', '<', '<='], ['long']),
    compared(['==', '!='], ['record']),
    compared(['==', '!='], ['record set', 'entity', 'long set set', ...EXTENSIONS]),
    compared(['<', '<=', '>', '>='], ['long', 'long', 'datetime', 'duration', 'decimal']),
    (make, depth) => node('bool')`(${make.of(make.random.pick(ORDERED), depth)} < ${make.of(make.random.pick(ORDERED), depth)})`,
    binary('&&', 'bool', 'bool', 'bool'),
    binary('||', 'bool', 'bool', 'bool'),
    (make, depth) => node('bool')`(${make.of('bool', depth)} ${leaf('bool', make.random.pick(['&&', '||']))} ${make.any(depth)})`,
    chain(['&&', '||'], 'bool'),
    (make, depth) => node('bool')`!(${make.of('bool', depth)})`,
    ...often(3, (make, depth) => make.within(depth)),
    ...often(2, (make, depth) => node('bool')`(${make.holder(depth)} has ${make.path()})`),
    ...often(3, (make, depth) => make.like(depth)),
    (make, depth) => node('bool')`(${make.of('entity', depth)}${make.entityTest()})`,
    (make, depth) => {
      const [left, right] = make.sets(depth);
      const methods = make.random.pick(['containsAll', 'containsAny']);
      return node('bool')`${left}.${leaf('bool', methods)}(${make.random.chance(0.95) ? right : make.any(0)})`;
    },
    (make, depth) => {
      const type = make.random.pick(SETS);
      return node('bool')`${make.elements(type, depth)}.contains(${make.of(ELEMENT[type], depth)})`;
    },
    (make, depth) => node('bool')`${make.elements(make.random.pick(SETS), depth)}.isEmpty()`,
    (make, depth) => node('bool')`${make.stored(depth)}.hasTag(${make.of('string', depth)})`,
    (make, depth) => {
      const [name] = make.random.pick(make.values.members);
      return node('bool')`${make.stored(depth)}.hasTag(${leaf('string', quoted(name))})`;
    },
    paired('decimal', ['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual']),
    paired('ip', ['isInRange']),
    ...often(2, method('bool', 'ip', ['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'])),
    method('bool', 'decimal', ['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'], 'decimal'),
    method('bool', 'ip', ['isInRange'], 'ip'),
  ],
  long: [
    binary('+', 'long', 'long', 'long'),
    binary('-', 'long', 'long', 'long'),
    binary('*', 'long', 'long', 'long'),
    chain(['+', '-', '*'], 'long'),
    (make, depth) => node('long')`-(${make.of('long', depth)})`,
    ...often(2, method('long', 'duration', ['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'])),
  ],
  string: [(make) => make.literal('string')],
  entity: [(make) => make.literal('entity')],
  decimal: [(make, depth) => make.construct('decimal', depth)],
  ip: [(make, depth) => make.construct('ip', depth)],
  datetime: [
    (make, depth) => make.construct('datetime', depth),
    ...often(2, method('datetime', 'datetime', ['offset'], 'duration')),
    method('datetime', 'datetime', ['toDate']),
  ],
  duration: [
    (make, depth) => make.construct('duration', depth),
    method('duration', 'datetime', ['durationSince'], 'datetime'),
    method('duration', 'datetime', ['toTime']),
  ],
  record: [(make, depth) => make.record(depth)],
  set: [(make, depth, type) => make.elements(isSetType(type) ? type : 'long set', depth)],
};
