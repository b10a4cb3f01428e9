// What the control API answers about task tokens, as far as the command line reads it.
import * as z from 'zod';
import { REVOCABLE } from '../domain/revocation.ts';
import { CONTAINED, OBSERVED } from './replies-observed.ts';

const entry = z.object({
  actions: z.array(z.string()),
  locations: z.array(z.string()),
  arguments: z.record(z.string(), z.json()).optional(),
  other_arguments: z.literal(false).optional(),
  after: z.array(z.string()).optional(),
  budget: z.object({ calls: z.number() }).optional(),
  purpose: z.string().optional(),
});

export const DELEGATION_REPLIES = {
  delegation: z.object({
    live: z.boolean(),
    why: z.object({ code: z.string(), message: z.string(), fix: z.string() }).optional(),
    delegation: z
      .object({
        sub: z.string(),
        chain: z.array(z.object({ sub: z.string(), agent: z.string() })),
        audience: z.string(),
        jti: z.string(),
        txn: z.string(),
        parents: z.array(z.string()),
        mandate: z.array(entry),
        expires_at: z.number(),
      })
      .optional(),
  }),
  revocation: z.object({ kind: z.enum(REVOCABLE), id: z.string(), already: z.boolean(), status: z.enum(CONTAINED), ...OBSERVED }),
} as const;
