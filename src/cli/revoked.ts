// `cordon off --run`: one run is revoked, with everything that was done on the strength of its tokens, and what every PEP saw is said.
import type { Context } from './context.ts';
import { EXIT, Failure } from './errors.ts';
import { labelled } from './explain.ts';
import { pepLines, receiptLines } from './observed.ts';
import type { Mark, Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { duration } from './units.ts';
import { plain } from './untrusted.ts';

type Revoked = ReplyOf<'revocation'>;

/** Revokes a run and prints what was observed. Sets the exit code to 9 unless every PEP confirmed. @throws Failure */
export async function revokeRun(context: Context, run: string, reason: string): Promise<void> {
  if (reason.trim() === '') throw new Failure('usage', 'the reason is empty', { fix: ['say why: it stands in the log'] });
  const { value, json } = await context.connected((client) => client.revoke({ kind: 'run', id: run, reason }));
  context.out.print(json, (paint) => render(paint, value));
  if (value.status !== 'contained') process.exitCode = EXIT.partial;
}

const STATUS: Readonly<Record<Revoked['status'], readonly [mark: Mark, words: string]>> = {
  contained: ['v', 'contained'],
  partial: ['!', 'partially contained'],
  not_contained: ['x', 'NOT contained'],
};

function render(paint: Paint, { id, status, peps, cutMs, receipt }: Revoked): readonly string[] {
  const [mark, words] = STATUS[status];
  const within = status === 'contained' ? ` in ${duration(cutMs)}` : '';
  return [
    `${paint.mark(mark)} run ${paint('bold', plain(id))} is revoked, with all that was handed on from it: ${words}${within}`,
    ...pepLines(paint, peps, 'silent', 'no open connection, no open call'),
    ...receiptLines(paint, receipt),
    ...labelled(paint, 'undo', ['none: a revoked run does not come back; start another: cordon run --as AGENT -- CMD']),
  ];
}
