// What the control API answers about who is registered and attested, as far as the command line reads it.
import * as z from 'zod';
import { LEVELS } from '../domain/access.ts';

const names = z.array(z.string());
const parts = z.record(z.string(), z.string());
const source = z.enum(['config', 'api']);

const entry = z.object({
  id: z.string(),
  selectors: names,
  ttl: z.number().optional(),
  composition: parts,
  source,
  created_by: z.string(),
  created_at: z.number().optional(),
});

const posture = z.object({
  attestor: z.string(),
  entry: z.string().optional(),
  selectors: names,
  composition: parts,
  expected: parts.optional(),
  drift: names,
});

/** Points by cause, and what they come to. */
export const risk = z.object({ value: z.number(), causes: z.record(z.string(), z.number()) });
const run = z.object({ id: z.string(), notAfter: z.number(), risk: risk.optional(), posture: posture.optional() });

/** Task tokens that live and came through an agent; `complete`: there are no others. */
export const delegated = z.object({ tokens: z.number(), tasks: z.number(), agents: names, complete: z.boolean() });

export const AGENT_REPLIES = {
  agent: z.object({
    name: z.string(),
    spiffe_id: z.string(),
    segment: z.string(),
    owner: z.string(),
    purpose: z.string(),
    level: z.enum(LEVELS),
    source,
    created_by: z.string(),
    connections: z.number(),
    entries: z.array(entry),
    runs: z.array(run),
    waiting: z.array(z.object({ id: z.string(), started_at: z.number() })),
    delegated,
  }),
  registration: z.object({
    kind: z.enum(['agent', 'resource']),
    name: z.string(),
    added: z.object({ agent: z.boolean(), entry: z.boolean() }),
    entry: entry.optional(),
  }),
  removal: z.object({
    agent: z.string(),
    removed: z.boolean(),
    entries: z.array(entry),
    runs: z.array(run),
    connections: z.number(),
    loses: z.array(z.object({ action: z.string(), resource: z.string(), access: z.string() })),
  }),
  entryRemoval: z.object({ name: z.string(), entry, runs: names }),
  agentToken: z.object({ id: z.string(), token: z.string(), expires_at: z.number(), identity_url: z.string(), bundle: z.string() }),
  posture: posture.extend({ run: z.string() }),
} as const;
