// `cordon off --run`, `cordon delegation revoke`: what was revoked, with everything that was done on the strength of it, and what every PEP saw.
import type { Revocable } from '../domain/revocation.ts';
import type { Context } from './context.ts';
import { EXIT, Failure } from './errors.ts';
import { labelled } from './explain.ts';
import { pepLines, receiptLines } from './observed.ts';
import type { Mark, Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { duration } from './units.ts';
import { plain } from './untrusted.ts';

type Revoked = ReplyOf<'revocation'>;

interface Order {
  readonly kind: Revocable;
  readonly id: string;
  readonly reason: string;
}

/** Revokes and prints what was observed. Sets the exit code to 9 unless every PEP confirmed, to 8 when it was revoked before. @throws Failure */
export async function revokeAndTell(context: Context, { kind, id, reason }: Order): Promise<void> {
  if (reason.trim() === '') throw new Failure('usage', 'the reason is empty', { fix: ['say why: it stands in the log'] });
  const { value, json } = await context.connected((client) => client.revoke({ kind, id, reason }));
  context.out.print(json, (paint) => render(paint, value));
  if (value.status !== 'contained') process.exitCode = EXIT.partial;
  else if (value.already) process.exitCode = EXIT.conflict;
}

const STATUS: Readonly<Record<Revoked['status'], readonly [mark: Mark, words: string]>> = {
  contained: ['v', 'contained'],
  partial: ['!', 'partially contained'],
  not_contained: ['x', 'NOT contained'],
};

const WHAT: Readonly<Record<Revocable, string>> = { run: 'run', token: 'token', txn: 'task' };

const NOTES: Readonly<Record<Revocable, Readonly<Record<string, string>>>> = {
  run: {
    left: 'its process, which goes on without any right: end it yourself',
    undo: 'none: a revoked run does not come back; start another: cordon run --as AGENT -- CMD',
  },
  token: { note: 'tokens are not kept: whether there ever was one of this name cannot be said' },
  txn: { note: 'tokens are not kept: whether there ever was a task of this name cannot be said' },
};

function render(paint: Paint, { kind, id, already, status, peps, cutMs, receipt }: Revoked): readonly string[] {
  const [mark, words] = STATUS[status];
  const within = status === 'contained' ? ` in ${duration(cutMs)}` : '';
  const now = already ? 'was revoked before' : 'is revoked';
  return [
    `${paint.mark(mark)} ${WHAT[kind]} ${paint('bold', plain(id))} ${now}, with all that came from it: ${words}${within}`,
    ...pepLines(paint, peps, 'silent', 'no open connection, no open call'),
    ...receiptLines(paint, receipt),
    ...Object.entries(NOTES[kind]).flatMap(([label, text]) => labelled(paint, label, [text])),
  ];
}
