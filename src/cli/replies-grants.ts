// What the control API answers about grants, as far as the command line reads it.
import * as z from 'zod';
import type { Json } from '../domain/json.ts';
import { GRANT_STATES } from '../store/grant-port.ts';

const grant = z.object({
  id: z.string(),
  agent: z.string(),
  action: z.string(),
  resource: z.string(),
  decision: z.string(),
  approver: z.string(),
  policies: z.array(z.string()),
  reason: z.string(),
  times: z.number(),
  state: z.enum(GRANT_STATES),
  until: z.number(),
  uses: z.number(),
  used: z.number(),
  answeredBy: z.string().optional(),
  comment: z.string().optional(),
});

const request = z.object({
  subject: z.object({ id: z.string() }),
  action: z.object({ name: z.string() }),
  resource: z.object({ id: z.string() }),
  context: z.object({ input: z.record(z.string(), z.custom<Json>()).optional() }),
  delegation: z.object({ user: z.object({ id: z.string() }).optional(), chain: z.array(z.string()) }).optional(),
});

export const GRANT_REPLIES = {
  grants: z.object({ items: z.array(grant) }),
  grant,
  grantRequest: grant.extend({ request, narrowed: z.record(z.string(), z.custom<Json>()).optional() }),
} as const;
