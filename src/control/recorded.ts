// Recorded decisions, looked back on without holding up those that are being made.
import { setImmediate } from 'node:timers/promises';
import type { DecisionRow } from '../store/ports.ts';
import type { DecisionIndex } from './decisions.ts';

/** Which recorded decisions are looked at: the newest ones. */
export interface RecordedSpan {
  /** Unix milliseconds. */
  readonly since: number;
  /** At most this many. */
  readonly limit: number;
  /** Of this agent alone. */
  readonly agent?: string;
}

const PAGE = 200;
/** Calls go first: the thread is given back after this long, whatever is done with the rows. Milliseconds. */
const SLICE = 2;

/** Newest first; one more than the limit when there are more. @throws Refusal CORDON-9004 */
export async function* recorded(
  decisions: Pick<DecisionIndex, 'list'>,
  { since, limit, agent }: RecordedSpan,
): AsyncGenerator<DecisionRow> {
  let left = limit + 1;
  let before: number | undefined;
  let sliceEnd = performance.now() + SLICE;
  while (left > 0) {
    const of = { ...(agent === undefined ? {} : { agent }), ...(before === undefined ? {} : { before }) };
    const page = await decisions.list({ limit: Math.min(PAGE, left), ...of });
    for (const row of page) {
      if (row.at < since) return;
      yield row;
      if (performance.now() < sliceEnd) continue;
      await setImmediate();
      sliceEnd = performance.now() + SLICE;
    }
    if (page.length < PAGE) return;
    left -= page.length;
    before = page.at(-1)?.seq;
  }
}
