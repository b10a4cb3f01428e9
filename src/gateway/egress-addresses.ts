// Which addresses a tunnel may lead to. A name says nothing about where it leads: whoever owns it may point it into this network (DNS
// rebinding), so the address that is connected to is the one that was looked at. Ranges: IANA IPv4 and IPv6 special-purpose address
// registries (RFC 6890): what is not globally reachable is reached only where the operator registers it.
import { BlockList, isIPv4, isIPv6 } from 'node:net';

const listOf = (family: 'ipv4' | 'ipv6', ranges: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    list.addSubnet(address, Number(bits), family);
  }
  return list;
};

const NOT_GLOBAL_V4 = listOf('ipv4', [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared, CGNAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, metadata of clouds
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relay
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
]);

/** All that is global unicast; loopback, mapped and compatible IPv4, NAT64, unique local, link-local and multicast are outside. */
const UNICAST_V6 = listOf('ipv6', ['2000::/3']);
const NOT_GLOBAL_V6 = listOf('ipv6', [
  '2001::/23', // protocol assignments: Teredo, ORCHID, benchmarking
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: carries an IPv4 address
  '3fff::/20', // documentation
]);

const isGlobal = (address: string): boolean => {
  if (isIPv4(address)) return !NOT_GLOBAL_V4.check(address, 'ipv4');
  // a zone (`fe80::1%eth0`) is never global
  if (!isIPv6(address) || address.includes('%')) return false;
  return UNICAST_V6.check(address, 'ipv6') && !NOT_GLOBAL_V6.check(address, 'ipv6');
};

/** A range of addresses, `10.0.0.0/8`. */
export interface Cidr {
  readonly address: string;
  readonly bits: number;
}

/** @returns undefined when it is none */
export function readCidr(text: string): Cidr | undefined {
  const [, address = '', digits] = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const bits = Number(digits);
  const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return digits !== undefined && bits <= most ? { address, bits } : undefined;
}

/** May this address be connected to? `besides`: what the operator registers. */
export function addressRule(besides: readonly Cidr[]): (address: string) => boolean {
  const v4 = new BlockList();
  const v6 = new BlockList();
  for (const { address, bits } of besides) {
    if (isIPv4(address)) v4.addSubnet(address, bits, 'ipv4');
    else v6.addSubnet(address, bits, 'ipv6');
  }
  const isRegistered = (address: string): boolean =>
    isIPv4(address) ? v4.check(address, 'ipv4') : isIPv6(address) && !address.includes('%') && v6.check(address, 'ipv6');
  return (address) => isGlobal(address) || isRegistered(address);
}
