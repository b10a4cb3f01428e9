// Which calls may be sent to their callee a second time when the connection ended before an answer: those that change nothing there, or
// nothing more. A hint of the callee alone is not believed, and what counts (an approval for one use, a budget) is not counted twice.
import { isJsonObject } from '../domain/json.ts';
import type { Authorized } from '../pdp/decide.ts';
import type { Call, PlanKind, PlanOf } from './call.ts';
import type { Pep } from './pep.ts';

type Rule<K extends PlanKind> = (plan: PlanOf<K>, pep: Pep) => boolean;

const always = (): boolean => true;

/** What is not named here is not repeated. */
const RULES: { readonly [K in PlanKind]?: Rule<K> } = {
  // MCP: lists and reads
  'mcp/browse': always,
  'mcp/ask': always,
  'mcp/call': isIdempotentTool,
  'a2a/card': always,
  // RFC 9110 §9.2.1: safe methods
  'http/call': ({ route, body }) => (route.method === 'GET' || route.method === 'HEAD') && body === undefined,
};

export function mayRepeat(pep: Pep, { call: { plan, request }, decision }: Authorized<Call>): boolean {
  if (decision.grant !== undefined || request.delegation?.made !== undefined) return false;
  const allows = <K extends PlanKind>(of: PlanOf<K>): boolean => RULES[of.kind]?.(of, pep) === true;
  return allows(plan);
}

/** The pinned definition says so, and the operator does. MCP: tool annotations */
function isIdempotentTool({ server, tool }: PlanOf<'mcp/call'>, pep: Pep): boolean {
  if (!pep.upstreams.guards.allowsRetry(server, tool)) return false;
  const pinned = pep
    .snapshot()
    ?.world.tools.get(server)
    ?.find(({ name }) => name === tool);
  const hints = pinned?.definition['annotations'];
  return isJsonObject(hints) && (hints['idempotentHint'] === true || hints['readOnlyHint'] === true);
}
