// What `cordon.yaml` says once it was read and checked: the registry and the settings of one Cordon.
import type { ContainmentRule } from './containment-rules.ts';
import type { HttpRoute } from '../domain/http-route.ts';
import type { Agent, Resource, Segment } from '../domain/registry.ts';
import type { PlaneProtocol } from '../domain/data-plane.ts';
import type { TwoPersonRule } from '../domain/operators.ts';
import type { SpiffeId, TrustDomain } from '../domain/spiffe-id.ts';
import type { RegistrationEntry } from '../identity/registration.ts';
import type { Person } from './operators/directory.ts';
import type { ProviderConfig } from './operators/provider.ts';

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

export type UpstreamConfig = HttpUpstreamConfig | StdioUpstreamConfig | ApiUpstreamConfig | EgressUpstreamConfig;

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
  /** What the server hears that callers can be asked. */
  readonly asks: readonly string[];
}

/** An HTTP API. */
export interface ApiUpstreamConfig {
  readonly kind: 'api';
  /** Its origin, and what stands before each path. */
  readonly url: URL;
  /** Who must answer: the workload of this name by its SVID, or whoever has a certificate for the host; plain http on loopback. */
  readonly server: 'spiffe' | 'web' | 'plaintext';
  /** A PEM file: the private authority behind the certificate of a `web` server. */
  readonly ca?: string;
  readonly credential?: CredentialConfig;
  readonly headers: readonly string[];
  readonly routes: readonly HttpRoute[];
  /** An OpenAPI document with more of them. */
  readonly openapi?: string;
  /** Operations of that document that are left out, and why. */
  readonly unusable: readonly { readonly operation: string; readonly why: string }[];
  /** Of one answer that is no event stream. */
  readonly replyBytes: number;
}

/** Hosts outside. */
export interface EgressUpstreamConfig {
  readonly kind: 'egress';
  /** `below`: the names below it. */
  readonly hosts: readonly { readonly host: string; readonly port: number; readonly below: boolean }[];
  /** Ranges that are not of the public internet and may be reached. */
  readonly addresses: readonly { readonly address: string; readonly bits: number }[];
  readonly tunnel: 'tls' | 'any';
  /** The gateway ends TLS as these hosts and reads what is said inside. */
  readonly intercept: boolean;
  /** A PEM file: the private authority behind their certificates. */
  readonly ca?: string;
  readonly headers: readonly string[];
  readonly credential?: CredentialConfig;
  /** Of a tunnel. Milliseconds. */
  readonly bounds: { readonly idle: number; readonly total: number };
  readonly replyBytes: number;
}

export interface ResourceConfig extends Resource {
  /** Does the operator say what only reads? Otherwise the methods of its routes do. */
  readonly readsGiven: boolean;
  /** Reviewed manifests of its tools; from the directory of `cordon.yaml`. */
  readonly manifestsFile?: string;
  readonly upstream: UpstreamConfig;
}

/** How one callee is dealt with when it is in trouble. Times in milliseconds. */
export interface Resilience {
  readonly connectMs: number;
  /** From a request until its answer begins. */
  readonly answerMs: number;
  /** Between two parts of an answer that is no event stream. */
  readonly idleMs: number;
  /** Calls at once, whoever makes them. */
  readonly inFlight: number;
  /** Failures in a row that open its circuit. */
  readonly failures: number;
  /** Until the first try afterwards. */
  readonly tryAgainMs: number;
  /** Tools that the operator lets be called again when no answer came. */
  readonly retry: readonly string[];
}

