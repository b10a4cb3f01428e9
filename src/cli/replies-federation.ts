// What the control API answers about federation, as far as the command line reads it.
import * as z from 'zod';

const domain = z.object({
  trust_domain: z.string(),
  url: z.string(),
  profile: z.enum(['https_web', 'https_spiffe']),
  state: z.enum(['trusted', 'stale', 'waiting']),
  sequence: z.string().optional(),
  roots: z.number(),
  fetched_at: z.number().optional(),
  until: z.number().optional(),
  error: z.object({ code: z.string(), message: z.string(), fix: z.string() }).optional(),
});

export const FEDERATION_REPLIES = {
  federation: z.object({ trust_domain: z.string(), bundle_url: z.string(), items: z.array(domain) }),
  federatedDomain: domain,
} as const;
