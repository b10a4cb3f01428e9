// What a tool server did, a JSON object a line, in a file that the attacker cannot talk to.
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';

export const record = (stateDir: string, file: string, what: object): Promise<void> =>
  appendFile(join(stateDir, file), `${JSON.stringify(what)}\n`);
