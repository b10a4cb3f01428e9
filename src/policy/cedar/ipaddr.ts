// Cedar's `ipaddr`: an IPv4 or IPv6 address, or a network of them in CIDR notation. A single address is the network of itself.
import { EvaluationError } from './evaluation-error.ts';
import { Extension } from './value.ts';

const GROUPS = 8;

interface Family {
  readonly bits: number;
  /** Every address of it is a loopback, or multicast, one. */
  readonly loopback: Network;
  readonly multicast: Network;
}

interface Network {
  readonly address: bigint;
  readonly prefix: number;
}

const V4: Family = { bits: 32, loopback: { address: 127n << 24n, prefix: 8 }, multicast: { address: 224n << 24n, prefix: 4 } };
const V6: Family = { bits: 128, loopback: { address: 1n, prefix: 128 }, multicast: { address: 0xffn << 120n, prefix: 8 } };

export class IpAddr extends Extension {
  override readonly name = 'ip';
  readonly address: bigint;
  /** Leading bits that all addresses of the network share. */
  readonly prefix: number;
  readonly #family: Family;

  private constructor(family: Family, address: bigint, prefix: number) {
    super();
    this.#family = family;
    this.address = address;
    this.prefix = prefix;
  }

  /** `10.0.0.1`, `10.0.0.0/8`, `::1`, `ff00::/8`; an IPv4 address inside an IPv6 one is not read. attacker-controlled. @throws EvaluationError extension */
  static parse(text: string): IpAddr {
    const [address = '', prefix, ...more] = text.split('/');
    const family = address.includes(':') ? V6 : V4;
    const [bits, length] = [family === V4 ? v4(address) : v6(address), prefix === undefined ? family.bits : decimal(prefix, family.bits)];
    if (bits === undefined || length === undefined || more.length > 0) throw new EvaluationError('extension', 'the text is no IP address');
    return new IpAddr(family, bits, length);
  }

  /** As people write it: `10.0.0.1`, `10.0.0.0/8`, `2001:db8::1` (RFC 5952). */
  override get key(): string {
    const { bits } = this.#family;
    const address = this.isIpv4() ? groupsOf(this.address, bits, 8).join('.') : compressed(groupsOf(this.address, bits, 16));
    return this.prefix === bits ? address : `${address}/${this.prefix}`;
  }

  isIpv4(): boolean {
    return this.#family === V4;
  }

  isIpv6(): boolean {
    return this.#family === V6;
  }

  isLoopback(): boolean {
    return this.#within(this.#family.loopback);
  }

  isMulticast(): boolean {
    return this.#within(this.#family.multicast);
  }

  /** Is every address of this network in `other`? Never across families. */
  isInRange(other: IpAddr): boolean {
    return this.#family === other.#family && this.#within(other);
  }

  #within({ address, prefix }: Network): boolean {
    const rest = BigInt(this.#family.bits - prefix);
    return this.prefix >= prefix && this.address >> rest === address >> rest;
  }
}

/** Without leading zeros. */
function decimal(text: string, max: number): number | undefined {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= max ? Number(text) : undefined;
}

function v4(text: string): bigint | undefined {
  const bytes = text.split('.').map((byte) => decimal(byte, 255));
  return bytes.length === 4 ? joined(bytes, 8n) : undefined;
}

/** `::` stands, once, for one or more groups that are zero. */
function v6(text: string): bigint | undefined {
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) return undefined;
  const [before, after] = [groupsIn(head), groupsIn(tail ?? '')];
  const missing = GROUPS - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return joined([...before, ...Array.from({ length: missing }, () => 0), ...after], 16n);
}

const groupsIn = (text: string): readonly (number | undefined)[] =>
  text === '' ? [] : text.split(':').map((group) => (/^[\da-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : undefined));

function joined(groups: readonly (number | undefined)[], width: bigint): bigint | undefined {
  return groups.reduce<bigint | undefined>(
    (sum, group) => (sum === undefined || group === undefined ? undefined : (sum << width) | BigInt(group)),
    0n,
  );
}

const groupsOf = (address: bigint, bits: number, width: number): readonly number[] =>
  Array.from({ length: bits / width }, (_, at) => Number(BigInt.asUintN(width, address >> BigInt(bits - width * (at + 1)))));

/** RFC 5952 §4.2: the first of the longest runs of two and more zero groups is `::`. */
function compressed(groups: readonly number[]): string {
  const text = groups.map((group) => group.toString(16)).join(':');
  const [longest] = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].toSorted((a, b) => b[0].length - a[0].length);
  if (longest === undefined) return text;
  return `${text.slice(0, longest.index)}::${text.slice(longest.index + longest[0].length).replace(':', '')}`;
}
