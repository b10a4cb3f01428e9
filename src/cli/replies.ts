// What the control API answers, as far as the command line reads it. A newer server may say more; `--json` prints all of it.
import * as z from 'zod';
import { EFFECTS, OUTPUTS, ROLES } from '../domain/manifest.ts';
import { STANDINGS } from '../pdp/tool-manifest.ts';
import { WORLD } from '../control/world-view.ts';
import { LEVELS } from '../domain/access.ts';
import type { JsonObject } from '../domain/json.ts';
import { RESOURCE_KINDS } from '../domain/registry.ts';
import { AGENT_REPLIES, delegated, risk } from './replies-agents.ts';
import { ANALYSIS_REPLIES } from './replies-analysis.ts';
import { DELEGATION_REPLIES } from './replies-delegation.ts';
import { FEDERATION_REPLIES } from './replies-federation.ts';
import { GRANT_REPLIES } from './replies-grants.ts';
import { OPERATOR_REPLIES } from './replies-operators.ts';
import { CONTAINED, OBSERVED } from './replies-observed.ts';

const level = z.enum(LEVELS);

const clause = z.object({
  policy: z.string(),
  clause: z.string(),
  state: z.enum(['held', 'failed', 'not_reached', 'error']),
  observed: z.string().optional(),
});

/** Taken as it is: a reader that rebuilds it could leave a member out (`__proto__`). */
const definition = z.custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
const annotations = z.record(z.string(), z.string());

const explanation = z.object({
  determining: z.array(
    z.object({
      policy: z.string(),
      effect: z.enum(['permit', 'forbid']),
      source: z.string().optional(),
      annotations,
      clauses: z.array(clause),
    }),
  ),
  nearest: z.array(
    z.object({
      policy: z.string(),
      held: z.number(),
      total: z.number(),
      failedClause: z.string(),
      observed: z.string().optional(),
      clauses: z.array(clause),
      source: z.string().optional(),
      annotations,
    }),
  ),
});

const gates = z.record(z.string(), z.object({ verdict: z.string(), determining: z.array(z.string()) }));

const engineErrors = z.array(z.object({ policy: z.string(), message: z.string() }));

const record = z.object({
  id: z.string(),
  ts: z.string(),
  mode: z.string(),
  verdict: z.string(),
  code: z.string().optional(),
  reason: z.string().optional(),
  pep: z.object({ id: z.string() }),
  principal: z.string().optional(),
  on_behalf_of: z.string().optional(),
  chain: z.array(z.object({ sub: z.string() })).optional(),
  txn: z.string().optional(),
  mandate: z.object({ digest: z.string() }).optional(),
  claimed: z.string().optional(),
  action: z.string(),
  resource: z.string(),
  segment: z.object({ src: z.string().optional(), dst: z.string().optional() }).optional(),
  args: z.object({ digest: z.string() }).optional(),
  risk: risk.extend({ raised: z.record(z.string(), z.number()).optional() }).optional(),
  enforced_by: z.string().optional(),
  body: z.string().optional(),
  gate: z.string().optional(),
  gates: gates.optional(),
  policy: z.object({ version: z.number(), bundle_hash: z.string().optional(), determining: z.array(z.string()) }),
  errors: engineErrors.optional(),
  level: z.string().optional(),
  grants_used: z.array(z.string()).optional(),
  shadow: z
    .object({
      verdict: z.string(),
      code: z.string().optional(),
      policy: z.object({ version: z.number(), determining: z.array(z.string()) }),
    })
    .optional(),
});

const decision = z.object({
  verdict: z.string(),
  code: z.string().optional(),
  gate: z.string().optional(),
  gates: gates.optional(),
  reason: z.string().optional(),
  errors: engineErrors,
  determining: z.array(z.string()),
  policyVersion: z.number(),
  shadow: z
    .object({ verdict: z.string(), code: z.string().optional(), determining: z.array(z.string()), policyVersion: z.number() })
    .optional(),
});

