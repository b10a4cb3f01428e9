// What a policy asks for and could never see. Of an entity, `has` asks for attributes and Cedar's validator takes an attribute that the
// type has not for absent; but what an open record holds besides its fields are tags, and an untyped value shows nothing of what is in
// it. A policy that asks there would believe absent what is there, so it is refused.
import { Refusal } from '../../domain/refusal.ts';
import type { Catalog } from './catalog.ts';
import type { CompiledPolicy } from '../cedar/compiled-policy.ts';
import { scopeKeysOf } from '../cedar/entities.ts';
import { type Expression, operandsOf } from '../cedar/expression.ts';
import { meets } from '../cedar/scope.ts';
import { uid } from '../cedar/value.ts';
import { isScope } from '../clauses.ts';
import type { Finding } from '../findings.ts';
import type { Named } from '../identify.ts';
import { callGroups } from '../methods.ts';
import { itemName, NAMES, type RecordShape, REST, type Shape } from './shape.ts';

/** Asked for, undefined in `hasTag`, and in what. */
interface Unseen {
  readonly name: string | undefined;
  readonly within: 'open' | 'untyped';
}

export interface BlindTool {
  readonly id: string;
  readonly input: RecordShape;
  /** Under which a scope meets its action. */
  readonly keys: readonly string[];
}

/** The tools of a catalog in whose arguments there is anything that a policy could be blind to. */
export function blindTools(catalog: Catalog): readonly BlindTool[] {
  return [...catalog.values()].flatMap(({ id, type, reads, input }) => {
    if (input instanceof Refusal || !isBlind(input)) return [];
    const groups = callGroups(type, reads).map((group) => uid('Action', group).key);
    return [{ id, input, keys: scopeKeysOf(uid('Action', id), new Set(groups)) }];
  });
}

function isBlind(shape: Shape): boolean {
  switch (shape.kind) {
    case 'opaque':
      return true;
    case 'set':
      return isBlind(shape.element);
    case 'tuple':
      return shape.items.some(isBlind);
    case 'union':
      return shape.members.some(isBlind);
    case 'record':
      return shape.open !== undefined || [...shape.fields.values()].some((field) => isBlind(field.shape));
    default:
      return false;
  }
}

/** A policy that asks for what it could not see, for any of the tools that it is for. */
export function blindSpotsIn(
  { policy, statement }: Named,
  compiled: CompiledPolicy | undefined,
  tools: readonly BlindTool[],
): readonly Finding[] {
  const clauses = policy.clauses.filter((clause) => !isScope(clause));
  if (compiled === undefined || tools.length === 0) return [];
  return compiled.shape.conditions.flatMap(({ body, readsContext }, condition): readonly Finding[] => {
    const asked = readsContext ? asking(body) : [];
    for (const { id, input, keys } of asked.length === 0 ? [] : tools) {
      if (!meets(compiled.action, keys)) continue;
      const found = asked.map((expression) => unseen(expression, input)).find((one) => one !== undefined);
      const { at, text } = clauses[condition] ?? { at: statement.at, text: '' };
      if (found !== undefined) return [{ source: statement.source, at, length: text.length, ...explained(found, id) }];
    }
    return [];
  });
}

function explained({ name, within }: Unseen, tool: string): Pick<Finding, 'message' | 'help'> {
  const of = `of \`${tool.replaceAll(/\p{C}/gu, '\u{fffd}')}\``;
  if (within === 'untyped') {
    return { message: `an untyped argument ${of} shows nothing of what is in it`, help: 'ask whether it is there, or what it is equal to' };
  }
  const message = `\`has\` does not see \`${name}\`, which an open argument ${of} may have: its schema does not list it`;
  return { message, help: `ask \`hasTag(${JSON.stringify(name)})\`` };
}

/** Every `has` and `hasTag` in an expression, itself included. */
function asking(expression: Expression): readonly Expression[] {
  const inner = operandsOf(expression).flatMap(asking);
  return expression.op === 'has' || expression.op === 'hasTag' ? [expression, ...inner] : inner;
}

function unseen(expression: Expression, input: RecordShape): Unseen | undefined {
  if (expression.op === 'has') return unseenOnPath(shapesOf(expression.of, input), expression.path);
  const untyped = 'left' in expression && shapesOf(expression.left, input).some(isUntyped);
  return untyped ? { name: undefined, within: 'untyped' } : undefined;
}

function unseenOnPath(of: readonly Shape[], path: readonly string[]): Unseen | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return undefined;
  if (of.some(isUntyped)) return { name, within: 'untyped' };
  if (of.some((shape) => shape.kind === 'record' && shape.open !== undefined && !shape.fields.has(name))) return { name, within: 'open' };
  return unseenOnPath(
    of.flatMap((shape) => memberOf(shape, name)),
    rest,
  );
}

const isUntyped = ({ kind }: Shape): boolean => kind === 'opaque';

/** The shapes of the arguments that an expression may stand for; none for what is no part of them. */
function shapesOf(expression: Expression, input: RecordShape): readonly Shape[] {
  switch (expression.op) {
    case 'variable':
      return expression.name === 'context' ? [contextOf(input)] : [];
    case 'attribute': {
      const { of, name } = expression;
      const literal = of.op === 'record' ? of.members.find(([member]) => member === name) : undefined;
      return literal === undefined ? shapesOf(of, input).flatMap((shape) => memberOf(shape, name)) : shapesOf(literal[1], input);
    }
    case 'getTag':
      return shapesOf(expression.left, input).flatMap((shape) =>
        shape.kind === 'record' && shape.open !== undefined ? [shape.open.tag] : [],
      );
    case 'if':
      return [...shapesOf(expression.consequent, input), ...shapesOf(expression.otherwise, input)];
    default:
      return [];
  }
}

const contextOf = (input: RecordShape): Shape => ({
  kind: 'record',
  fields: new Map([['input', { shape: input, required: true, nullIsAbsent: false }]]),
});

/** What `.name` is of a value of this shape. */
function memberOf(shape: Shape, name: string): readonly Shape[] {
  switch (shape.kind) {
    case 'record': {
      const field = shape.fields.get(name);
      return field === undefined ? [] : [field.shape];
    }
    case 'union':
      return shape.members.filter(({ kind }) => NAMES[kind] === name);
    case 'tuple':
      if (name === REST) return shape.rest === undefined ? [] : [{ kind: 'set', element: shape.rest }];
      return shape.items.filter((_, at) => itemName(at) === name);
    default:
      return [];
  }
}
