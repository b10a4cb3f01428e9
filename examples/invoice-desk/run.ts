// Runs the desk once, without protection: prints what its processes say, then what the files say, as NDJSON on stdout.
// `node examples/invoice-desk/run.ts [--inbox DIR] [--state DIR]`
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startDesk, type DeskEvent } from './desk.ts';

const { values } = parseArgs({ options: { inbox: { type: 'string' }, state: { type: 'string' } } });
const inboxDir = resolve(values.inbox ?? join(import.meta.dirname, 'inbox'));
const stateDir = resolve(values.state ?? (await mkdtemp(join(tmpdir(), 'invoice-desk-'))));
const print = (event: DeskEvent): void => console.log(JSON.stringify(event));

try {
  const desk = await startDesk({ inboxDir, stateDir, onEvent: print });
  const ran = desk.run();
  await Promise.allSettled([ran]);
  await desk.stop();
  print({ at: 'desk', event: 'assessment', ...(await ran).assessment });
} catch (error) {
  process.exitCode = 1;
  console.error(`the desk cannot run: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  if (values.state === undefined) await rm(stateDir, { recursive: true, force: true });
}
