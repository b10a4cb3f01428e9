// What every part of a starting Cordon is told.
import type { Address, Config } from '../control/config.ts';

export interface Setting {
  readonly config: Config;
  readonly dataDir: string;
  /** Name of the policy enforcement point of this process. */
  readonly pep: string;
  /** Told of what an operator should see: a line, no secrets. */
  readonly onNotice: (line: string) => void;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Processes that carry calls out beside this one, which then carries out none. */
  readonly workers?: { readonly count: number; readonly configFile: string };
  /** The addresses of a host outside; as the system resolves names when absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** `https://host:port`, with the brackets that an IPv6 address needs (RFC 3986 §3.2.2). */
export const urlOf = ({ host, port }: Address): string => `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
