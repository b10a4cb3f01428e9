// A call that stays open: progress notifications as payments settle, and a sign of life in between, until the caller is gone.
import type { EventEmitter } from 'node:events';
import type { ServerContext } from '@modelcontextprotocol/server';
import { formatEur } from '../documents/money.ts';
import { maskIban } from '../documents/iban.ts';
import type { Payment } from './state.ts';

const SIGN_OF_LIFE_MS = 5_000;

export async function watch(settled: EventEmitter<{ payment: [Payment] }>, { mcpReq }: ServerContext): Promise<void> {
  const progressToken = mcpReq['_meta']?.progressToken;
  if (progressToken === undefined) return;
  let progress = 0;
  const tell = (message: string): void => {
    mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: progress++, message } }).catch(() => undefined);
  };
  const onPayment = (payment: Payment): void => tell(`${payment.invoice}: ${formatEur(payment.amount_cents)} to ${maskIban(payment.iban)}`);
  const timer = setInterval(() => tell('watching'), SIGN_OF_LIFE_MS);
  settled.on('payment', onPayment);
  tell('watching');
  try {
    await aborted(mcpReq.signal);
  } finally {
    settled.off('payment', onPayment);
    clearInterval(timer);
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
