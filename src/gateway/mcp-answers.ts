// The answers that a caller sends with a call that it makes again (MCP 2026-07-28, `input_required`). attacker-controlled
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

/** What a caller sends with a call that it makes again. */
/** The name under which Cordon asks for a person among what is asked of a caller; an answer to it never reaches a server. */
export const APPROVAL_ASK = 'cordon.approval';

export interface Answers {
  readonly inputResponses: JsonObject;
  /** As it was handed out here. */
  readonly requestState?: string;
}

/** Things that are asked at once, and characters of what a server has the caller keep. */
export const MOST_ASKED = 64;
export const MAX_STATE = 65_536;

/** That it was told where a person answers is no answer, and no business of the server's. */
export const saysToldOfPage = ({ inputResponses }: JsonObject): boolean =>
  isJsonObject(inputResponses) && Object.hasOwn(inputResponses, APPROVAL_ASK);

/** The answers in `params`. @throws Refusal CORDON-9011 */
export function answersIn({ inputResponses, requestState }: JsonObject): Answers | undefined {
  if (inputResponses === undefined && requestState === undefined) return undefined;
  const responses = inputResponses ?? {};
  if (!isJsonObject(responses) || Object.keys(responses).length > MOST_ASKED)
    throw new Refusal('CORDON-9011', '`params.inputResponses` does not fit');
  const { [APPROVAL_ASK]: told, ...others } = responses;
  if (requestState === undefined && told !== undefined && Object.keys(others).length === 0) return undefined;
  if (requestState === undefined) return { inputResponses: others };
  if (typeof requestState !== 'string' || requestState.length > 2 * MAX_STATE)
    throw new Refusal('CORDON-9011', '`params.requestState` does not fit');
  return { inputResponses: others, requestState };
}
