// The section `approvals` of `cordon.yaml`: who is told that a person is asked.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { ApprovalWebhookConfig } from '../control/config.ts';
import type { Issue } from './config-place.ts';
import { duration, isLoopback, milliseconds, PLAINTEXT, secret } from './config-values.ts';

const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  /** A receiver without TLS, on loopback only. */
  allowPlaintextLoopback: z.boolean().default(false),
  /** Signs what is sent: `whsec_` and base64, by Standard Webhooks. */
  key: secret,
  /** A PEM file: the private authority behind its certificate. */
  ca: z.string().min(1).exactOptional(),
  timeout: duration('1s', '30s').default('5s'),
  /** Without it the names of arguments are told alone. */
  sendArgumentValues: z.boolean().default(false),
});

export const APPROVALS_SECTION = z.strictObject({ webhook: webhook.exactOptional() });

/** `refuse` is given the first thing that does not fit. */
export function approvalsOf(
  { webhook: given }: z.infer<typeof APPROVALS_SECTION>,
  base: string,
  refuse: (issue: Issue) => Error,
): { readonly webhook?: ApprovalWebhookConfig } {
  if (given === undefined) return {};
  const { url: text, allowPlaintextLoopback: allowed, key, ca, timeout, sendArgumentValues: values } = given;
  const url = new URL(text);
  const path = ['approvals', 'webhook', 'url'];
  if (url.protocol === 'http:' && !(allowed && isLoopback(url))) throw refuse({ path, message: PLAINTEXT });
  if (url.username !== '' || url.password !== '' || url.hash !== '') throw refuse({ path, message: 'no user, password or fragment' });
  return { webhook: { url, key, ...(ca === undefined ? {} : { ca: resolve(base, ca) }), timeoutMs: milliseconds(timeout), values } };
}
