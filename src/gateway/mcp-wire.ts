// How MCP hears a no. Standards: MCP 2026-07-28 (-32020, -32602), MCP 2025-11-25. A denied `tools/call` is a result with `isError`
// (clients hand it to the model), any other denied request is a JSON-RPC error, and a broken PDP is never `isError`.
import { CODES, type Code, type CodeRow } from '../domain/codes.ts';
import { writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { HIDDEN, type ApprovalPage, type No, type Reply, type Wire } from './call.ts';
import { APPROVAL_ASK } from './mcp-answers.ts';
import { SPOKEN } from './mcp-headers.ts';
import { problem } from './problem.ts';
import type { McpEra, RpcId } from './mcp-words.ts';

const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' };

/** A JSON-RPC answer. `resultType` belongs to 2026-07-28 alone. */
export function rpcResult(id: RpcId, era: McpEra, result: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id, result: era === 'modern' ? { resultType: 'complete', ...result } : result };
}

const rpcError = (id: RpcId | null, code: number, message: string, data?: JsonObject): JsonObject => ({
  jsonrpc: '2.0',
  id,
  error: { code, message, ...(data === undefined ? {} : { data }) },
});

/** A JSON answer, sent whole. */
export const jsonReply = (status: number, body: Json): Reply => ({ status, headers: JSON_HEADERS, body: writeJson(body) });

const dataOf = (no: No): JsonObject => ({
  code: no.code,
  retryable: CODES[no.code].retryable,
  ...(no.decisionId === undefined ? {} : { decision_id: no.decisionId }),
  ...(no.unexplained === undefined || no.unexplained.length === 0 ? {} : { arguments: [...no.unexplained] }),
  ...(no.narrowed === undefined ? {} : { narrowed: no.narrowed }),
});

/** JSON-RPC codes and statuses for messages that are refused for their form, by era. */
const FORM: Partial<Record<Code, { readonly rpc: number; readonly status: number }>> = {
  'CORDON-3011': { rpc: -32_020, status: 400 },
  'CORDON-9011': { rpc: -32_600, status: 400 },
  'CORDON-3006': { rpc: -32_602, status: 400 },
  'CORDON-3020': { rpc: -32_600, status: 404 },
  'CORDON-3021': { rpc: -32_022, status: 400 },
};

/** Says no before the message was understood. */
export const mcpFormWire =
  (id: RpcId | null, requested = ''): Wire =>
  (no) => {
    const form = FORM[no.code];
    if (form === undefined) return problem(no);
    const versions = no.code === 'CORDON-3021' ? { supported: [...SPOKEN], requested } : {};
    return jsonReply(form.status, rpcError(id, form.rpc, no.reason ?? CODES[no.code].title, { ...dataOf(no), ...versions }));
  };

/** Said by the transport, so that what stands between sees it too, with the time after which another try makes sense. */
const BUSY: ReadonlySet<Code> = new Set(['CORDON-9013', 'CORDON-9014']);

/** Says no to a request other than `tools/call`. */
export const mcpRequestWire =
  (id: RpcId, era: McpEra): Wire =>
  (no) => {
    if (no.code === 'CORDON-3008') {
      return jsonReply(era === 'modern' ? 404 : 200, rpcError(id, -32_601, 'Method not found', dataOf(no)));
    }
    if (FORM[no.code] !== undefined) return mcpFormWire(id)(no);
    const row = CODES[no.code];
    if (HIDDEN.has(no.code) || row.kind === 'identity' || row.status === 429 || BUSY.has(no.code)) return problem(no);
    const rpc = row.kind === 'system' ? -32_603 : -32_001;
    return jsonReply(200, rpcError(id, rpc, no.reason ?? row.title, dataOf(no)));
  };

export interface McpCallWire {
  readonly id: RpcId;
  readonly era: McpEra;
  readonly tool: string;
  /** False when the caller may see nothing of this server: then the server does not exist. */
  readonly known: () => boolean;
}

/** Says no to `tools/call`. */
export const mcpCallWire =
  ({ id, era, tool, known }: McpCallWire): Wire =>
  (no) => {
    const row = CODES[no.code];
    if (HIDDEN.has(no.code) && known()) {
      return jsonReply(era === 'modern' ? 400 : 200, rpcError(id, -32_602, `Unknown tool: ${tool}`));
    }
    const toModel = row.kind === 'policy' || row.kind === 'containment' || row.kind === 'access';
    if (!toModel || HIDDEN.has(no.code) || row.status === 429) return mcpRequestWire(id, era)(no);
    return jsonReply(200, no.page === undefined ? rpcResult(id, era, deniedResult(no)) : askedPerson(id, era, no, no.page));
  };

/** JSON-RPC code of MCP 2025-11-25: a page has to be opened first. */
const URL_ELICITATION_REQUIRED = -32_042;

/** Where a person answers, for a caller that opens pages. */
function askedPerson(id: RpcId, era: McpEra, no: No, { url }: ApprovalPage): JsonObject {
  const reason = no.reason ?? CODES[no.code].title;
  if (era === 'legacy') {
    const elicitations = [urlElicitation(url, reason, no.decisionId ?? url)];
    return rpcError(id, URL_ELICITATION_REQUIRED, reason, { elicitations, ...dataOf(no) });
  }
  const ask = { method: 'elicitation/create', params: urlElicitation(url, reason) };
  return rpcResult(id, era, { resultType: 'input_required', inputRequests: { [APPROVAL_ASK]: ask } });
}

/** `elicitation/create` in URL mode; `id` in 2025-11-25 alone. */
const urlElicitation = (url: string, reason: string, id?: string): JsonObject => ({
  mode: 'url',
  ...(id === undefined ? {} : { elicitationId: id }),
  url,
  message: `${reason}. An operator of Cordon approves or refuses this call on this page; make it again afterwards.`,
});

/** Short, constant in shape, without a word from the caller or an upstream. */
function deniedResult(no: No): JsonObject {
  const row = CODES[no.code];
  const reason = no.reason ?? row.title;
  const ref = no.decisionId === undefined ? '' : ` Ref ${no.decisionId}.`;
  return {
    isError: true,
    content: [{ type: 'text', text: `Access denied (${no.code}): ${reason}. ${hintOf(row, no)}${ref}` }],
    structuredContent: { ...dataOf(no), remedy: { type: remedyOf(row) } },
  };
}

function hintOf({ kind, retryable }: CodeRow, { narrowed }: No): string {
  // a model is shown the text alone; the values are its own, or smaller numbers that a person chose
  if (narrowed !== undefined)
    return `A person approved it with these arguments in place of yours, if you want that: ${writeJson(narrowed)}.`;
  if (!retryable) return 'Do not retry.';
  return kind === 'access' ? 'Go on with the rest; this very call will pass once a person has approved it.' : 'You may retry later.';
}

const remedyOf = ({ kind, retryable }: CodeRow): string => (!retryable ? 'policy' : kind === 'access' ? 'grant' : 'none');
