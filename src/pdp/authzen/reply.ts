// What a remote PDP answered to an evaluation, read strictly. Standard: AuthZEN 1.0 §6.2, obligations profile. attacker-controlled: a PDP
// that is not ours may be broken, and what cannot be read as a decision is none.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { type Obligation, type ObligationForm, obligationIn } from './obligations.ts';

/** An obligation as it came; without one it could not be understood, and so cannot be met. */
export interface ReceivedObligation {
  readonly obligation?: Obligation;
  readonly form?: ObligationForm;
}

export interface EvaluationReply {
  readonly decision: boolean;
  readonly obligations: readonly ReceivedObligation[];
  /** What the PDP says of it, cut. */
  readonly reason?: string;
}

const LONGEST_REASON = 500;
const MAX_OBLIGATIONS = 100;

/** `body`: as the strict JSON reader left it. @throws Refusal CORDON-9001 when it is no decision, or says two things */
export function evaluationReply(body: JsonObject): EvaluationReply {
  const { decision, context = {} } = body;
  if (typeof decision !== 'boolean') throw noDecision('`decision` is no boolean');
  if (!isJsonObject(context)) throw noDecision('`context` is no object');
  const { obligations = [], reason, cordon } = context;
  const verdict = isJsonObject(cordon) ? cordon['verdict'] : undefined;
  if (decision && verdict !== undefined && verdict !== 'allow') throw noDecision('the decision permits and its verdict does not');
  if (!isJsonArray(obligations) || obligations.length > MAX_OBLIGATIONS) throw noDecision('`context.obligations` cannot be read');
  const received = obligations.map(receivedOf);
  mustDiffer(received);
  return { decision, obligations: received, ...(typeof reason === 'string' ? { reason: reason.slice(0, LONGEST_REASON) } : {}) };
}

function receivedOf(json: Json): ReceivedObligation {
  try {
    return obligationIn(json);
  } catch {
    return {};
  }
}

function mustDiffer(received: readonly ReceivedObligation[]): void {
  const ids = received.flatMap(({ obligation }) => obligation?.id ?? []);
  if (new Set(ids).size < ids.length) throw noDecision('two obligations have one `id`');
}

const noDecision = (observed: string): Refusal => new Refusal('CORDON-9001', 'the remote PDP gave no decision', { observed });
