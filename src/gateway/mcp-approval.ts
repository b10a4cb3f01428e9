// A call that needs a person's approval, asked of the person in front of the agent by the URL of the page where it is answered (MCP 2025-11-25,
// URL elicitation required; MCP 2026-07-28, `input_required`). The client shows the URL and nothing else: that it says `accept` means that a
// page was opened, and counts for nothing here. Whoever answers does so on Cordon's page, as an operator. INVARIANT I7
import type { Decision } from '../domain/access.ts';
import { digestOf } from '../pdp/approval.ts';
import type { ApprovalPage, Call } from './call.ts';
import { opensPages } from './mcp-page-openers.ts';
import type { Pep } from './pep.ts';

/** Where this very call is answered; undefined: there is no such page, or the caller can't open it, or was told of it just now. */
export function approvalPage(pep: Pep, { plan, request }: Call, { verdict }: Decision): ApprovalPage | undefined {
  if (verdict !== 'approval_required' || plan.kind !== 'mcp/call' || pep.requestPage === undefined) return undefined;
  if (plan.toldOfPage === true || plan.answers !== undefined) return undefined;
  const { run = '' } = request.subject;
  const able = plan.era === 'modern' ? opensPages(plan.envelope?.capabilities ?? {}) : pep.pageOpeners.has(run, plan.server);
  return able ? { url: pep.requestPage(digestOf(request)) } : undefined;
}
