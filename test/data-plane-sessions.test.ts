// MCP sessions behind another data plane: an id belongs to the run that showed it first, and nobody can push it out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMcpSessions } from '../src/gateway/external/mcp-sessions.ts';

const live = (): boolean => true;
const refused = { code: 'CORDON-3011' };

void test("[I5] a session is nobody else's, on that server", () => {
  const sessions = createMcpSessions();
  sessions.check('ledger', 's1', 'A', live);
  sessions.check('ledger', 's1', 'A', live);
  assert.throws(() => sessions.check('ledger', 's1', 'B', live), refused);
  sessions.check('inbox', 's1', 'B', live);
});

void test('[I10] a run that shows many pushes out its own alone', () => {
  const sessions = createMcpSessions();
  sessions.check('ledger', 'victim', 'A', live);
  for (let n = 0; n < 10_000; n++) sessions.check('ledger', `made-up-${n}`, 'B', live);
  assert.throws(() => sessions.check('ledger', 'victim', 'B', live), refused);
});

void test('[I10] when there is no room, those of runs that have ended go, and those of others stay', () => {
  const sessions = createMcpSessions();
  for (let n = 0; n < 4096; n++) sessions.check('ledger', `s${n}`, `run-${n}`, live);
  assert.throws(() => sessions.check('ledger', 'new', 'late', live), { code: 'CORDON-4003' });
  sessions.check('ledger', 'new', 'late', (run) => run === 'run-7');
  assert.throws(() => sessions.check('ledger', 's7', 'late', live), refused);
});

void test('[I10] an id that is none is refused', () => {
  const sessions = createMcpSessions();
  for (const id of ['', ' ', 'a b', 'é', 'x'.repeat(257)]) assert.throws(() => sessions.check('ledger', id, 'A', live), refused);
});
