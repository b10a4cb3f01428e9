// Cedar's `decimal`: a number with four digits after the point, held exactly as a 64-bit integer.
import { EvaluationError } from './evaluation-error.ts';
import { type Long, longOf, magnitudeOf } from './long.ts';
import { Extension } from './value.ts';

const PATTERN = /^(-?)(\d+)\.(\d{1,4})$/;
const DIGITS = 4;

export class Decimal extends Extension {
  override readonly name = 'decimal';
  /** Ten thousandths. */
  readonly scaled: Long;

  private constructor(scaled: Long) {
    super();
    this.scaled = scaled;
  }

  /** `-?`, digits, a point, one to four digits. attacker-controlled. @throws EvaluationError extension, overflow */
  static parse(text: string): Decimal {
    const [, sign, whole, fraction] = PATTERN.exec(text) ?? [];
    if (whole === undefined || fraction === undefined) throw new EvaluationError('extension', 'the text is no `decimal`');
    const magnitude = magnitudeOf(whole + fraction.padEnd(DIGITS, '0'));
    return new Decimal(longOf(sign === '-' ? -magnitude : magnitude));
  }

  /** `-1.0500` */
  override get key(): string {
    const text = String(this.scaled);
    const digits = text.replace('-', '').padStart(DIGITS + 1, '0');
    return `${text.startsWith('-') ? '-' : ''}${digits.slice(0, -DIGITS)}.${digits.slice(-DIGITS)}`;
  }
}
