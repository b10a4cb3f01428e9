// The payroll of another department: nothing that the invoice desk has any business with.
import { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { setting } from '../wire.ts';
import { runServer } from './host.ts';
import { appendAccess } from './state.ts';

const stateDir = setting('DESK_STATE');

const SALARIES = [
  { employee: 'A. Okafor', monthly_cents: 6_840_00 },
  { employee: 'B. Lindqvist', monthly_cents: 5_120_00 },
  { employee: 'C. Moreau', monthly_cents: 7_975_00 },
  { employee: 'D. Petrov', monthly_cents: 4_390_00 },
];

function payroll(by: string): McpServer {
  const server = new McpServer({ name: 'payroll', version: '1.0.0' }, { capabilities: {} });
  const description = 'Monthly salaries of all employees';
  server.registerTool('list_salaries', { description, inputSchema: z.object({}), annotations: { readOnlyHint: true } }, async () => {
    await appendAccess(stateDir, { server: 'payroll', tool: 'list_salaries', by, at: new Date().toISOString() });
    const lines = SALARIES.map(({ employee, monthly_cents: cents }) => `${employee};${cents}`);
    return { content: [{ type: 'text', text: lines.join('\n') }], structuredContent: { salaries: SALARIES } };
  });
  return server;
}

await runServer({ name: 'payroll', server: payroll });
