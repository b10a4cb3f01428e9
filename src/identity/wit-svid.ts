// Validating a WIT-SVID: a token that names a workload and is worth nothing without the key that it is bound to, so that it has no audience.
// Standard: SPIFFE WIT-SVID §3, §4 (incubating).
import { isPrivate, readJwk, type VerificationKey } from '../crypto/jwk.ts';
import { readJws, verifyJws, type UnverifiedJws } from '../crypto/jws.ts';
import { isJsonObject, type Json } from '../domain/json.ts';
import { trustDomainOf, type SpiffeId, type TrustDomain } from '../domain/spiffe-id.ts';
import { flaw } from './flaws.ts';
import { checkTimes, keyOf, subjectOf } from './jwt-svid.ts';

const TYPE = 'wit+jwt';

export interface WitSvid {
  readonly id: SpiffeId;
  /** Whose possession the workload proves with each request. */
  readonly key: VerificationKey;
}

export interface WitSvidCheck {
  /** Keys of a trust domain by `kid`; undefined: it is not known. */
  readonly keysOf: (domain: TrustDomain) => ReadonlyMap<string, VerificationKey> | undefined;
  /** Unix milliseconds. */
  readonly now: number;
}

/** attacker-controlled @throws Refusal CORDON-1004, CORDON-1006, CORDON-1009, CORDON-1010 */
export function validateWitSvid(token: string, { keysOf, now }: WitSvidCheck): WitSvid {
  const read = readJws(token);
  const svid = readWitSvid(read, now);
  const keys = keysOf(trustDomainOf(svid.id));
  if (keys === undefined) throw flaw('unknown-domain', { observed: trustDomainOf(svid.id) });
  verifyJws(token, () => keyOf(read, keys), [TYPE]);
  return svid;
}

/** What a token says, by all rules but the signature. attacker-controlled @throws Refusal CORDON-1006, CORDON-1009, CORDON-1010 */
export function readWitSvid(read: UnverifiedJws, now: number): WitSvid {
  if (read.typ !== TYPE) throw flaw('typ');
  if (read.kid === undefined || read.kid.trim() === '') throw flaw('token-kid');
  const id = subjectOf(read);
  if (Object.hasOwn(read.payload, 'aud')) throw flaw('has-aud');
  checkTimes(read.payload, now);
  return { id, key: boundKey(read.payload['cnf']) };
}

/** RFC 7800 §3.2, with an `alg` that says how the workload signs. */
function boundKey(cnf: Json | undefined): VerificationKey {
  const jwk = isJsonObject(cnf) ? cnf['jwk'] : undefined;
  if (!isJsonObject(jwk)) throw flaw('cnf');
  if (typeof jwk['alg'] !== 'string') throw flaw('cnf-alg');
  if (isPrivate(jwk)) throw flaw('cnf-private');
  try {
    return readJwk(jwk);
  } catch (cause) {
    throw flaw('cnf-key', { cause });
  }
}
