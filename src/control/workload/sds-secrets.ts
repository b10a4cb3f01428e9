// What Envoy's secret discovery can ask for, by name: SVIDs with their keys, and what validates the peers of a trust domain.
import { sha256Hex } from '../../crypto/hash.ts';
import { writeJson } from '../../domain/json.ts';
import type { Held } from './credentials.ts';
import type { Bundles, DomainBundle } from './ports.ts';
import { SECRET, SPIFFE_VALIDATOR } from './sds-descriptor.ts';

/** The first SVID, the bundle of the own domain, and that of every domain. */
const DEFAULT = 'default';
const ROOT_CA = 'ROOTCA';
const ALL = 'ALL';

export interface Secret {
  /** Equal for equal contents. */
  readonly version: string;
  /** google.protobuf.Any of an Envoy `Secret`. */
  readonly resource: { readonly '@type': string; readonly name: string; readonly [member: string]: unknown };
}

/** Every secret by its name; made again whenever one of them is another one. */
export function secretsOf(held: readonly Held[], bundles: Bundles, trustDomain: string): ReadonlyMap<string, Secret> {
  const own = bundles.own();
  const domains: readonly (readonly [string, DomainBundle])[] = [[trustDomain, own], ...bundles.federated()];
  const [first] = held;
  const secrets = [
    ...(first === undefined ? [] : [certificateSecret(DEFAULT, first)]),
    ...held.map((each) => certificateSecret(each.svid.id, each)),
    secret(ROOT_CA, sha256Hex(own.x509), { validation_context: { trusted_ca: inline(own.x509) } }),
    validationSecret(ALL, domains),
    ...domains.map((domain) => validationSecret(`spiffe://${domain[0]}`, [domain])),
  ];
  return new Map(secrets);
}

type Named = readonly [name: string, secret: Secret];

const secret = (name: string, version: string, members: object): Named => [
  name,
  { version, resource: { '@type': SECRET, name, ...members } },
];

const inline = (pem: string): object => ({ inline_bytes: Buffer.from(pem) });

const certificateSecret = (name: string, { svid, privateKey }: Held): Named =>
  secret(name, svid.serial, { tls_certificate: { certificate_chain: inline(svid.chain), private_key: inline(privateKey) } });

/** Envoy's SPIFFE validator holds a peer against the bundle of the domain that it names, so no CA speaks for another domain. */
function validationSecret(name: string, domains: readonly (readonly [string, DomainBundle])[]): Named {
  const trust_domains = domains.map(([domain, { x509 }]) => ({ name: domain, trust_bundle: inline(x509) }));
  const version = sha256Hex(writeJson(domains.map(([domain, { x509 }]) => [domain, x509])));
  return secret(name, version, {
    validation_context: {
      custom_validator_config: {
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: { '@type': SPIFFE_VALIDATOR, trust_domains },
      },
    },
  });
}
