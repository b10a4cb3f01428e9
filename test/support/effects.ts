// What the tool servers of a bed did: the lines that `write` appended, whoever asked.
import { readFile } from 'node:fs/promises';
import type { Answer, Bed } from './bed.ts';

export const effectsOf = async ({ effects }: Pick<Bed, 'effects'>): Promise<readonly string[]> =>
  (await readFile(effects, 'utf8')).split('\n').filter((line) => line !== '');

/** Does the answer say that it was done? */
export const isWritten = ({ status, json }: Answer): boolean =>
  status === 200 && JSON.stringify(json['result'] ?? null).includes('written');
