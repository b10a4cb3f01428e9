// Runs every attack on the newsroom, first without protection, then behind Cordon: `node examples/newsroom/run.ts`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attackAll, openNewsroom, type Result } from './newsroom.ts';

async function run(isProtected: boolean): Promise<readonly Result[]> {
  const dir = await mkdtemp(join(tmpdir(), 'newsroom-'));
  const newsroom = await openNewsroom(dir, isProtected);
  try {
    return await attackAll(newsroom);
  } finally {
    await newsroom.close();
    await rm(dir, { recursive: true, force: true });
  }
}

const [open, guarded] = [await run(false), await run(true)];
console.log(`${'family'.padEnd(28)}${'unprotected'.padEnd(14)}${'behind Cordon'.padEnd(16)}published  refused with`);
for (const [i, { family, harmed }] of open.entries()) {
  const behind = guarded[i];
  const codes = [...new Set(behind?.refused.map(({ code }) => code ?? 'not there'))].join(', ');
  console.log(
    `${family.id.padEnd(28)}${(harmed ? 'succeeds' : 'fails').padEnd(14)}${(behind?.harmed === true ? 'succeeds' : 'fails').padEnd(16)}${(behind?.published === true ? 'yes' : 'no').padEnd(11)}${codes}`,
  );
}
console.log(
  `\n${guarded.filter(({ harmed }) => !harmed).length} of ${guarded.length} attacks fail behind Cordon, ${open.filter(({ harmed }) => harmed).length} of ${open.length} succeed without`,
);
