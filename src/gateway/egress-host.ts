// Hosts as a forward proxy is asked for them: a name in one spelling or an address in one spelling, and a port. Standards: RFC 9110 §9.3.6,
// RFC 3986 §3.2.2, RFC 1123 §2.1, WHATWG URL (a host that ends in a number is an IPv4 address). attacker-controlled
import { isIPv4, isIPv6 } from 'node:net';
import { Refusal } from '../domain/refusal.ts';

export interface HostPort {
  /** A name in lower case, an IPv4 address in four decimals, or an IPv6 address as RFC 5952 writes it, without brackets. */
  readonly host: string;
  readonly port: number;
}

const AUTHORITY = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253}))(?::([1-9]\d{0,4}))?$/;
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;
/** `1`, `0x7f`, `0177`: as the last label it makes the whole an IPv4 address to some readers, and a name to others. */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/;

/** `host:port`; without `usual` the port has to be there. @throws Refusal CORDON-9011 */
export function readAuthority(text: string, usual?: number): HostPort {
  const [, v6, name, digits] = AUTHORITY.exec(text) ?? [];
  const port = digits === undefined ? usual : Number(digits);
  if (port === undefined || port > 65_535) throw bad();
  return { host: v6 === undefined ? readName(name) : readV6(v6), port };
}

const bad = (): Refusal =>
  new Refusal('CORDON-9011', 'host not accepted', { expected: '`name:port` or `address:port`, a name in letters, digits and `-`' });

function readName(text: string | undefined): string {
  const name = text?.toLowerCase() ?? '';
  if (isIPv4(name)) return name;
  const labels = name.split('.');
  if (!labels.every((label) => LABEL.test(label)) || NUMBER.test(labels.at(-1) ?? '')) throw bad();
  return name;
}

/** One address has many spellings; a zone is of this machine alone. */
function readV6(text: string): string {
  if (!isIPv6(text)) throw bad();
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** `https://host:port`, without the port that is usual. */
export const originOf = ({ scheme, to }: { readonly scheme: 'http' | 'https'; readonly to: HostPort }): string =>
  `${scheme}://${writeHost(to.host)}${to.port === (scheme === 'https' ? 443 : 80) ? '' : `:${to.port}`}`;

/** As an authority has it. */
export const writeHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);
