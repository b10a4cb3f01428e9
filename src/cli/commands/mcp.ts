// `cordon mcp connect | wrap | unwrap`: MCP clients as they are, behind Cordon (UX reference J2).
import type { Command } from 'commander';
import { showExamples } from '../usage.ts';
import { addConnect } from './mcp-connect.ts';
import { addUnwrap, addWrap } from './mcp-wrap.ts';

export function mcpCommand(program: Command): void {
  const mcp = program
    .command('mcp')
    .helpCommand(false)
    .summary('MCP clients as they are: wrap, unwrap, connect')
    .description('MCP clients behind Cordon, without a change to their code.');
  showExamples(mcp, ['cordon mcp wrap --as assistant', 'cordon mcp unwrap']);
  addWrap(mcp);
  addUnwrap(mcp);
  addConnect(mcp);
}
