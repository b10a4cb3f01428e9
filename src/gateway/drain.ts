// Stopping without dropping a call: nothing new is accepted, answers end their connections, calls that are open may end within a time,
// and what is left then is cut and on record as cut.
import type { Decision } from '../domain/access.ts';
import type { Listener } from './listener.ts';
import type { Pep } from './pep.ts';

const STOPPING: Decision = {
  verdict: 'error',
  code: 'CORDON-4008',
  determining: [],
  errors: [],
  reason: 'the gateway is stopping',
  policyVersion: 0,
};

/** How long the last outcomes and answers may take to get out. Milliseconds. */
const LAST_MS = 2_000;

/** Resolves when no call is open any more. `ms`: how long they may take. */
export async function drain(pep: Pep, listener: Listener, ms: number): Promise<void> {
  const gone = listener.drain();
  await ended(pep, ms);
  for (const exchange of pep.exchanges.list()) exchange.cut(STOPPING);
  await ended(pep, LAST_MS);
  await gone(LAST_MS);
}

/** Calls may come in on connections that are still open; they are waited for too. */
async function ended(pep: Pep, ms: number): Promise<void> {
  const until = performance.now() + ms;
  for (let left = ms; pep.exchanges.count() > 0 && left > 0; left = until - performance.now()) {
    await pep.exchanges.settled(pep.exchanges.list(), left);
  }
}
