// Keeps the credentials of one part of Cordon fresh: renewed at half life, tried again when that fails, told to whoever uses them.
import type { OwnCredentials } from '../control/issuer.ts';
import type { Credentials } from '../gateway/channel.ts';

export interface Rotation {
  start(): Promise<void>;
  readonly current: () => Credentials;
  onRotate(listener: (credentials: Credentials) => void): void;
  /** Renews now, whatever the age. */
  renew(): Promise<void>;
  stop(): void;
}

const RETRY_MS = 1_000;

export function createRotation(issue: () => Promise<OwnCredentials>, now: () => number): Rotation {
  const listeners = new Set<(credentials: Credentials) => void>();
  let current: Credentials | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function renew(): Promise<void> {
    const { svid, ...own } = await issue();
    current = { generation: (current?.generation ?? 0) + 1, ...own };
    for (const listener of listeners) listener(current);
    again((svid.notAfter - now()) / 2);
  }

  function again(inMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void renew().catch(() => again(RETRY_MS)), Math.max(RETRY_MS, inMs)).unref();
  }

  return {
    start: renew,
    current: () => {
      if (current === undefined) throw new Error('rotation was not started');
      return current;
    },
    onRotate: (listener) => void listeners.add(listener),
    renew,
    stop: () => clearTimeout(timer),
  };
}
