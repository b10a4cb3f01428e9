// Connections that were refused before they carried a request: no identity, a certificate that is not ours, bytes that are no HTTP.
// They cost a stranger nothing, so what is recorded of them is capped, and the cap says how many it swallowed. INVARIANTS I3, I10
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Refusal, errorCodeOf } from '../domain/refusal.ts';
import { claimedId } from '../identity/svid.ts';
import type { Pep } from './pep.ts';
import { recordRefusal, type Enforcer, type Seen } from './record.ts';

const RECORDED_PER_SECOND = 50;

export interface FailureRecorder {
  /** The TLS handshake failed, or the certificate that it proved is not one that may call. */
  handshake(refusal: Refusal, socket: TLSSocket): void;
  /** Too many at once had not shown who they are: one of them was closed. */
  crowd(refusal: Refusal): void;
  /** An authenticated connection carried something that is no HTTP request for us. */
  http(refusal: Refusal, socket: Duplex): void;
  /** A data plane that is not ours said what it may not. */
  plane(refusal: Refusal, enforcer: Enforcer): void;
}

export function createFailureRecorder(pep: Pep): FailureRecorder {
  const record = capped(pep);
  return {
    handshake: (refusal, socket) =>
      record(refusal, { peer: undefined, action: 'tls/handshake', resource: 'gateway', claimed: claimOf(socket) }),
    crowd: (refusal) => record(refusal, { peer: undefined, action: 'tls/handshake', resource: 'gateway' }),
    http: (refusal, socket) => record(refusal, { peer: pep.connections.peerOf(socket), action: 'http', resource: 'gateway' }),
    plane: (refusal, enforcer) => record(refusal, { peer: undefined, action: 'data-plane', resource: 'gateway', enforcer }),
  };
}

function capped(pep: Pep): (refusal: Refusal, seen: Seen) => void {
  let second = 0;
  let count = 0;
  return (refusal, seen) => {
    const now = Math.floor(pep.now() / 1000);
    const swallowed = now === second ? 0 : count - RECORDED_PER_SECOND;
    if (now !== second) [second, count] = [now, 0];
    if (++count > RECORDED_PER_SECOND) return;
    try {
      if (swallowed > 0) recordRefusal(pep, overCap(swallowed), { peer: undefined, action: 'tls/handshake', resource: 'gateway' });
      recordRefusal(pep, refusal, seen);
    } catch {
      // the connection is refused either way; a log that cannot record also refuses every call
    }
  };
}

const overCap = (swallowed: number): Refusal =>
  new Refusal('CORDON-4003', `${swallowed} more refused connections in one second were not recorded one by one`);

/** Verification errors of OpenSSL, and what they mean here. */
const HANDSHAKE: Readonly<Record<string, () => Refusal>> = {
  CERT_HAS_EXPIRED: () => new Refusal('CORDON-1002', 'certificate expired'),
  CERT_NOT_YET_VALID: () => new Refusal('CORDON-1002', 'certificate not yet valid'),
  UNABLE_TO_GET_ISSUER_CERT: () => new Refusal('CORDON-1001', 'no client certificate'),
};

/** Why a handshake failed, as a refusal; `observed` is a code of OpenSSL or Node, never what the other end said. */
export function handshakeRefusal(error: Error, socket: TLSSocket): Refusal {
  const verification = verificationError(socket);
  const observed = (verification ?? errorCodeOf(error) ?? '').slice(0, 60);
  const known = HANDSHAKE[observed];
  if (known !== undefined) return known();
  if (claimOf(socket) !== undefined || verification !== undefined) {
    return new Refusal('CORDON-1004', 'the certificate is not of this trust domain', { observed });
  }
  return new Refusal('CORDON-1001', 'the TLS handshake failed', { observed });
}

/** Typed as an error, given as a text: `SELF_SIGNED_CERT_IN_CHAIN`. */
function verificationError(socket: TLSSocket): string | undefined {
  const given: unknown = socket.authorizationError;
  return typeof given === 'string' ? given : undefined;
}

function claimOf(socket: TLSSocket): string | undefined {
  try {
    const certificate = socket.getPeerX509Certificate();
    return certificate === undefined ? undefined : claimedId(certificate);
  } catch {
    return undefined; // nothing readable was presented
  }
}
