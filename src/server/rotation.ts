// Keeps the credentials of one part of Cordon fresh: renewed at half life, tried again when that fails, told to whoever uses them.
import type { OwnCredentials } from '../control/issuer.ts';
import type { Credentials } from '../gateway/channel.ts';

export interface Rotation {
  /** Makes the first credentials. @throws Refusal why they could not be made */
  start(): Promise<void>;
  /** @throws Error before `start` */
  readonly current: () => Credentials;
  onRotate(listener: (credentials: Credentials) => void): void;
  /** Makes fresh ones now: what vouches for them has changed. Never throws; a renewal that fails is tried again. */
  renew(): Promise<void>;
  stop(): void;
}

export interface RotationOptions {
  readonly issue: () => Promise<OwnCredentials>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Told once when a renewal fails; it is tried again until it works. */
  readonly onError: (error: unknown) => void;
}

const RETRY_MS = 1_000;

export function createRotation({ issue, now, onError }: RotationOptions): Rotation {
  const listeners = new Set<(credentials: Credentials) => void>();
  let current: Credentials | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failing = false;
  let stopped = false;

  const again = (inMs: number): void => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(() => void renew(), Math.max(RETRY_MS, inMs)).unref();
  };

  const make = async (): Promise<Credentials> => {
    const { svid, ...own } = await issue();
    current = { generation: (current?.generation ?? 0) + 1, ...own };
    again((svid.notAfter - now()) / 2);
    return current;
  };

  async function renew(): Promise<void> {
    try {
      const renewed = await make();
      failing = false;
      for (const listener of listeners) listener(renewed);
    } catch (error) {
      if (!failing && !stopped) onError(error);
      failing = true;
      again(RETRY_MS);
    }
  }

  return {
    start: async (): Promise<void> => void (await make()),
    current: () => {
      if (current === undefined) throw new Error('rotation was not started');
      return current;
    },
    onRotate: (listener) => void listeners.add(listener),
    renew,
    stop(): void {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
