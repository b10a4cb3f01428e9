// Cedar's `datetime` and `duration`: milliseconds in 64 bits, since 1970 began and between two instants.
import { EvaluationError } from './evaluation-error.ts';
import { add, type Long, longOf, magnitudeOf, subtract } from './long.ts';
import { Extension } from './value.ts';

const DATE = String.raw`(\d{4}-\d{2}-\d{2})`;
const TIME = String.raw`T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{3}))?(?:Z|([+-])(\d{2})(\d{2}))`;
const DATETIME = new RegExp(`^${DATE}(?:${TIME})?$`);
const DURATION = /^(-?)(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The units of a duration, as they are written. */
const UNITS = [DAY, HOUR, MINUTE, SECOND, 1];

/** What can be written: the years 0 to 9999. */
const WRITABLE = { from: Date.parse('0000-01-01T00:00:00Z'), to: Date.parse('9999-12-31T23:59:59.999Z') };

export class Datetime extends Extension {
  override readonly name = 'datetime';
  /** Since 1970-01-01, UTC. */
  readonly ms: Long;

  constructor(ms: Long) {
    super();
    this.ms = ms;
  }

  /** `2024-02-29`, `2024-02-29T23:59:59Z`, `…59.123Z`, `…59+0100`, `…59.123-0100`. attacker-controlled. @throws EvaluationError extension */
  static parse(text: string): Datetime {
    const [, date = '', h = '0', m = '0', s = '0', ms = '0', sign = '+', offsetH = '0', offsetM = '0'] = DATETIME.exec(text) ?? [];
    const day = dayOf(date);
    const [time, offset] = [timeOf(h, m, s), timeOf(offsetH, offsetM)];
    if (day === undefined || time === undefined || offset === undefined)
      throw new EvaluationError('extension', 'the text is no `datetime`');
    return new Datetime(day + time + Number(ms) - (sign === '+' ? offset : -offset));
  }

  /** ISO 8601, where it has a form that `parse` reads. */
  override get key(): string {
    return isWritable(this.ms) ? new Date(this.ms).toISOString() : `1970-01-01 and ${this.ms}ms`;
  }

  /** @throws EvaluationError overflow */
  offset(by: Duration): Datetime {
    return new Datetime(add(this.ms, by.ms));
  }

  /** @throws EvaluationError overflow */
  since(earlier: Datetime): Duration {
    return new Duration(subtract(this.ms, earlier.ms));
  }

  /** Midnight before, or now. @throws EvaluationError overflow */
  toDate(): Datetime {
    return new Datetime(subtract(this.ms, this.toTime().ms));
  }

  /** Since midnight, never negative. */
  toTime(): Duration {
    const { ms } = this;
    const rest = typeof ms === 'number' ? ms % DAY : Number(ms % BigInt(DAY));
    return new Duration(rest < 0 ? rest + DAY : rest + 0);
  }
}

export class Duration extends Extension {
  override readonly name = 'duration';
  readonly ms: Long;

  constructor(ms: Long) {
    super();
    this.ms = ms;
  }

  /** `1d2h3m4s5ms`, any of the five, `-` before them all. attacker-controlled. @throws EvaluationError extension, overflow */
  static parse(text: string): Duration {
    const [whole, sign, ...counts] = DURATION.exec(text) ?? [];
    if (whole === undefined) throw new EvaluationError('extension', 'the text is no `duration`');
    const ms = UNITS.reduce((sum, unit, at) => sum + magnitudeOf(counts[at] ?? '0') * BigInt(unit), 0n);
    return new Duration(longOf(sign === '-' ? -ms : ms));
  }

  override get key(): string {
    return `${this.ms}ms`;
  }

  toSeconds(): Long {
    return truncated(this.ms, SECOND);
  }

  toMinutes(): Long {
    return truncated(this.ms, MINUTE);
  }

  toHours(): Long {
    return truncated(this.ms, HOUR);
  }

  toDays(): Long {
    return truncated(this.ms, DAY);
  }
}

/** Has this instant a text that `Datetime.parse` reads? */
export const isWritable = (ms: Long): ms is number => typeof ms === 'number' && ms >= WRITABLE.from && ms <= WRITABLE.to;

/** Milliseconds of the date's midnight; undefined for a day that is not in the calendar. */
function dayOf(date: string): number | undefined {
  const ms = Date.parse(`${date}T00:00:00Z`);
  // 30 February is rolled over into March
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(date) ? undefined : ms;
}

function timeOf(h: string, m: string, s = '0'): number | undefined {
  const [hours, minutes, seconds] = [Number(h), Number(m), Number(s)];
  return hours < 24 && minutes < 60 && seconds < 60 ? hours * HOUR + minutes * MINUTE + seconds * SECOND : undefined;
}

/** Division towards zero. */
const truncated = (ms: Long, unit: number): Long => (typeof ms === 'number' ? (ms - (ms % unit)) / unit : longOf(ms / BigInt(unit)));
