// Makes transaction tokens (src/sts/txn-token.ts) for what the gateway forwards, with the key of the token service.
import type { JwsSigner } from '../crypto/jws.ts';
import { EVERYTHING } from '../domain/mandate.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseWorkload, trustDomainOf, withoutRun, type TrustDomain } from '../domain/spiffe-id.ts';
import type { TxnFacts, TxnMinter } from '../gateway/pep.ts';
import { contextClaim, writeTxnToken } from '../sts/txn-token.ts';

export interface TxnMinterOptions {
  readonly signer: () => JwsSigner;
  /** Of the token service. */
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds. */
  readonly ttl: number;
}

/** For so long, and half its life at most, one token goes with each repetition of a call: a signature costs more than the rest. Seconds. */
const REUSED = 30;
const MOST = 4_096;

export function createTxnMinter(options: TxnMinterOptions): TxnMinter {
  const minted = new Map<string, { readonly token: string; readonly until: number }>();
  return {
    mint(facts): string {
      const { kid } = options.signer();
      const now = Math.floor(options.now() / 1000);
      const { caller, action, resource, callee, task } = facts;
      const name = [kid, task?.jti ?? caller, action, resource, callee].join(' ');
      const found = minted.get(name);
      if (found !== undefined && now < found.until) return found.token;
      minted.delete(name);
      const [oldest] = minted.keys();
      if (minted.size >= MOST && oldest !== undefined) minted.delete(oldest);
      const token = write(options, facts, now);
      const reused = Math.min(REUSED, options.ttl / 2000);
      minted.set(name, { token, until: Math.min(now + reused, task?.expiresAt ?? Infinity) });
      return token;
    },
  };
}

/** A caller without a task acts for itself: its run is the transaction, and its own rights are all that bounds it. */
function write({ signer, issuer, trustDomain, ttl }: TxnMinterOptions, { caller, task, ...facts }: TxnFacts, now: number): string {
  const end = now + Math.floor(ttl / 1000);
  // of another domain nobody here knows what a run is called
  const txn = task?.txn ?? (trustDomainOf(caller) === trustDomain ? parseWorkload(caller).run : caller);
  if (txn === undefined) throw new Refusal('CORDON-1014', 'only a run of an agent may call the gateway', { observed: caller });
  const chain = task?.chain ?? [caller];
  const parents = task === undefined ? [] : [...task.parents, task.jti];
  const context = contextClaim({ ...facts, mandate: task?.mandate ?? EVERYTHING, parents, chain, user: task?.user });
  return writeTxnToken(signer(), {
    issuer,
    trustDomain,
    txn,
    sub: task?.sub ?? withoutRun(caller),
    scope: facts.action,
    requester: caller,
    context,
    replaced: 0,
    issuedAt: now,
    expiresAt: Math.min(end, task?.expiresAt ?? end),
  });
}
