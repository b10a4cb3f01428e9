// The call that the clerk holds open: the ledger's `watch_payments`. Says when it opens and, to the instant, when it is cut.
import { emit, now, oneLine } from '../events.ts';
import { mcpPeer } from '../peers/mcp.ts';
import type { Outcome } from '../peers/outcome.ts';
import type { Wire } from '../wire.ts';

const TOOL = 'ledger/watch_payments';
/** A last word of the callee may follow the end of the stream at once. */
const LAST_WORD_MS = 30;

export interface Live {
  /** Resolves once the stream is open, or refused. */
  open(): Promise<void>;
  close(): Promise<void>;
}

export function liveWatch(name: string, wire: Wire): Live {
  let stop: () => Promise<void> = () => Promise.resolve();

  async function open(): Promise<void> {
    await stop();
    const peer = mcpPeer(name, () => wire.server('ledger'));
    const leaving = new AbortController();
    const settled = Promise.withResolvers<void>();
    const report = reporter(name, () => leaving.signal.aborted, settled.resolve);
    const call = peer
      .call('watch_payments', {}, { onProgress: report.progress, onStreamEnd: report.streamEnd, signal: leaving.signal })
      .then(report.end);
    stop = async () => {
      leaving.abort(new Error('no longer watching'));
      await call;
      await peer.close();
    };
    return settled.promise;
  }

  return { open, close: () => stop() };
}

interface Reporter {
  readonly progress: (message: string) => void;
  readonly streamEnd: () => void;
  readonly end: (outcome: Outcome) => void;
}

function reporter(name: string, isLeaving: () => boolean, settled: () => void): Reporter {
  let opened = false;
  let endedAt: number | undefined;
  let said = false;

  function end({ text, code, decision }: Outcome): void {
    if (said) return;
    said = true;
    const state = isLeaving() ? 'closed' : opened ? 'cut' : 'refused';
    const t = endedAt ?? now();
    emit({
      at: name,
      event: 'stream',
      tool: TOOL,
      state,
      t,
      ok: state === 'closed',
      code,
      decision,
      text: oneLine(text),
    });
    settled();
  }

  return {
    progress: (message) => {
      if (!opened) emit({ at: name, event: 'stream', tool: TOOL, state: 'open', t: now(), ok: true, text: oneLine(message) });
      opened = true;
      settled();
    },
    streamEnd: () => {
      endedAt ??= now();
      setTimeout(() => end({ ok: false, text: 'the connection was cut' }), LAST_WORD_MS);
    },
    end,
  };
}
