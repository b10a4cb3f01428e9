// Cordon as authorization server and resource server to the official MCP client. The rows are those of `npm run conformance -- mcp`.
import { after, before, describe, test } from 'node:test';
import { AUTH_CASES, openAuthDesk, type AuthDesk } from '../conformance/mcp/auth.ts';

describe('[MCP-2026-07-28] [RFC9728] authorization', () => {
  let desk: AuthDesk;
  before(async () => {
    desk = await openAuthDesk();
  });
  after(() => (desk as AuthDesk | undefined)?.close());
  for (const [name, run] of Object.entries(AUTH_CASES)) test(name, () => run(desk));
});
