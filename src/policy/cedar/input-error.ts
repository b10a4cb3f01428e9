// What is wrong with data that was to become Cedar values, and where.
import { step } from './text.ts';

/** `.input.items[2]: expected a string`. The message holds names and types, never a value. INVARIANT I8 */
export class CedarInputError extends Error {
  override readonly name = 'CedarInputError';
  /** Names of members and indices, from the outside in. */
  readonly path: readonly Step[];

  constructor(path: readonly Step[], problem: string) {
    const place = path.map((one) => (typeof one === 'number' ? `[${one}]` : step(one))).join('');
    super(place === '' ? problem : `\`${place.slice(0, MAX_PLACE)}\`: ${problem}`);
    this.path = [...path];
  }
}

export type Step = string | number;

/** attacker-controlled: names may be long */
const MAX_PLACE = 200;
