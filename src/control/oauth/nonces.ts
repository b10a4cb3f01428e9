// Nonces for DPoP proofs (RFC 9449 §8): one at a time for everybody, replaced every few minutes, never kept. A proof that was made before
// this process started has none of its nonces, so what is forgotten at a restart cannot be replayed after it.
import { randomSecret } from '../../crypto/random.ts';

/** Milliseconds; one that was given out is accepted for at least this and at most twice as long. */
const LIFE = 150_000;

export interface Nonces {
  /** The one to use now. */
  current(): string;
  accepts(nonce: string): boolean;
}

/** `now`: Unix milliseconds. */
export function createNonces(now: () => number): Nonces {
  let [nonce, last, since] = [randomSecret(), '', now()];
  const turn = (): void => {
    const age = now() - since;
    if (age >= 0 && age < LIFE) return;
    [nonce, last, since] = [randomSecret(), age >= 0 && age < 2 * LIFE ? nonce : '', now()];
  };
  return {
    current(): string {
      turn();
      return nonce;
    },
    accepts(offered): boolean {
      turn();
      return offered !== '' && (offered === nonce || offered === last);
    },
  };
}
