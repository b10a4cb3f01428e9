// Values that members of `cordon.yaml` have in common.
import * as z from 'zod';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** `15m` in milliseconds. */
export const milliseconds = (text: string): number => Number(text.slice(0, -1)) * (UNITS[text.at(-1) ?? ''] ?? 0);

/** A time between two others; without bounds a timer could overflow, or never rest. */
export const duration = (least: string, most: string): z.ZodString =>
  z
    .string()
    .regex(/^\d{1,5}(s|m|h)$/, 'a duration such as `15m`')
    .refine((text) => milliseconds(text) >= milliseconds(least) && milliseconds(text) <= milliseconds(most), `from ${least} to ${most}`);

/** Where a secret comes from. */
export const secret = z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]);

/** What the gateway shows to a callee. */
export const credential = z.strictObject({
  header: z
    .string()
    .regex(/^[a-z-]+$/)
    .default('authorization'),
  scheme: z.string().default('Bearer'),
  secret,
});

export const isLoopback = ({ hostname }: URL): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
export const PLAINTEXT = 'plain http needs `allowPlaintextLoopback: true` and a loopback address';
