// What the AuthZEN routes ask besides Cordon's own world.
import type { Sealer } from '../crypto/seal.ts';
import type { AuthzenPdp } from '../pdp/authzen/port.ts';

export interface AuthzenService {
  /** PDPs of applications, by name. */
  readonly stores: ReadonlyMap<string, AuthzenPdp>;
  /** Of page tokens: they are good as long as this process lives. */
  readonly pages: Sealer;
  /** Of Cordon, for records. */
  readonly version: string;
}
