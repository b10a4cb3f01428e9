// Calls that were forwarded and have not ended. When anything a decision depends on changes, each is decided again with the request
// that was stored, and what is now denied is cut. A cut call stays here until it was seen to end. INVARIANT I6
import type { AccessRequest, Decision } from '../domain/access.ts';
import { within } from './waiting.ts';
import type { RpcId } from './mcp-words.ts';

export interface OpenExchange {
  readonly decisionId: string;
  readonly agent: string;
  /** The agent or resource that is called. */
  readonly callee: string;
  readonly request: AccessRequest;
  /** When what a person approved ends, Unix milliseconds; of a call that needed it. */
  readonly until?: number;
  readonly run: string;
  /** Labels that its run and task have by this call alone: they are none of its own decision's business. */
  readonly own: Set<string>;
  /** JSON-RPC id of the caller's request, so that the caller can cancel it. */
  readonly rpcId: RpcId | undefined;
  /** Ends both sides at once; the reason becomes the outcome. */
  readonly cut: (decision: Decision) => void;
  /** Ends the upstream side because the caller asked for it. */
  readonly cancel: () => void;
}

export interface Exchanges {
  /** @returns says that the call has ended */
  open(exchange: OpenExchange): () => void;
  list(): readonly OpenExchange[];
  count(): number;
  /** Cancels the call that the run itself made under this JSON-RPC id; nobody else's. */
  cancel(run: string, callee: string, rpcId: RpcId): void;
  /** Decides every open call again, or this one, and cuts what is denied. @returns the calls that this cut */
  reconsider(decide: (exchange: OpenExchange) => Decision, only?: OpenExchange): readonly OpenExchange[];
  /** Waits until these have ended, at most `withinMs`. @returns how many had not by then */
  settled(exchanges: readonly OpenExchange[], withinMs: number): Promise<number>;
}

export function createExchanges(): Exchanges {
  const open = new Map<OpenExchange, PromiseWithResolvers<void>>();
  const cut = new WeakSet<OpenExchange>();
  return {
    open(exchange): () => void {
      const end = Promise.withResolvers<void>();
      open.set(exchange, end);
      return () => {
        open.delete(exchange);
        end.resolve();
      };
    },
    list: () => [...open.keys()],
    count: () => open.size,
    cancel(run, callee, rpcId): void {
      for (const exchange of open.keys()) {
        if (exchange.run === run && exchange.callee === callee && exchange.rpcId === rpcId) exchange.cancel();
      }
    },
    reconsider(decide, only): readonly OpenExchange[] {
      const denied = (only === undefined ? [...open.keys()] : [only]).flatMap((exchange) => {
        const decision = cut.has(exchange) ? undefined : decide(exchange);
        return decision === undefined || decision.verdict === 'allow' ? [] : [{ exchange, decision }];
      });
      untraced(() => {
        // the newest first: what goes through a tunnel was opened after it, and ends for its own reason, not because the tunnel did
        for (const { exchange, decision } of denied.toReversed()) {
          cut.add(exchange);
          exchange.cut(decision);
        }
      });
      return denied.map(({ exchange }) => exchange);
    },
    async settled(exchanges, withinMs): Promise<number> {
      await within(withinMs, Promise.all(exchanges.flatMap((exchange) => open.get(exchange)?.promise ?? [])));
      return exchanges.filter((exchange) => open.has(exchange)).length;
    },
  };
}

/** Each end makes several errors that nobody reads; where they were made is not looked up, which took longer than ending the call. */
function untraced(work: () => void): void {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
