// Evaluations in one message. Standard: AuthZEN 1.0 §7. A default is replaced as a whole, never merged; a bad item is a denial of that
// item, a bad top level refuses the message; order is kept.
import { isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { asRefusal, type Refusal } from '../../domain/refusal.ts';
import type { AuthzenPdp, Evaluation } from './port.ts';
import { evaluationIn, itemsIn, misfit, objectIn } from './request.ts';

const MAX_ITEMS = 1000;

/** Ends the evaluations after one that decided so. */
const ENDS = {
  execute_all: () => false,
  deny_on_first_deny: (decision) => !decision,
  permit_on_first_permit: (decision) => decision,
} as const satisfies Record<string, (decision: boolean) => boolean>;
type Semantic = keyof typeof ENDS;

/** @throws Refusal CORDON-9011, and what the PDP throws */
export const evaluate = (pdp: AuthzenPdp, body: JsonObject): JsonObject => evaluationJson(pdp.evaluate(evaluationIn(body), 'decision'));

/** Without items it is one evaluation. @throws Refusal CORDON-9011 for a bad top level */
export function evaluateAll(pdp: AuthzenPdp, body: JsonObject): JsonObject {
  const items = itemsIn(body, MAX_ITEMS);
  const semantic = semanticIn(body);
  if (items.length === 0) return evaluate(pdp, body);
  const defaults = defaultsIn(body);
  const evaluations: JsonObject[] = [];
  for (const item of items) {
    const evaluation = evaluateItem(pdp, defaults, item);
    evaluations.push(evaluationJson(evaluation));
    if (ENDS[semantic](evaluation.decision)) break;
  }
  return { evaluations };
}

function evaluateItem(pdp: AuthzenPdp, defaults: JsonObject, item: Json): Evaluation {
  try {
    return pdp.evaluate(evaluationIn({ ...defaults, ...objectIn(item, 'the item') }), 'decision');
  } catch (error) {
    return failed(asRefusal(error, 'CORDON-9001', 'the evaluation failed'));
  }
}

/** §7.3: an error of one item. INVARIANT I1: it denies. */
const failed = ({ row, message }: Refusal): Evaluation => ({
  decision: false,
  context: { error: { status: row.kind === 'system' && row.status !== 400 ? 500 : 400, message } },
});

/** A default may be one that no item needs, so only its form is looked at here. */
function defaultsIn(body: JsonObject): JsonObject {
  const given = ['subject', 'action', 'resource', 'context'].filter((member) => body[member] !== undefined);
  return Object.fromEntries(given.map((member) => [member, objectIn(body[member], `\`${member}\``)]));
}

function semanticIn(body: JsonObject): Semantic {
  const { evaluations_semantic: semantic = 'execute_all' } = body['options'] === undefined ? {} : objectIn(body['options'], '`options`');
  if (isSemantic(semantic)) return semantic;
  throw misfit(`\`options.evaluations_semantic\` must be one of ${Object.keys(ENDS).join(', ')}`);
}

const isSemantic = (value: Json): value is Semantic => typeof value === 'string' && Object.hasOwn(ENDS, value);

const evaluationJson = ({ decision, context }: Evaluation): JsonObject => (isJsonObject(context) ? { decision, context } : { decision });
