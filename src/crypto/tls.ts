// How Cordon serves TLS, wherever it does: to agents, to operators, to data planes, and to the gateway from the SDK.
import { constants } from 'node:crypto';

/**
 * No session tickets: resumption re-checks neither expiry, nor trust, nor revocation (nodejs/node#35317). TLS 1.3 then still offers a session
 * id, which comes to nothing, because nothing is kept under it.
 */
const NO_TICKETS = constants.SSL_OP_NO_TICKET;

/** What a server shows. */
export interface ServerKey {
  /** Leaf and intermediate, PEM. */
  readonly chain: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

/** TLS 1.3 alone, without resumption; whoever comes may stay unnamed. */
export const serverTls = ({ chain, privateKey }: ServerKey) =>
  ({ cert: chain, key: privateKey, minVersion: 'TLSv1.3', secureOptions: NO_TICKETS }) as const;

/** The same, and whoever comes shows a certificate of these roots (PEM), or is refused inside the handshake. INVARIANT I5 */
export const mutualTls = (own: ServerKey, roots: string | string[]) =>
  ({ ...serverTls(own), ca: roots, requestCert: true, rejectUnauthorized: true }) as const;
