// The section `egress` of a resource in `cordon.yaml`: hosts outside that may be reached through the gateway as a forward proxy.
import { isIP } from 'node:net';
import * as z from 'zod';
import type { EgressUpstreamConfig } from '../control/config.ts';
import type { Refusal } from '../domain/refusal.ts';
import { type Cidr, readCidr } from '../gateway/egress-addresses.ts';
import { readAuthority } from '../gateway/egress-host.ts';
import type { HostPattern } from '../gateway/egress-table.ts';
import { mayPassOutside } from '../gateway/http-headers.ts';
import type { Issue } from './config-place.ts';
import { credential, duration, milliseconds } from './config-values.ts';

/** `api.example.com:443`, `*.example.com:443` */
const host = z.string().transform((text, context): HostPattern => {
  const below = text.startsWith('*.');
  try {
    const { host: name, port } = readAuthority(below ? text.slice(2) : text);
    if (!below || name.includes('.')) return { host: name, port, below };
  } catch {
    // said below
  }
  context.addIssue({ code: 'custom', message: '`name:port`, `address:port`, or `*.name:port` for the names below it' });
  return z.NEVER;
});

const range = z.string().transform((text, context): Cidr => {
  const cidr = readCidr(text);
  if (cidr !== undefined) return cidr;
  context.addIssue({ code: 'custom', message: 'a range of addresses: `10.1.0.0/16`' });
  return z.NEVER;
});

export const EGRESS_SECTION = z.strictObject({
  hosts: z.array(host).min(1),
  /** Addresses that are not of the public internet and may be reached all the same. */
  addresses: z.array(range).default([]),
  /** `tls`: a tunnel carries TLS for the host that was asked for; `any`: nothing in it is looked at. */
  tunnel: z.enum(['tls', 'any']).default('tls'),
  /** The gateway ends TLS as these hosts, with a certificate of its own authority, and reads what is said inside. */
  intercept: z.boolean().default(false),
  /** Of hosts that the gateway itself connects to: a PEM file with the private authority behind their certificates. */
  ca: z.string().exactOptional(),
  /** Request headers that are handed on besides those that always are. */
  headers: z.array(z.string().refine(mayPassOutside, 'a header that may be handed on; lower case')).default([]),
  /** Added to the requests that the gateway can read. */
  credential: credential.exactOptional(),
  /** Of a tunnel: without a byte either way, and altogether. */
  idle: duration('10s', '24h').default('5m'),
  total: duration('10s', '24h').default('1h'),
  replyBytes: z.int().min(1024).default(1_073_741_824),
});

/** @throws Refusal CORDON-9006 */
export function egressOf(name: string, section: z.infer<typeof EGRESS_SECTION>, misfitAt: (issue: Issue) => Refusal): EgressUpstreamConfig {
  const { credential: shown, ca, idle, total, ...rest } = section;
  const address = rest.hosts.findIndex((one) => isIP(one.host) !== 0);
  const at = ['resources', name, 'egress'];
  if (rest.intercept && address >= 0) throw misfitAt({ path: [...at, 'hosts', address], message: 'only names can be intercepted' });
  if (rest.intercept && rest.tunnel === 'any') throw misfitAt({ path: [...at, 'tunnel'], message: 'what is intercepted is TLS' });
  return {
    kind: 'egress',
    ...rest,
    ...(ca === undefined ? {} : { ca }),
    ...(shown === undefined ? {} : { credential: shown }),
    bounds: { idle: milliseconds(idle), total: milliseconds(total) },
  };
}
