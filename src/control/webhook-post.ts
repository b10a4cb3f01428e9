// One message to the receiver that cordon.yaml names (Standard Webhooks 1.0.0): its host may be in a private network, because an operator wrote
// it there; nobody else's host is ever asked, because no redirect is followed. Of the answer nothing but the status is read. attacker-controlled
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { WebhookSigner } from '../crypto/webhook.ts';
import type { WebhookMessage } from './webhook-queue.ts';

export interface WebhookReceiver {
  /** https, or http on loopback. Its path may be a secret of the receiver: no message repeats it. */
  readonly url: URL;
  /** PEM: the private authority behind its certificate. */
  readonly ca: string | undefined;
  readonly sign: WebhookSigner;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Resolves when it was taken (2xx). @throws Error with what came instead; it names no part of the URL but its host */
export async function postWebhook(receiver: WebhookReceiver, { id, body }: WebhookMessage, signal: AbortSignal): Promise<void> {
  const { url, ca, sign, timeoutMs, now } = receiver;
  const timestamp = Math.floor(now() / 1000);
  const status = await new Promise<number>((resolve, reject) => {
    const send = url.protocol === 'http:' ? requestHttp : requestHttps;
    const sent = send(url, {
      method: 'POST',
      agent: false,
      maxHeaderSize: 16_384,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      ...(ca === undefined ? {} : { ca }),
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'cordon',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': sign(id, timestamp, body),
      },
    });
    sent.on('response', (response: IncomingMessage) => {
      response.on('error', () => undefined); // the status has come: how the rest ends does not matter
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', (error) => reject(new Error(failureOf(error), { cause: error })));
    sent.end(body);
  });
  if (status >= 200 && status < 300) return;
  throw new Error(status >= 300 && status < 400 ? `status ${status}: a redirect is not followed` : `status ${status}`);
}

function failureOf(error: Error & { readonly code?: unknown }): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
  return typeof error.code === 'string' ? error.code : 'the connection failed';
}
