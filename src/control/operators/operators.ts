// What the control plane knows of its operators, as its routes see it.
import type { Directory } from './directory.ts';
import type { HeldOrders } from './held-orders.ts';
import type { Passkeys } from './passkeys.ts';
import type { SignIns } from './sign-in.ts';

export interface OperatorService {
  readonly directory: Directory;
  readonly orders: HeldOrders;
  /** Where people sign in; undefined when nobody but the operator of this machine is to. */
  readonly signingIn: SigningIn | undefined;
}

export interface SigningIn {
  /** Of the pages. */
  readonly origin: URL;
  readonly signIns: SignIns;
  readonly passkeys: Passkeys;
}
