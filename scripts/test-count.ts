// A reporter beside Node's own: says nothing, unless no test ran at all. Node counts a file without tests as one that passed.
import type { TestEvent } from 'node:test/reporters';

export default async function* testCount(events: AsyncIterable<TestEvent>): AsyncGenerator<string, void> {
  let ran = 0;
  for await (const event of events) {
    // Each file has a summary of its own; the one without a file is the sum of all.
    if (event.type === 'test:summary' && event.data.file !== undefined) ran += event.data.counts.tests - event.data.counts.skipped;
  }
  if (ran > 0) return;
  process.exitCode = 1;
  yield 'x no test ran\n  why  every test was skipped, or none has a name that the options ask for\n';
}
