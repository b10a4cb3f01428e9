// What the arguments of many calls have in common: few texts that come again, a flag that is always set, a largest number. Observed, not
// meant: whoever makes a policy of it has to look at it first.
import type { JsonObject } from '../../domain/json.ts';
import { argumentsOf } from '../schema/arguments.ts';
import { Decimal } from '../cedar/decimal.ts';
import { isRecord, type Value } from '../cedar/value.ts';
import type { Field, RecordShape } from '../schema/shape.ts';
import { member, memberName, quoted } from './literals.ts';

/** A condition that held in every call that was seen. */
export type SeenCondition = {
  /** `context.input.amount_cents <= 4200` */
  readonly clause: string;
  /** `100 to 4200 in 42 calls` */
  readonly seen: string;
};

/** Fewer calls say nothing. */
const MIN_CALLS = 5;
/** Calls for each value: what comes only once or twice is no pattern. */
const CALLS_PER_VALUE = 3;
const MAX_VALUES = 5;
const LONGEST_VALUE = 64;
/** Arguments that may hold what must not stand in a policy file. */
const CONFIDENTIAL = /pass|secret|token|key|credential|auth|private|pin$|otp/i;

export class SeenArguments {
  readonly #shape: RecordShape;
  readonly #fields = new Map<string, SeenField>();
  #calls = 0;

  constructor(shape: RecordShape) {
    this.#shape = shape;
    for (const [name, field] of shape.fields) this.#fields.set(name, new SeenField(name, field));
  }

  /** @throws Refusal CORDON-3006 when they do not fit */
  add(input: JsonObject): void {
    const { value } = argumentsOf(input, this.#shape);
    this.#calls++;
    for (const [name, field] of this.#fields) field.add(isRecord(value) ? value.get(name) : undefined);
  }

  conditions(): readonly SeenCondition[] {
    return [...this.#fields.values()].flatMap((field) => field.condition(this.#calls) ?? []);
  }
}

/** An integer or a decimal. */
interface Figure {
  readonly order: bigint;
  readonly text: string;
}

class SeenField {
  readonly #name: string;
  readonly #field: Field;
  #calls = 0;
  /** Undefined once there are too many, or one is too long. */
  #texts: Set<string> | undefined = new Set();
  readonly #flags = new Set<boolean>();
  #least: Figure | undefined;
  #most: Figure | undefined;

  constructor(name: string, field: Field) {
    this.#name = name;
    this.#field = field;
  }

  add(value: Value | undefined): void {
    if (value === undefined) return;
    this.#calls++;
    if (typeof value === 'string') this.#addText(value);
    else if (typeof value === 'boolean') this.#flags.add(value);
    else if (typeof value === 'number' || typeof value === 'bigint') this.#addFigure({ order: BigInt(value), text: String(value) });
    else if (value instanceof Decimal) this.#addFigure({ order: BigInt(value.scaled), text: value.key });
  }

  #addText(text: string): void {
    if (text.length > LONGEST_VALUE) this.#texts = undefined;
    this.#texts?.add(text);
    if ((this.#texts?.size ?? 0) > MAX_VALUES) this.#texts = undefined;
  }

  #addFigure(figure: Figure): void {
    if (this.#least === undefined || figure.order < this.#least.order) this.#least = figure;
    if (this.#most === undefined || figure.order > this.#most.order) this.#most = figure;
  }

  /** Guarded where the argument may be absent: validation wants `has` first. */
  condition(calls: number): SeenCondition | undefined {
    const common = this.#calls < MIN_CALLS || CONFIDENTIAL.test(this.#name) ? undefined : this.#common();
    if (common === undefined || this.#field.required) return common;
    const has = `context.input has ${memberName(this.#name)}`;
    const always = this.#calls === calls;
    return { ...common, clause: always ? `${has} && ${common.clause}` : `if ${has} then ${common.clause} else true` };
  }

  #common(): SeenCondition | undefined {
    const at = `context.input${member(this.#name)}`;
    const { kind } = this.#field.shape;
    if (kind === 'string') return this.#commonText(at);
    if (kind === 'boolean') {
      const [only, ...others] = this.#flags;
      return others.length > 0 ? undefined : { clause: `${at} == ${String(only)}`, seen: this.#in(String(only)) };
    }
    const [least, most] = [this.#least?.text, this.#most?.text];
    if (least === undefined || most === undefined) return undefined;
    const limit = kind === 'long' ? ` <= ${most}` : `.lessThanOrEqual(decimal(${quoted(most)}))`;
    return { clause: `${at}${limit}`, seen: this.#in(`${least} to ${most}`) };
  }

  #commonText(at: string): SeenCondition | undefined {
    const texts = [...(this.#texts ?? [])].toSorted();
    const [only = '', ...others] = texts;
    if (texts.length === 0 || this.#calls < texts.length * CALLS_PER_VALUE) return undefined;
    const seen = this.#in(texts.length === 1 ? 'one value' : `${texts.length} values`);
    return { clause: others.length === 0 ? `${at} == ${quoted(only)}` : `[${texts.map(quoted).join(', ')}].contains(${at})`, seen };
  }

  #in(what: string): string {
    return `${what} in ${this.#calls} calls`;
  }
}
