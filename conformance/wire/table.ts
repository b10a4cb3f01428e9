// Every attack, by class.
import { A2A_ATTACKS } from './a2a.ts';
import type { Class } from './attack.ts';
import { FRAMING } from './framing.ts';
import { HEADERS, TARGETS } from './headers.ts';
import { JSON_ATTACKS } from './json.ts';
import { MCP } from './mcp.ts';
import { TLS } from './tls.ts';
import { TOKENS } from './tokens.ts';

export const ATTACKS: readonly Class[] = [
  ['framing', FRAMING],
  ['headers', HEADERS],
  ['targets', TARGETS],
  ['json', JSON_ATTACKS],
  ['mcp', MCP],
  ['a2a', A2A_ATTACKS],
  ['tokens', TOKENS],
  ['tls', TLS],
];
