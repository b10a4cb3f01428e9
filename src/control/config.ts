// What `cordon.yaml` says once it was read and checked: the registry and the settings of one Cordon.
import type { Agent, Resource, Segment } from '../domain/registry.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a secret comes from; it is read once, sealed, and never shown again. */
export type SecretSource = { readonly env: string } | { readonly file: string };

export interface CredentialConfig {
  readonly header: string;
  /** `Bearer`; empty for the bare secret. */
  readonly scheme: string;
  readonly secret: SecretSource;
}

export type UpstreamConfig = HttpUpstreamConfig | StdioUpstreamConfig;

export interface HttpUpstreamConfig {
  readonly kind: 'http';
  readonly url: URL;
  /** A registered server on loopback that can't do mTLS. */
  readonly plaintext: boolean;
  readonly credential?: CredentialConfig;
}

export interface StdioUpstreamConfig {
  readonly kind: 'stdio';
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

export interface ResourceConfig extends Resource {
  readonly upstream: UpstreamConfig;
}

/** What one run may take of the gateway. */
export interface Limits {
  /** Calls a second, averaged. */
  readonly rate: number;
  /** Calls at once above the average. */
  readonly burst: number;
  /** Calls that have not ended. */
  readonly concurrent: number;
  readonly bodyBytes: number;
}

/** The PDP of an application: what it is read from. */
export interface AuthzenStoreConfig {
  readonly name: string;
  /** Directory of `*.cedar` files. */
  readonly policies: string;
  readonly schema: string;
  readonly entities: string;
  readonly obligations?: string;
}

/** A PEP that is not one of Cordon's own: known by the SVID of a workload, or by a key. */
export interface AuthzenPepConfig {
  readonly name: string;
  readonly workload?: { readonly kind: 'agent' | 'resource'; readonly name: string };
  /** Digest of the key: `sha256:` and 64 hex digits, lower case. */
  readonly key?: string;
  /** Stores that it may ask. */
  readonly stores: readonly string[];
  /** Agents for which it may ask about Cordon's own world. */
  readonly agents: readonly string[];
}

export interface AuthzenConfig {
  readonly stores: readonly AuthzenStoreConfig[];
  readonly peps: readonly AuthzenPepConfig[];
}

/** A PDP elsewhere that has to allow each call too, asked over AuthZEN. */
export interface RemotePdpConfig {
  /** Its base: the evaluation endpoint is `access/v1/evaluation` below it. */
  readonly url: URL;
  /** The workload that must answer; undefined: plain http on a loopback address. */
  readonly resource: string | undefined;
  /** Sent as `Authorization: Bearer`. */
  readonly key?: SecretSource;
  /** For one evaluation. Milliseconds. */
  readonly timeoutMs: number;
}

export interface Config {
  /** Directory that relative paths in the file start from. */
  readonly base: string;
  readonly trustDomain: TrustDomain;
  readonly listen: { readonly gateway: Address; readonly control: Address; readonly identity: Address };
  readonly segments: readonly Segment[];
  readonly agents: readonly Agent[];
  readonly resources: readonly ResourceConfig[];
  /** Directory of `*.cedar` files. */
  readonly policies: string;
  /** Lifetime of an SVID. Milliseconds. */
  readonly svidTtl: number;
  /** A gateway does not decide with a snapshot older than this. Milliseconds. */
  readonly maxStaleness: number;
  readonly limits: Limits;
  readonly authzen: AuthzenConfig;
  readonly pdp: RemotePdpConfig | undefined;
}
