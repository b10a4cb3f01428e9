// What a server over stdio asks, on its way to the one caller whose call is open. The names of its questions are ours, each used once: an
// answer to a process that has ended, to a call that has, or from another session answers nothing. attacker-controlled, both ways
import { randomId } from '../crypto/random.ts';
import { Refusal } from '../domain/refusal.ts';
import type { JsonObject } from '../domain/json.ts';
import { ASKS, askOf } from './mcp-asks.ts';
import type { OnAsk } from './mcp-process.ts';
import type { McpSession } from './mcp-words.ts';
import type { OnNotification } from './upstreams.ts';

interface Question {
  readonly session: string;
  readonly answer: (said: JsonObject) => void;
}

export interface Questions {
  /** A session of one caller, who can be asked that. */
  begin(able: readonly string[]): McpSession;
  /** Asks the caller of the session; undefined where nobody is there who could be asked. */
  askerOf(session: McpSession | undefined, toCaller: OnNotification): OnAsk | undefined;
  answer(session: McpSession, message: JsonObject): void;
}

/** What has waited longest is forgotten first. */
const MOST = 4_096;

export function createQuestions(): Questions {
  const open = new Map<string, Question>();
  return {
    begin: (able) => ({ era: 'legacy', id: randomId(26), able }),
    askerOf(session, toCaller): OnAsk | undefined {
      const { id: of, able = [] } = session ?? {};
      if (of === undefined || able.length === 0) return undefined;
      return async (message, answer): Promise<void> => {
        const ask = askOf(message['method']);
        if (ask === undefined || !able.includes(ASKS[ask])) throw new Refusal('CORDON-3008', 'the caller cannot be asked that');
        const id = randomId(26);
        open.set(id, { session: of, answer });
        for (const oldest of open.keys()) if (open.size > MOST) open.delete(oldest);
        await toCaller({ ...message, id });
      };
    },
    answer({ id: of }, { id, result, error }): void {
      const question = typeof id === 'string' ? open.get(id) : undefined;
      if (question === undefined || typeof id !== 'string' || question.session !== of) return;
      open.delete(id);
      question.answer(error === undefined ? { result: result ?? {} } : { error });
    },
  };
}
