// Which callers open pages for their user (MCP, elicitation in URL mode). In 2026-07-28 each request says it, in 2025-11-25 `initialize` did.
import { isJsonObject, type JsonObject } from '../domain/json.ts';

/** Does the caller open pages for its user? A capability without modes is `form` alone. */
export const opensPages = ({ elicitation }: JsonObject): boolean => isJsonObject(elicitation) && isJsonObject(elicitation['url']);

/** Callers of 2025-11-25 that open pages, by what they said with `initialize`: a run is one client of a server, and what it said last counts. */
export interface PageOpeners {
  note(run: string, server: string, capabilities: JsonObject): void;
  has(run: string, server: string): boolean;
}

const MOST = 4_096;

export function createPageOpeners(): PageOpeners {
  const openers = new Set<string>();
  const keyOf = (run: string, server: string): string => JSON.stringify([run, server]);
  return {
    note(run, server, capabilities): void {
      const key = keyOf(run, server);
      openers.delete(key);
      if (!opensPages(capabilities)) return;
      const [oldest] = openers;
      if (openers.size >= MOST && oldest !== undefined) openers.delete(oldest); // it hears the usual no from now on
      openers.add(key);
    },
    has: (run, server) => openers.has(keyOf(run, server)),
  };
}