const trouble = z.object({ code: z.string(), message: z.string(), fix: z.string() });

const version = z.object({
  version: z.number(),
  hash: z.string(),
  policies: z.number(),
  since: z.number().optional(),
  act: z.string().optional(),
  actor: z.string().optional(),
  note: z.string().optional(),
  error: trouble.optional(),
});

const change = z.object({
  seq: z.number(),
  act: z.string(),
  version: z.number(),
  enforced: z.number(),
  candidate: z.number().optional(),
  at: z.number(),
  actor: z.string(),
  note: z.string().optional(),
  record: z.object({ log: z.string(), seq: z.number() }),
});

const impact = z.object({
  from: z.number(),
  to: z.number(),
  since: z.number(),
  decisions: z.number(),
  complete: z.boolean(),
  counts: z.object({
    allowToDeny: z.number(),
    denyToAllow: z.number(),
    unchanged: z.number(),
    notEvaluable: z.number(),
    skipped: z.number(),
  }),
  changes: z.array(
    z.object({
      change: z.enum(['allow>deny', 'deny>allow']),
      agent: z.string(),
      action: z.string(),
      resource: z.string(),
      segment: z.string().optional(),
      policies: z.array(z.string()),
      count: z.number(),
      example: z.string(),
    }),
  ),
});

const tests = z.object({
  passed: z.number(),
  failed: z.number(),
  failures: z.array(
    z.object({
      name: z.string(),
      source: z.string(),
      expected: z.string(),
      observed: z.string(),
      misspelt: z.string().optional(),
      meant: z.string().optional(),
    }),
  ),
});

const key = z.object({
  use: z.enum(['root', 'intermediate', 'jwt', 'sts']),
  id: z.string(),
  stage: z.enum(['prepared', 'active', 'old']),
  since: z.number(),
  notBefore: z.number().optional(),
  notAfter: z.number().optional(),
  next: z.object({ step: z.string(), from: z.number() }).optional(),
});

