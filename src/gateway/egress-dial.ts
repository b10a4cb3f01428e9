// Connects to a host outside: resolved once, every address looked at, and the connection made to the very address that was looked at.
import { connect, isIP, type Socket } from 'node:net';
import { errorCodeOf, Refusal } from '../domain/refusal.ts';
import type { HostPort } from './egress-host.ts';
import { abortReason, orAborted } from './waiting.ts';

/** All addresses of a name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface DialParts {
  readonly resolve: Resolve;
  readonly mayReach: (address: string) => boolean;
  /** For resolving, and for each connection. Milliseconds. */
  readonly connectMs: number;
}

export type Dial = (to: HostPort, signal: AbortSignal) => Promise<Socket>;

/** Addresses of one name that are tried. */
const MOST_TRIED = 4;

/** @returns connects; it throws Refusal CORDON-3010 for an address that may not be reached, CORDON-9010 when none answers */
export function createDial({ resolve, ...rest }: DialParts): Dial {
  const parts = { ...rest, resolve: oneAtATime(resolve) };
  return async (to, signal) => {
    const addresses = await addressesOf(parts, to, signal);
    let last: unknown;
    for (const address of addresses.slice(0, MOST_TRIED)) {
      try {
        return await connectTo(address, to.port, AbortSignal.any([signal, AbortSignal.timeout(parts.connectMs)]));
      } catch (error) {
        if (signal.aborted) throw abortReason(signal);
        last = error;
      }
    }
    throw new Refusal('CORDON-9010', 'the host cannot be reached', { observed: errorCodeOf(last) ?? 'no answer', cause: last });
  };
}

/** All of them may be reached, or none is: a name that leads inside with one of its addresses is up to something. */
async function addressesOf(
  { resolve, mayReach, connectMs }: Omit<DialParts, 'resolve'> & { readonly resolve: ResolveUntil },
  { host }: HostPort,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = isIP(host) === 0 ? await resolved(resolve, host, AbortSignal.any([signal, AbortSignal.timeout(connectMs)])) : [host];
  if (found.length === 0) throw new Refusal('CORDON-9010', 'the host has no address');
  if (found.every(mayReach)) return found;
  throw new Refusal('CORDON-3010', 'the host leads to an address that is not registered', {
    fix: 'register its range under `addresses` of the resource, if it is meant to be reached',
  });
}

type ResolveUntil = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Of one resource one name at a time: the system resolves with few threads, which files need as well, and goes on with what nobody waits for any
 * more. A zone that answers slowly holds one of them, whoever asks for how many names in it. INVARIANT I10
 */
export function oneAtATime(resolve: Resolve): ResolveUntil {
  let last: Promise<void> = Promise.resolve();
  return async (host, signal) => {
    const before = last;
    const turn = Promise.withResolvers<void>();
    last = turn.promise;
    try {
      await before;
      signal.throwIfAborted(); // given up while it waited
      return await resolve(host);
    } finally {
      turn.resolve();
    }
  };
}

async function resolved(resolve: ResolveUntil, host: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await orAborted(resolve(host, signal), signal);
  } catch (cause) {
    throw new Refusal('CORDON-9010', 'the host cannot be resolved', { observed: errorCodeOf(cause) ?? 'no answer', cause });
  }
}

/** `address` is a literal, so nothing is resolved again. */
function connectTo(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true, keepAlive: true, autoSelectFamily: false });
    const onAbort = (): void => void socket.destroy(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (): void => signal.removeEventListener('abort', onAbort);
    socket.once('connect', () => {
      settle();
      socket.off('error', reject);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', settle);
    if (signal.aborted) onAbort();
  });
}
