// What the control API answers when it is asked what policies mean.
import * as z from 'zod';

const names = z.array(z.string());
const set = z.object({ version: z.number().optional(), hash: z.string() });
const extent = z.enum(['never', 'may', 'always']);

const hop = z.object({
  path: names,
  segment: z.string(),
  access: z.string(),
  reaches: z.array(
    z.object({
      action: z.string(),
      resource: z.string(),
      segment: z.string(),
      reads: z.boolean(),
      access: z.enum(['may', 'always']),
      permits: names,
      forbids: names,
    }),
  ),
});
const blast = z.object({
  subject: z.object({ kind: z.enum(['agent', 'resource', 'segment']), name: z.string() }),
  reaches: z.array(hop),
  reachedBy: z.array(hop),
  complete: z.boolean(),
});
const changed = { segment: z.string(), before: extent, after: extent };

export const ANALYSIS_REPLIES = {
  diff: z.object({
    from: set,
    to: set,
    policies: z.object({ added: names, removed: names, changed: names }),
    rows: z.array(
      z.object({
        change: z.enum(['widens', 'narrows', 'changed']),
        agent: z.string(),
        level: z.string(),
        action: z.string(),
        resource: z.string(),
        segment: z.string(),
        reads: z.boolean(),
        before: extent,
        after: extent,
        policies: names,
      }),
    ),
    counts: z.object({ widens: z.number(), narrows: z.number(), changed: z.number() }),
    unaccepted: names,
  }),
  blast: z.object({
    policies: set,
    before: blast,
    after: blast.extend({ policies: set }).optional(),
    changes: z
      .object({
        reaches: z.array(z.object({ action: z.string(), resource: z.string(), ...changed })),
        reachedBy: z.array(z.object({ agent: z.string(), ...changed })),
      })
      .optional(),
  }),
  suggestion: z.object({ agent: z.string(), calls: z.number(), permits: z.array(z.unknown()), complete: z.boolean(), text: z.string() }),
} as const;