export const REPLIES = {
  status: z.object({
    trustDomain: z.string(),
    version: z.string(),
    ready: z.boolean(),
    startedAt: z.number(),
    gateway: z.object({ url: z.string(), connections: z.number(), openCalls: z.number() }),
    snapshot: z.object({ version: z.number(), ageMs: z.number() }),
    policies: z.object({
      state: z.string(),
      version: z.number(),
      count: z.number(),
      error: z.object({ code: z.string(), message: z.string(), fix: z.string() }).optional(),
    }),
    agents: z.record(level, z.number()),
    workers: z
      .array(z.object({ pep: z.string(), pid: z.number(), connections: z.number(), openCalls: z.number(), policies: z.number() }))
      .optional(),
    upstreams: z.array(
      z.object({ name: z.string(), circuit: z.enum(['closed', 'open', 'half-open']), inFlight: z.number(), most: z.number() }),
    ),
    resources: z.array(
      z.object({
        resource: z.string(),
        state: z.string(),
        kind: z.enum(RESOURCE_KINDS).exactOptional(),
        tools: z.number(),
        changed: z.array(z.string()),
        error: z.string().optional(),
      }),
    ),
    log: z.object({ origin: z.string(), size: z.number() }),
    webhook: z
      .object({ receiver: z.string(), waiting: z.number(), delivered: z.number(), lost: z.number(), failing: z.string().optional() })
      .optional(),
  }),
  agents: z.object({
    items: z.array(
      z.object({
        name: z.string(),
        segment: z.string(),
        owner: z.string(),
        purpose: z.string(),
        level,
        runs: z.array(z.object({ id: z.string(), notAfter: z.number() })),
        connections: z.number(),
      }),
    ),
  }),
  whois: z.object({
    asked: z.string(),
    as: z.string(),
    kind: z.string().optional(),
    name: z.string().optional(),
    run: z.string().optional(),
    spiffeId: z.string().optional(),
    segment: z.string().optional(),
    level: z.string().optional(),
    owner: z.string().optional(),
    notAfter: z.number().optional(),
    live: z.boolean(),
  }),
  decisions: z.object({ items: z.array(record.extend({ seq: z.number() })) }),
  why: z.object({
    record,
    seq: z.number(),
    explanation: explanation.optional(),
    explained_with: z.number().optional(),
  }),
  can: z.object({ allowed: z.boolean(), decision, explanation: explanation.optional() }),
  level: z.object({
    agent: z.string(),
    before: level,
    level,
    status: z.enum([...CONTAINED, 'released']),
    delegated: z.object({ before: delegated, dead: z.number() }),
    ...OBSERVED,
  }),
  doctor: z.object({
    checks: z.array(
      z.object({
        category: z.string(),
        name: z.string(),
        ok: z.boolean(),
        detail: z.string(),
        fix: z.string().optional(),
      }),
    ),
  }),
  world: WORLD,
  policies: z.object({
    enforced: version.optional(),
    candidate: version.extend({ seen: z.number(), wouldDeny: z.number(), wouldAllow: z.number() }).optional(),
    error: trouble.optional(),
    directory: z.object({ path: z.string(), version: z.number().optional(), error: trouble.optional() }),
  }),
  history: z.object({ items: z.array(z.union([change, z.object({ error: trouble })])) }),
  impact: impact.extend({ unaccepted: z.array(z.string()) }),
  rollout: z.object({
    status: z.enum(['enforced', 'candidate', 'withdrawn', 'unchanged', 'not_accepted', 'tests_failed']),
    version: z.number(),
    hash: z.string(),
    policies: z.number(),
    before: z.number().optional(),
    impact: impact.optional(),
    unaccepted: z.array(z.string()).optional(),
    tests: tests.optional(),
  }),
  ca: z.object({
    trustDomain: z.string(),
    now: z.number(),
    sequence: z.number(),
    keys: z.array(key),
    bundle: z.string(),
    interception: z.string().exactOptional(),
  }),
  rotation: z.object({ status: z.enum(['done', 'unchanged', 'too_early']), from: z.number().optional(), keys: z.array(key) }),
  toolReview: z.object({
    resource: z.string(),
    digest: z.string(),
    tools: z.array(z.string()),
    changes: z.array(
      z.object({
        name: z.string(),
        change: z.enum(['added', 'changed', 'removed']),
        digest: z.string(),
        pinned: definition.nullable(),
        offered: definition.nullable(),
      }),
    ),
  }),
  manifests: z.object({
    resource: z.string(),
    tools: z.array(
      z.object({
        name: z.string(),
        definition: z.string(),
        standing: z.enum(STANDINGS),
        effect: z.enum(EFFECTS),
        output: z.enum(OUTPUTS),
        arguments: z.array(z.object({ name: z.string(), role: z.enum(ROLES), drafted: z.enum(ROLES) })),
      }),
    ),
    unknown: z.array(z.string()),
  }),
  pin: z.object({ resource: z.string(), accepted: z.array(z.string()) }),
  run: z.object({ run: z.string(), token: z.string(), identity_url: z.string(), bundle: z.string() }),
  /** `socket`: null where there can be none. */
  socket: z.object({ run: z.string(), socket: z.string().nullable() }),
  ended: z.object({ run: z.string(), ended: z.boolean() }),
  ...AGENT_REPLIES,
  ...ANALYSIS_REPLIES,
  ...OPERATOR_REPLIES,
  ...GRANT_REPLIES,
  ...FEDERATION_REPLIES,
  ...DELEGATION_REPLIES,
} as const;

export type ReplyName = keyof typeof REPLIES;
export type ReplyOf<N extends ReplyName> = z.infer<(typeof REPLIES)[N]>;
export type DecisionRecord = ReplyOf<'why'>['record'];
export type Explanation = NonNullable<ReplyOf<'why'>['explanation']>;
