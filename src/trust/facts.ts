// What a session knows of one call, in the words of the containment pack: sets of argument names, booleans and numbers, as Cedar has them.

export interface Facts {
  readonly effect: 'read' | 'write';
  /** A manifest was there; without one a call is a write and every argument a sink. */
  readonly known: boolean;
  /** Arguments of this call that say where something goes or what is acted on: sinks of the manifest, content that carries an address. */
  readonly sinks: readonly string[];
  /** Arguments whose value is known only from untrusted content. */
  readonly untrusted: readonly string[];
  /** Arguments whose value no part of the session explains: made up, or no longer held. */
  readonly unseen: readonly string[];
  /** Arguments whose value stands in content that the task points at, beside others that it could mean as well. */
  readonly ambiguous: readonly string[];
  /** Arguments whose value is more than the task needs: one more recipient, a second payee. */
  readonly excess: readonly string[];
  /** A write with a tool that neither plan nor prompt of the task names. */
  readonly unplanned: boolean;
  /** A write with a tool that was called as often as the task accounts for. */
  readonly exhausted: boolean;
  /** Calls and writes admitted before this one, those in flight included. */
  readonly calls: number;
  readonly writes: number;
  /** Of those the calls of this tool. */
  readonly same: number;
  /** And what the whole numbers among its arguments came to, by name; a negative one counts for nothing. */
  readonly sums: Readonly<Record<string, number>>;
  /** Calls of this tool in the last minute, and in the last hour. */
  readonly recent: { readonly minute: number; readonly hour: number };
}

export type Verdict = 'allow' | 'deny' | 'ask';

/** What the containment pack answers to these facts; the pack is what is enforced, and a test holds both against each other. */
export function judge({ effect, unplanned, exhausted, sinks, untrusted, unseen, excess, ambiguous }: Facts): Verdict {
  const any = (names: readonly string[]): boolean => names.some((name) => sinks.includes(name));
  if (effect === 'write' && (unplanned || exhausted)) return 'deny';
  if (any(untrusted) || any(unseen) || any(excess)) return 'deny';
  return any(ambiguous) ? 'ask' : 'allow';
}
