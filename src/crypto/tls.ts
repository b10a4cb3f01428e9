// OpenSSL switches that Node has no own option for.
import { constants } from 'node:crypto';

/** No session tickets: resumption re-checks neither expiry, nor trust, nor revocation (nodejs/node#35317). */
export const NO_TICKETS = constants.SSL_OP_NO_TICKET;
