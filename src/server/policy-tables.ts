// Table tests, read beside the thread that decides and bounded in time and memory: whoever may send policies may send YAML with them.
import type { TableReader } from '../control/policy-tests.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import { OfficialThread } from '../policy/cedar/official-thread.ts';
import type { Read } from './policy-table.ts';

const BOUNDS = { limitMs: 10_000, heapMb: 256, holds: true } as const;

/** Problems that are told one by one. */
const TOLD = 10;

/** The tests of these files. */
export const readTables: TableReader = async (files, { agents, resources }) => {
  if (files.length === 0) return [];
  const thread = new OfficialThread(new URL('./policy-table-worker.ts', import.meta.url), BOUNDS);
  try {
    const registered = { agents: agents.map(({ name }) => ({ name })), resources: resources.map(({ name }) => ({ name })) };
    const read = await thread.ask({ files, registered });
    if (!isRead(read)) throw new Error('the worker gave no tests');
    if (read.problems.length === 0) return read.tests;
    throw unreadable(read.problems);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal('CORDON-9006', 'the tests cannot be read', { observed: errorTextOf(error), cause: error });
  } finally {
    await thread.close();
  }
};

function unreadable(problems: readonly string[]): Refusal {
  const more = problems.length > TOLD ? [`and ${problems.length - TOLD} more`] : [];
  const report = ['the tests cannot be read', ...problems.slice(0, TOLD), ...more].join('\n');
  return new Refusal('CORDON-9006', report, { fix: 'mend the tests: `cordon policy test` says the same' });
}

const isRead = (answer: unknown): answer is Read => typeof answer === 'object' && answer !== null && 'problems' in answer;
