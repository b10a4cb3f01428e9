// Calls that were forwarded and have not ended. When anything a decision depends on changes, each is decided again with the request
// that was stored, and what is now denied is cut. INVARIANT I6
import type { AccessRequest, Decision } from '../domain/access.ts';

export interface OpenExchange {
  readonly decisionId: string;
  readonly agent: string;
  /** The agent or resource that is called. */
  readonly callee: string;
  readonly request: AccessRequest;
  readonly run: string;
  /** JSON-RPC id of the caller's request, so that the caller can cancel it. */
  readonly rpcId: string | number | undefined;
  /** Ends both sides at once; the reason becomes the outcome. */
  readonly cut: (decision: Decision) => void;
  /** Ends the upstream side because the caller asked for it. */
  readonly cancel: () => void;
}

export interface Exchanges {
  open(exchange: OpenExchange): () => void;
  list(): readonly OpenExchange[];
  /** Cancels the call that the run itself made under this JSON-RPC id; nobody else's. */
  cancel(run: string, callee: string, rpcId: string | number): void;
  /** Decides every open exchange again. @returns how many were cut */
  reconsider(decide: (request: AccessRequest) => Decision): number;
}

export function createExchanges(): Exchanges {
  const open = new Set<OpenExchange>();
  return {
    open(exchange): () => void {
      open.add(exchange);
      return () => open.delete(exchange);
    },
    list: () => [...open],
    cancel(run, callee, rpcId): void {
      for (const exchange of open) {
        if (exchange.run === run && exchange.callee === callee && exchange.rpcId === rpcId) exchange.cancel();
      }
    },
    reconsider(decide): number {
      let cut = 0;
      for (const exchange of open) {
        const decision = decide(exchange.request);
        if (decision.verdict === 'allow') continue;
        open.delete(exchange);
        exchange.cut(decision);
        cut++;
      }
      return cut;
    },
  };
}
