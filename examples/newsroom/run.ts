// Runs every attack on the newsroom, first without protection, then behind Cordon: `node examples/newsroom/run.ts`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attackAll, openNewsroom, type Protection, type Result } from './newsroom.ts';

async function run(by?: Protection): Promise<readonly Result[]> {
  const dir = await mkdtemp(join(tmpdir(), 'newsroom-'));
  const newsroom = await openNewsroom(dir, by);
  try {
    return await attackAll(newsroom);
  } finally {
    await newsroom.close();
    await rm(dir, { recursive: true, force: true });
  }
}

const [open, guarded, contained] = [await run(), await run('policies'), await run('containment')];
const said = (result: Result | undefined): string =>
  `${result?.harmed === true ? 'succeeds' : 'fails'}${result?.published === true ? '' : ', page lost'}`;
const row = (cells: readonly string[]): string => cells.map((cell, i) => cell.padEnd(i === 0 ? 28 : 20)).join('');

console.log(row(['attack', 'without Cordon', 'by its policies', 'by the pack alone', 'refused with']));
for (const [i, result] of open.entries()) {
  const codes = [...new Set([...(guarded[i]?.refused ?? []), ...(contained[i]?.refused ?? [])].map(({ code }) => code ?? 'not there'))];
  console.log(row([result.family.id, said(result), said(guarded[i]), said(contained[i]), codes.join(', ')]));
}