export interface ResilienceConfig {
  /** Calls at once to the members of a segment together. */
  readonly segments: ReadonlyMap<string, number>;
  readonly agents: ReadonlyMap<string, Resilience>;
  readonly resources: ReadonlyMap<string, Resilience>;
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
  /** Connections at once. */
  readonly connections: number;
  /** Connections of anybody that have not shown who they are. */
  readonly handshakes: number;
  /** How long each may take, milliseconds: a handshake, the head of a request, a request whole. */
  readonly handshakeMs: number;
  readonly headMs: number;
  readonly requestMs: number;
  /** A connection between two requests, and an answer of which the caller reads nothing. Milliseconds. */
  readonly idleMs: number;
  readonly stallMs: number;
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

/** Where the public keys of an issuer come from: a JWK Set in a file or behind a URL; undefined: its own OpenID Connect discovery. */
export type KeySource = { readonly file: string } | { readonly url: URL };

/** An OpenID Connect issuer of the users' tokens, or an authorization server whose identity assertions (ID-JAG) are accepted. */
export interface TokenIssuerConfig {
  /** Stands before the names of its users: `corp/alice`. */
  readonly name: string;
  /** Compared byte for byte with `iss`. */
  readonly issuer: string;
  readonly keys: KeySource | undefined;
  /** It is asked for its keys in plain http, on loopback. */
  readonly plaintext: boolean;
  /** A PEM file: the private authority behind its TLS certificate. */
  readonly ca?: string;
  /** Its users are called by the bare name of their claim. */
  readonly default: boolean;
  /** The claim that names the user. */
  readonly userClaim: string;
  /** The claim that lists the user's groups. */
  readonly groupsClaim: string | undefined;
}

export interface UserIssuerConfig extends TokenIssuerConfig {
  /** What its tokens must be for. */
  readonly audience: string;
}

/** An agent as an authorization server of another domain knows it. */
export interface TokenClientConfig {
  /** Issuer of the authorization server. */
  readonly server: string;
  readonly agent: string;
  /** Its `client_id` there. */
  readonly id: string;
}

/** The token service. */
export interface TokensConfig {
  /** Life of a task token. Milliseconds. */
  readonly ttl: number;
  /** Agents between a user and the one that calls, that one included. */
  readonly maxDepth: number;
  readonly users: readonly UserIssuerConfig[];
  readonly trust: readonly TokenIssuerConfig[];
  /** Only to these is an agent introduced (ID-JAG). */
  readonly clients: readonly TokenClientConfig[];
}

/** An issuer, and where its keys are; undefined: where its own discovery document says. */
export interface KeyOwner {
  /** Compared byte for byte. */
  readonly issuer: string;
  readonly keys: KeySource | undefined;
  /** Plain http, on a loopback address only. */
  readonly plaintext?: boolean;
  /** Of a private authority that signed its TLS certificate; a PEM file. */
  readonly ca?: string;
}

/** An issuer whose tokens show who a workload is: a Kubernetes cluster, a CI service. */
export interface WorkloadIssuerConfig extends KeyOwner {
  readonly name: string;
  /** The one audience of its tokens. */
  readonly audience: string;
}

/** What a workload has to show before it is given an identity. */
export interface AttestationConfig {
  readonly issuers: readonly WorkloadIssuerConfig[];
  readonly entries: readonly RegistrationEntry[];
}

/** Who administers, besides the operator of this machine. */
export interface OperatorsConfig {
  /** Where people sign in; undefined: nobody is to. */
  readonly signIn: SignInConfig | undefined;
  readonly people: readonly Person[];
  /** Orders that wait for a second person. */
  readonly twoPersons: readonly TwoPersonRule[];
  /** Who may break the glass. */
  readonly breakGlass: readonly string[];
  /** For how long somebody is signed in. Milliseconds. */
  readonly session: number;
}

export interface SignInConfig {
  readonly listen: Address;
  /** Of the pages, as browsers see them. */
  readonly origin: URL;
  readonly oidc?: Omit<ProviderConfig, 'clientSecret'> & { readonly clientSecret?: SecretSource };
}

/** A trust domain whose SVIDs are believed, and where its bundle is fetched (SPIFFE Federation §5). */
export interface FederatedDomainConfig {
  readonly trustDomain: TrustDomain;
  readonly url: URL;
  /** Who must answer there; undefined: a server of the Web PKI (`https_web`). */
  readonly endpointId?: SpiffeId;
  /** A PEM file: the private authority behind the certificate of a `https_web` endpoint. */
  readonly ca?: string;
  /** A file with the first bundle. */
  readonly bundle?: string;
  /** A bundle that could not be refreshed for so long is believed no more. Milliseconds. */
  readonly maxAge: number;
}

export interface FederationConfig {
  readonly domains: readonly FederatedDomainConfig[];
  /** Local agents by the SPIFFE ID, without run, that they have in another domain. */
  readonly agents: ReadonlyMap<SpiffeId, string>;
}

/** The sockets of the SPIFFE Workload API. */
export interface WorkloadConfig {
  /** For processes that `cordon run` did not start. `mode`: of its file. */
  readonly socket?: { readonly path: string; readonly mode: number };
  /** Directory of the sockets of runs, where it is not in the data directory. */
  readonly runs?: string;
}

/** Who may ask: whoever the system lets connect to a unix socket, or a resource that shows its SVID. */
export type PlaneDoorConfig =
  | { readonly kind: 'socket'; readonly path: string; readonly mode: number; readonly uids?: readonly number[] }
  | { readonly kind: 'mtls'; readonly address: Address; readonly workload: string };

/** What a data plane that is not ours may ask about one callee, and is handed for it. */
export interface PlaneRouteConfig {
  readonly headersOnly: boolean;
  readonly credential: boolean;
  readonly txnToken: boolean;
}

/** A data plane that is not ours and asks before it forwards. */
export interface DataPlaneConfig {
  readonly name: string;
  readonly protocol: PlaneProtocol;
  /** `https://host:port` that agents call. */
  readonly url: string;
  readonly door: PlaneDoorConfig;
  /** By `mcp/ledger`, `a2a/clerk`. */
  readonly routes: ReadonlyMap<string, PlaneRouteConfig>;
}

/** Whoever is told that a person is asked for approval. */
export interface ApprovalWebhookConfig {
  /** https, or http on loopback. */
  readonly url: URL;
  /** What is sent is signed with it. */
  readonly key: SecretSource;
  /** A PEM file: the private authority behind its certificate. */
  readonly ca?: string;
  readonly timeoutMs: number;
  /** Values of arguments are told too. */
  readonly values: boolean;
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
  /** How long open calls may take to end when Cordon is stopped. */
  readonly drainMs: number;
  readonly resilience: ResilienceConfig;
  readonly authzen: AuthzenConfig;
  readonly attestation: AttestationConfig;
  readonly operators: OperatorsConfig;
  readonly pdp: RemotePdpConfig | undefined;
  readonly tokens: TokensConfig;
  readonly workload: WorkloadConfig;
  readonly federation: FederationConfig;
  readonly dataPlanes: readonly DataPlaneConfig[];
  readonly containmentRules: readonly ContainmentRule[];
  readonly approvals: { readonly webhook?: ApprovalWebhookConfig };
}
