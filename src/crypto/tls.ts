// OpenSSL switches that Node has no own option for.
import { constants } from 'node:crypto';

/**
 * No session tickets: resumption re-checks neither expiry, nor trust, nor revocation (nodejs/node#35317). TLS 1.3 then still offers a session
 * id, which comes to nothing, because nothing is kept under it.
 */
export const NO_TICKETS = constants.SSL_OP_NO_TICKET;
