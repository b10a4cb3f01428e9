// What every call on the socket begins with: who makes it, and what that process may have now.
import type { handleUnaryCall, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import type { SpiffeId } from '../../domain/spiffe-id.ts';
import { Feed, type Reader, type State } from './feed.ts';
import type { Caller, RunIdentities } from './ports.ts';
import { statusOf } from './status.ts';

export interface CallParts {
  readonly identities: Pick<RunIdentities, 'live'>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Who makes the call. `peer`: as the call names its connection. */
  readonly callerOf: (peer: string) => Caller;
  /** Somebody was refused. `method`: `FetchX509SVID` */
  readonly onRefused: (method: string, error: unknown) => void;
  readonly onStream: (stream: OpenStream) => void;
  readonly onStreamEnd: (stream: OpenStream) => void;
}

export interface OpenStream {
  /** Looks at the state again; resolves when that is done. */
  update(): Promise<void>;
  /** The runs that it is for, as they were when it was looked at last. */
  readonly runs: () => readonly string[];
}

export interface LiveRun {
  readonly run: string;
  readonly id: SpiffeId;
}

/** The runs that a connection speaks for and that may have an identity now; never none. @throws Refusal */
export async function liveRuns({ identities, callerOf }: CallParts, peer: string): Promise<readonly LiveRun[]> {
  const live: LiveRun[] = [];
  let refused: Refusal | undefined;
  for (const run of await callerOf(peer).runs()) {
    try {
      live.push({ run, id: await identities.live(run) });
    } catch (error) {
      refused ??= asRefusal(error, 'CORDON-9004', 'the run cannot be looked up');
    }
  }
  if (live.length > 0) return live;
  throw refused ?? new Refusal('CORDON-1012', 'no registration entry matches this process');
}

export interface Opening<T> {
  /** What has to hold before anything else. @throws CallStatus */
  readonly check?: () => void;
  readonly state: (runs: readonly LiveRun[]) => Promise<State<T>>;
}

/** Opens a stream, which says nothing before its first `update`. */
export function openFeed<T>(
  parts: CallParts,
  method: string,
  call: Reader<T> & { getPeer(): string },
  { check, state }: Opening<T>,
): OpenStream {
  let runs: readonly LiveRun[] = [];
  const feed = new Feed<T>(call, {
    state: async () => {
      check?.();
      runs = await liveRuns(parts, call.getPeer());
      return state(runs);
    },
    now: parts.now,
    onRefused: (error) => parts.onRefused(method, error),
    onEnd: () => parts.onStreamEnd(stream),
  });
  const stream: OpenStream = { update: () => feed.update(), runs: () => runs.map(({ run }) => run) };
  parts.onStream(stream);
  return stream;
}

/** A method with one answer. */
export const unary =
  <Q, R>(parts: CallParts, method: string, answer: (call: ServerUnaryCall<Q, R>) => Promise<R>): handleUnaryCall<Q, R> =>
  (call, callback) =>
    void settle(parts, method, answer(call), callback);

async function settle<R>({ onRefused }: CallParts, method: string, answer: Promise<R>, callback: sendUnaryData<R>): Promise<void> {
  let reply: R;
  try {
    reply = await answer;
  } catch (error) {
    onRefused(method, error);
    callback(statusOf(error));
    return;
  }
  callback(null, reply);
}
