// Hosts outside that are registered, and which resource a host and port are. What is not registered does not exist.
import type { Dispatcher } from 'undici';
import type { Dial } from './egress-dial.ts';
import type { HostPort } from './egress-host.ts';
import type { HostCertificate } from './egress-inner.ts';
import type { TunnelBounds } from './tunnel.ts';

/** One egress resource. */
export interface Outside {
  readonly name: string;
  /** `tls`: a tunnel has to begin with TLS for the host that it was decided for; `any`: nothing is looked at. */
  readonly tunnel: 'tls' | 'any';
  /** Makes the certificate with which the gateway stands in for one of the hosts; undefined: tunnels are not looked into. */
  readonly intercept: ((host: string) => Promise<HostCertificate>) | undefined;
  readonly bounds: TunnelBounds;
  readonly dial: Dial;
  /** For requests that the gateway makes itself; it connects as `dial` does. */
  readonly dispatcher: Dispatcher;
  /** Request headers that are handed on besides those that always are. */
  readonly headers: readonly string[];
  /** What the gateway adds to requests that it makes itself; undefined: the caller signs in by itself. */
  readonly credential: Readonly<Record<string, string>> | undefined;
  readonly maxReplyBytes: number;
}

/** A name or address, or all names below one (`*.example.com`), and a port. */
export interface HostPattern extends HostPort {
  /** `host` stands for the names below it, and not for itself. */
  readonly below: boolean;
}

export interface EgressRow {
  readonly pattern: HostPattern;
  readonly outside: Outside;
}

export interface EgressTable {
  /** The exact name goes first, then the longest suffix. */
  find(to: HostPort): Outside | undefined;
  destroy(): Promise<void>;
}

const keyOf = ({ host, port }: HostPort): string => `${host} ${port}`;

export function createEgressTable(rows: readonly EgressRow[]): EgressTable {
  const indexed = (below: boolean): ReadonlyMap<string, Outside> =>
    new Map(rows.flatMap(({ pattern, outside }) => (pattern.below === below ? [[keyOf(pattern), outside] as const] : [])));
  const [exact, below] = [indexed(false), indexed(true)];
  return {
    find(to): Outside | undefined {
      const found = exact.get(keyOf(to));
      if (found !== undefined) return found;
      const labels = to.host.includes(':') ? [] : to.host.split('.');
      for (let at = 1; at < labels.length; at++) {
        const parent = below.get(keyOf({ host: labels.slice(at).join('.'), port: to.port }));
        if (parent !== undefined) return parent;
      }
      return undefined;
    },
    async destroy(): Promise<void> {
      await Promise.all([...new Set(rows.map(({ outside }) => outside.dispatcher))].map((dispatcher) => dispatcher.destroy()));
    },
  };
}
