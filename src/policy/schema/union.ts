// Alternatives of an input schema (`anyOf`, `oneOf`, a list of types) as one shape. Values tell JSON types apart by themselves, so a
// union has one member for each JSON type; alternatives of one JSON type become one shape that takes whatever any of them takes.
// Which alternative was meant is not guessed: two kinds of object become one object with the properties of both.
import { type Field, jsonType, type RecordShape, type SetShape, type Shape, type TupleShape } from './shape.ts';

const OPAQUE: Shape = { kind: 'opaque' };
const ABSENT: Field = { shape: OPAQUE, required: false, nullIsAbsent: false };

/** What it takes to make shapes. */
export interface Maker {
  /** Called for each shape that is made. attacker-controlled: throws when there are too many */
  count(): void;
  /** A name that no entity type has yet. */
  entityType(): string;
}

/** One shape for all alternatives; opaque as soon as one of them is, or there are none. */
export function united(shapes: readonly Shape[], maker: Maker): Shape {
  const members = new Map<string, Shape>();
  for (const shape of shapes.flatMap(partsOf)) {
    maker.count();
    const type = jsonType(shape);
    if (type === undefined) return OPAQUE;
    const known = members.get(type);
    members.set(type, known === undefined ? shape : joint(known, shape, maker));
  }
  return unionOf([...members.values()]);
}

/** The shape with null as a value of its own. */
export const withNull = (shape: Shape, maker: Maker): Shape => united([shape, { kind: 'null' }], maker);
/** The shape without null; opaque when nothing else is left. */
export const withoutNull = (shape: Shape): Shape => unionOf(partsOf(shape).filter(({ kind }) => kind !== 'null'));
export const admitsNull = (shape: Shape): boolean => partsOf(shape).some(({ kind }) => kind === 'null');

const partsOf = (shape: Shape): readonly Shape[] => (shape.kind === 'union' ? shape.members : [shape]);

function unionOf(members: readonly Shape[]): Shape {
  const [only = OPAQUE] = members;
  return members.length > 1 ? { kind: 'union', members } : only;
}

/** Two shapes of one JSON type. */
function joint(a: Shape, b: Shape, maker: Maker): Shape {
  if (a.kind === 'record' && b.kind === 'record') return jointRecord(a, b, maker);
  if (a.kind === 'tuple' && b.kind === 'tuple' && a.items.length === b.items.length) return jointTuple(a, b, maker);
  if (isArray(a) && isArray(b)) return { kind: 'set', element: united([...elementsOf(a), ...elementsOf(b)], maker) };
  if (a.kind === 'string' && b.kind === 'string') return { kind: 'string', ...eitherOf(a.allowed, b.allowed) };
  if (a.kind === 'long' && b.kind === 'long') return { kind: 'long', ...eitherOf(a.allowed, b.allowed) };
  if (a.kind === 'formatted' && b.kind === 'formatted' && a.format === b.format) return a;
  // every integer is a number, and texts of two formats are texts
  if (jsonType(a) === 'string') return { kind: 'string' };
  return jsonType(a) === 'number' ? { kind: 'decimal' } : a;
}

const isArray = (shape: Shape): shape is SetShape | TupleShape => shape.kind === 'set' || shape.kind === 'tuple';

function elementsOf(array: SetShape | TupleShape): readonly Shape[] {
  if (array.kind === 'set') return [array.element];
  return array.rest === undefined ? array.items : [...array.items, array.rest];
}

/** Of as many items. */
function jointTuple(a: TupleShape, b: TupleShape, maker: Maker): TupleShape {
  const items = a.items.map((item, at) => united([item, ...b.items.slice(at, at + 1)], maker));
  const rests = [a.rest, b.rest].filter((rest) => rest !== undefined);
  const tuple = { kind: 'tuple', items, required: Math.min(a.required, b.required) } as const;
  return rests.length === 0 ? tuple : { ...tuple, rest: united(rests, maker) };
}

/** Listed values of both; none listed for one, none for both. */
const eitherOf = <T>(a: ReadonlySet<T> | undefined, b: ReadonlySet<T> | undefined): { readonly allowed?: ReadonlySet<T> } =>
  a === undefined || b === undefined ? {} : { allowed: new Set([...a, ...b]) };

function jointRecord(a: RecordShape, b: RecordShape, maker: Maker): RecordShape {
  const names = new Set([...a.fields.keys(), ...b.fields.keys()]);
  const fields = new Map(Array.from(names, (name) => [name, jointField(fieldOf(a, name), fieldOf(b, name), maker)] as const));
  const rests = [a.open, b.open].flatMap((open) => (open === undefined ? [] : [open.rest]));
  return recordOf(fields, rests.length === 0 ? undefined : united(rests, maker), maker);
}

/** A record; open when there is a shape for its other properties. */
export function recordOf(fields: RecordShape['fields'], rest: Shape | undefined, maker: Maker): RecordShape {
  if (rest === undefined) return { kind: 'record', fields };
  const tag = fields.size === 0 ? rest : united([rest, ...Array.from(fields.values(), ({ shape }) => shape)], maker);
  return { kind: 'record', fields, open: { type: maker.entityType(), rest, tag } };
}

/** A property that is not a field of an open record is one of its others. */
function fieldOf({ fields, open }: RecordShape, name: string): Field | undefined {
  return fields.get(name) ?? (open && { shape: open.rest, required: false, nullIsAbsent: false });
}

function jointField(a: Field | undefined, b: Field | undefined, maker: Maker): Field {
  if (a === undefined || b === undefined) return { ...ABSENT, ...a, ...b, required: false };
  const nullIsAbsent = a.nullIsAbsent && b.nullIsAbsent;
  const shape = united([a.shape, b.shape], maker);
  const isValue = !nullIsAbsent && (a.nullIsAbsent || b.nullIsAbsent);
  return { shape: isValue ? withNull(shape, maker) : shape, required: a.required && b.required, nullIsAbsent };
}
