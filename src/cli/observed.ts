// What every PEP saw after something was contained (UX reference J5), as lines; shared by all orders that contain.
import { labelled } from './explain.ts';
import type { Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { table } from './table.ts';
import { count, duration, several } from './units.ts';
import { plain } from './untrusted.ts';

type Seen = ReplyOf<'revocation'>['peps'][number];

/** `did`: what the PEP is once nothing remains. `nothing`: said where it had nothing to end. */
export function pepLines(paint: Paint, peps: readonly Seen[], did: string, nothing: string): readonly string[] {
  const rows = peps.map((pep) => {
    const mark = pep.unobserved === true ? '!' : pep.remaining === 0 ? 'v' : 'x';
    return [[mark, () => paint.mark(mark)], pep.pep, seenBy(pep, did, nothing)] as const;
  });
  return table(rows);
}

function seenBy({ silentMs, connections, calls, remaining, unobserved }: Seen, did: string, nothing: string): string {
  if (unobserved === true) return 'NOT OBSERVED  refuses from now on; what it already forwards is not seen from here';
  if (remaining > 0) return `NOT SILENT  ${several(remaining, 'connection or call', 'connections or calls')} still open`;
  const seen = [connections > 0 ? several(connections, 'connection') : '', calls > 0 ? `${several(calls, 'call')} cut` : ''].filter(
    (text) => text !== '',
  );
  return `${did} ${duration(silentMs)}  ${seen.length > 0 ? seen.join(', ') : nothing}`.trimEnd();
}

/** Where the order stands in the log. */
export const receiptLines = (paint: Paint, { log, seq, leafHash }: ReplyOf<'revocation'>['receipt']): readonly string[] =>
  labelled(paint, 'log', [`${plain(log)} seq ${count(seq)}  leaf ${plain(leafHash).slice(0, 12)}..`]);
