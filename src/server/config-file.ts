// What may stand in `cordon.yaml`, member by member. An unknown member is an error, because a misspelt guard is no guard; a security
// setting that is left out has the default that is written here, never none.
import * as z from 'zod';
import { A2A_BINDINGS, PART_KINDS } from '../domain/registry.ts';
import { ATTEST_LIST, ATTESTATION_SECTION } from './config-attestation.ts';
import { AUTHZEN_SECTION } from './config-authzen.ts';
import { DATA_PLANES_SECTION } from './config-data-planes.ts';
import { FEDERATION_SECTION } from './config-federation.ts';
import { OPERATORS_SECTION } from './config-operators.ts';
import { TOKENS_SECTION } from './config-tokens.ts';
import { APPROVALS_SECTION } from './config-approvals.ts';
import { EGRESS_SECTION } from './config-egress.ts';
import { HTTP_SECTION } from './config-http.ts';
import { credential, duration, secret } from './config-values.ts';
import { name } from '../control/input.ts';
import { RESILIENCE, retry } from './config-resilience.ts';
import { CONTAINMENT } from './containment-rules.ts';
import { WORKLOAD_SECTION } from './config-workload.ts';

const address = z.string().regex(/^(\[[0-9a-f:]+\]|[0-9a-z.-]+):\d{1,5}$/, '`host:port`');

const upstream = z.union([
  z.strictObject({
    url: z.url({ protocol: /^https?$/ }),
    /** A server that can't do mTLS, on loopback only. */
    allowPlaintextLoopback: z.boolean().default(false),
    credential: credential.optional(),
  }),
  z.strictObject({
    stdio: z.tuple([z.string()], z.string()),
    env: z.record(z.string(), z.string()).default({}),
    /** What the server hears that callers can be asked; policy still says who is asked what. */
    asks: z.array(z.enum(['sampling', 'elicitation', 'roots'])).default([]),
  }),
]);

const listen = z.strictObject({
  gateway: address.default('127.0.0.1:8443'),
  control: address.default('127.0.0.1:8444'),
  identity: address.default('127.0.0.1:8445'),
});

/** Is a task token needed to call it? Without one an agent calls for nobody but itself, within its own rights. */
const token = z.enum(['required', 'optional']).default('optional');

const agent = z.strictObject({
  segment: name,
  owner: z.string().min(1),
  purpose: z.string().min(1),
  a2a: z.url({ protocol: /^https$/ }).optional(),
  /** A JWK Set in a file: of its keys one must have signed the agent's card. */
  cardKeys: z.string().min(1).exactOptional(),
  /** What it speaks at `a2a`. */
  binding: z.enum(A2A_BINDINGS).exactOptional(),
  /** `agent`: it refuses contexts that it did not make. */
  contexts: z.enum(['gateway', 'agent']).exactOptional(),
  /** It delivers push notifications: to the gateway's own address, or to the name that it has behind the proxy of `cordon run`. */
  push: z.enum(['direct', 'proxy']).exactOptional(),
  /** Parts of messages that pass to the decision; what policies say of text says nothing of the others. */
  parts: z.array(z.enum(PART_KINDS)).min(1).exactOptional(),
  /** It has its SVID from a federated domain, under this name. */
  spiffeId: z.string().exactOptional(),
  token,
  attest: ATTEST_LIST,
  resilience: RESILIENCE.exactOptional(),
});

const resource = z.strictObject({
  segment: name,
  /** An MCP server, an HTTP API, or hosts outside: one of them. */
  mcp: upstream.exactOptional(),
  http: HTTP_SECTION.exactOptional(),
  egress: EGRESS_SECTION.exactOptional(),
  reads: z.array(z.string()).exactOptional(),
  tags: z.record(z.string(), z.string()).default({}),
  labels: z.record(name, z.array(z.string().min(1)).min(1)).exactOptional(),
  /** A file of reviewed manifests: `cordon tools classify --out` writes it. */
  manifests: z.string().min(1).exactOptional(),
  token,
  attest: ATTEST_LIST,
  resilience: RESILIENCE.exactOptional(),
  retry,
});

const limits = z.strictObject({
  rate: z.int().min(1).max(100_000).default(500),
  burst: z.int().min(1).max(100_000).default(1000),
  concurrent: z.int().min(1).max(10_000).default(128),
  bodyBytes: z.int().min(1024).max(16_777_216).default(1_048_576),
  connections: z.int().min(1).max(20_000).exactOptional(),
  handshakes: z.int().min(1).max(20_000).default(1000),
  handshake: duration('1s', '1m').default('5s'),
  head: duration('1s', '1m').default('10s'),
  request: duration('1s', '10m').default('30s'),
  idle: duration('1s', '10m').default('60s'),
  stall: duration('1s', '10m').default('60s'),
});
export type LimitsSection = z.infer<typeof limits>;

/** A PDP elsewhere that has to allow each call too. */
const pdp = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  /** The registered workload that answers there, known by its SVID. */
  resource: name.optional(),
  /** One that can't do mTLS, on loopback only. */
  allowPlaintextLoopback: z.boolean().default(false),
  key: secret.optional(),
  timeout: duration('1s', '30s').default('2s'),
});

export const CONFIG_FILE = z.strictObject({
  trustDomain: z.string(),
  listen: listen.prefault({}),
  segments: z.record(
    name,
    z
      .strictObject({
        links: z.array(name).default([]),
        /** Calls in flight to its members together. */
        inFlight: z.int().min(1).max(1_000_000).exactOptional(),
      })
      .nullable(),
  ),
  agents: z.record(name, agent).default({}),
  resources: z.record(name, resource).default({}),
  policies: z.string().default('policies'),
  svid: z.strictObject({ ttl: duration('10s', '24h').default('15m') }).prefault({}),
  maxStaleness: duration('1s', '1h').default('60s'),
  limits: limits.prefault({}),
  /** How long calls that are open may take to end when Cordon is stopped. */
  drain: duration('0s', '10m').default('10s'),
  resilience: RESILIENCE.prefault({}),
  containment: CONTAINMENT.prefault({}),
  approvals: APPROVALS_SECTION.prefault({}),
  authzen: AUTHZEN_SECTION.prefault({}),
  attestation: ATTESTATION_SECTION.prefault({}),
  pdp: pdp.optional(),
  operators: OPERATORS_SECTION.extend({ session: duration('5m', '24h').default('8h') }).optional(),
  tokens: TOKENS_SECTION.prefault({}),
  workload: WORKLOAD_SECTION.prefault({}),
  federation: FEDERATION_SECTION.default({}),
  dataPlanes: DATA_PLANES_SECTION.default({}),
});

export type ConfigFile = z.infer<typeof CONFIG_FILE>;
export type ResourceFile = z.infer<typeof resource>;
