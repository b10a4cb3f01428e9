// What Cordon answers, as far as the demo reads it; anything else is an error here and not three calls later.
import * as z from 'zod';

export const Credentials = z.object({
  chain: z.string(),
  privateKey: z.string(),
  bundle: z.string(),
  control: z.string(),
  pid: z.number(),
});

export const LogIdentity = z.object({ vkey: z.string() });

export const Status = z.object({
  ready: z.boolean(),
  policies: z.object({ count: z.number() }),
  resources: z.array(z.object({ tools: z.number() })),
  log: z.object({ size: z.number() }),
});

export const Level = z.object({
  status: z.string(),
  cutMs: z.number(),
  peps: z.array(z.object({ connections: z.number(), calls: z.number() })),
});

export const Run = z.object({ token: z.string(), identity_url: z.string(), bundle: z.string() });

const Nearest = z.object({ failedClause: z.string(), observed: z.string().optional(), annotations: z.record(z.string(), z.string()) });

export const Decision = z.object({
  id: z.string(),
  verdict: z.string(),
  action: z.string(),
  resource: z.string(),
  principal: z.string().optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
  segment: z.object({ src: z.string().optional(), dst: z.string().optional() }).optional(),
  explanation: z.object({ nearest: z.array(Nearest) }).nullable(),
});
export type SeenDecision = z.infer<typeof Decision>;

/** @throws Error when the text is not what was expected */
export const read = <T extends z.ZodType>(schema: T, text: string): z.infer<T> => schema.parse(JSON.parse(text));
