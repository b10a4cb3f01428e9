// Replies of the Workload API, from PEM and JSON. Standard: SPIFFE Workload API §5–6.
import { isJsonArray, isJsonObject, writeJson, type Json, type JsonObject } from '../../domain/json.ts';
import { parseWorkload, type SpiffeId } from '../../domain/spiffe-id.ts';
import type { Bundles, DomainBundle, RunSvid } from './ports.ts';

export interface X509SvidReply {
  readonly svids: readonly {
    readonly spiffe_id: string;
    readonly x509_svid: Uint8Array;
    readonly x509_svid_key: Uint8Array;
    readonly bundle: Uint8Array;
    readonly hint: string;
  }[];
  readonly crl: readonly Uint8Array[];
  readonly federated_bundles: Readonly<Record<string, Uint8Array>>;
}

/** `crl`: empty, SVIDs live for minutes. */
export interface X509BundlesReply {
  readonly crl: readonly Uint8Array[];
  readonly bundles: Readonly<Record<string, Uint8Array>>;
}

export interface JwtBundlesReply {
  readonly bundles: Readonly<Record<string, Uint8Array>>;
}

export interface JwtSvidReply {
  readonly svids: readonly { readonly spiffe_id: string; readonly svid: string; readonly hint: string }[];
}

export interface ValidateReply {
  readonly spiffe_id: string;
  readonly claims: Struct;
}

/** Certificates or a key in PEM, one after another → their DER, one after another. */
export const derOf = (pem: string): Uint8Array =>
  Buffer.concat(
    pem
      .split(/-----(?:BEGIN|END) [A-Z ]+-----/)
      .filter((_, at) => at % 2 === 1)
      .map((base64) => Buffer.from(base64, 'base64')),
  );

/** `spiffe://<trust domain>`: the keys of every map of bundles. */
const domainId = (domain: string): string => `spiffe://${domain}`;

/** Tells identities of one process apart, and stays the same from run to run. */
function hintOf(id: SpiffeId): string {
  const { kind, name } = parseWorkload(id);
  return `${kind}/${name}`;
}

type ByDomain = Readonly<Record<string, Uint8Array>>;

const federatedOf = ({ federated }: Bundles, form: (bundle: DomainBundle) => Uint8Array): ByDomain =>
  Object.fromEntries([...federated()].map(([domain, bundle]) => [domainId(domain), form(bundle)]));

const allOf = (bundles: Bundles, domain: string, form: (bundle: DomainBundle) => Uint8Array): ByDomain => ({
  ...federatedOf(bundles, form),
  [domainId(domain)]: form(bundles.own()),
});

const x509Of = ({ x509 }: DomainBundle): Uint8Array => derOf(x509);
const jwksOf = ({ jwks }: DomainBundle): Uint8Array => Buffer.from(writeJson(jwks));

export const x509SvidReply = (svids: readonly RunSvid[], bundles: Bundles): X509SvidReply => ({
  svids: svids.map(({ svid, privateKey }) => ({
    spiffe_id: svid.id,
    x509_svid: derOf(svid.chain),
    x509_svid_key: derOf(privateKey),
    bundle: x509Of(bundles.own()),
    hint: hintOf(svid.id),
  })),
  crl: [],
  federated_bundles: federatedOf(bundles, x509Of),
});

/** `domain`: the own trust domain. */
export const x509BundlesReply = (bundles: Bundles, domain: string): X509BundlesReply => ({
  crl: [],
  bundles: allOf(bundles, domain, x509Of),
});

export const jwtBundlesReply = (bundles: Bundles, domain: string): JwtBundlesReply => ({ bundles: allOf(bundles, domain, jwksOf) });

export const jwtSvidReply = (svids: readonly { readonly id: SpiffeId; readonly token: string }[]): JwtSvidReply => ({
  svids: svids.map(({ id, token }) => ({ spiffe_id: id, svid: token, hint: hintOf(id) })),
});

/** google.protobuf.Struct. */
export interface Struct {
  readonly fields: Readonly<Record<string, Value>>;
}

type Value =
  | { readonly null_value: 'NULL_VALUE' }
  | { readonly number_value: number }
  | { readonly string_value: string }
  | { readonly bool_value: boolean }
  | { readonly struct_value: Struct }
  | { readonly list_value: { readonly values: readonly Value[] } };

export const structOf = (json: JsonObject): Struct => ({
  fields: Object.fromEntries(Object.entries(json).map(([name, value]) => [name, valueOf(value)])),
});

function valueOf(json: Json): Value {
  if (json === null) return { null_value: 'NULL_VALUE' };
  if (typeof json === 'string') return { string_value: json };
  if (typeof json === 'boolean') return { bool_value: json };
  if (isJsonArray(json)) return { list_value: { values: json.map(valueOf) } };
  if (isJsonObject(json)) return { struct_value: structOf(json) };
  return { number_value: Number(json) }; // the message has no integers
}
