// What every PEP saw of an order that contains, and where the order stands in the log; the same in every such answer.
import * as z from 'zod';

export const CONTAINED = ['contained', 'partial', 'not_contained'] as const;

export const OBSERVED = {
  peps: z.array(
    z.object({
      pep: z.string(),
      connections: z.number(),
      calls: z.number(),
      remaining: z.number(),
      silentMs: z.number(),
      unobserved: z.literal(true).optional(),
    }),
  ),
  cutMs: z.number(),
  receipt: z.object({ log: z.string(), seq: z.number(), leafHash: z.string() }),
} as const;
