// Signatures of webhooks: Standard Webhooks 1.0.0, symmetric (`v1`, HMAC-SHA-256). Who has the key can tell that a message is Cordon's, when
// it was sent, and that nothing in it was changed. No message repeats the key.
import { createHmac, createSecretKey } from 'node:crypto';
import { Refusal } from '../domain/refusal.ts';

const PREFIX = 'whsec_';
/** Of the key, by the specification. */
const BYTES = { least: 24, most: 64 };
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** `id` stays with a message, `timestamp` (Unix seconds) is that of the attempt. @returns the value of `webhook-signature` */
export type WebhookSigner = (id: string, timestamp: number, body: string) => string;

/** `secret`: `whsec_` and the key in base64. @throws Refusal CORDON-9006 */
export function webhookSigner(secret: string): WebhookSigner {
  const key = createSecretKey(keyOf(secret));
  return (id, timestamp, body) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

function keyOf(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const key = Buffer.from(text, 'base64');
  // what decodes to the same bytes in two ways is not what the receiver was given
  const whole = BASE64.test(text) && key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  // a placeholder: 24 random bytes have fewer than 8 values once in 2^80
  if (whole && key.length >= BYTES.least && key.length <= BYTES.most && new Set(key).size >= 8) return key;
  throw new Refusal('CORDON-9006', 'not a key of a webhook', {
    observed: `${secret.length} characters`,
    expected: `\`${PREFIX}\` and ${BYTES.least} to ${BYTES.most} random bytes in base64`,
    fix: 'make a key: `echo "whsec_$(openssl rand -base64 32)"`',
  });
}
