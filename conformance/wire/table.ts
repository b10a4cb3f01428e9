// Every attack, by class.
import type { Class } from './attack.ts';
import { FRAMING } from './framing.ts';
import { HEADERS, TARGETS } from './headers.ts';
import { JSON_ATTACKS } from './json.ts';

export const ATTACKS: readonly Class[] = [
  ['framing', FRAMING],
  ['headers', HEADERS],
  ['targets', TARGETS],
  ['json', JSON_ATTACKS],
];
