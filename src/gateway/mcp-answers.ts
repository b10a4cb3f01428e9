// The answers that a caller sends with a call that it makes again (MCP 2026-07-28, `input_required`). attacker-controlled
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

/** What a caller sends with a call that it makes again. */
export interface Answers {
  readonly inputResponses: JsonObject;
  /** As it was handed out here. */
  readonly requestState?: string;
}

/** Things that are asked at once, and characters of what a server has the caller keep. */
export const MOST_ASKED = 64;
export const MAX_STATE = 65_536;

/** The answers in `params`. @throws Refusal CORDON-9011 */
export function answersIn({ inputResponses, requestState }: JsonObject): Answers | undefined {
  if (inputResponses === undefined && requestState === undefined) return undefined;
  const responses = inputResponses ?? {};
  if (!isJsonObject(responses) || Object.keys(responses).length > MOST_ASKED)
    throw new Refusal('CORDON-9011', '`params.inputResponses` does not fit');
  if (requestState === undefined) return { inputResponses: responses };
  if (typeof requestState !== 'string' || requestState.length > 2 * MAX_STATE)
    throw new Refusal('CORDON-9011', '`params.requestState` does not fit');
  return { inputResponses: responses, requestState };
}
