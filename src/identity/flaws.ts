// What can be wrong with an SVID or a bundle, one name a rule: tests and conformance tell one refusal from another by it, and several rules
// share a code. Standards: SPIFFE X509-SVID §4–5, JWT-SVID §2–4, WIT-SVID §3, Trust Domain and Bundle §4; RFC 5280 §6.
import type { Code } from '../domain/codes.ts';
import { Refusal, type RefusalDetail } from '../domain/refusal.ts';

const FLAWS = {
  'not-pem': ['CORDON-1006', 'not PEM'],
  'no-certificate': ['CORDON-1006', 'no certificate'],
  'bad-certificate': ['CORDON-1006', 'not a certificate'],
  'no-key': ['CORDON-1006', 'no private key'],
  'key-mismatch': ['CORDON-1006', 'the private key is not that of the SVID'],
  extension: ['CORDON-1006', 'SVID malformed: an extension is not understood'],
  'no-uri': ['CORDON-1006', 'SVID malformed: no URI name'],
  'many-uris': ['CORDON-1006', 'SVID malformed: more than one URI name'],
  'no-path': ['CORDON-1006', 'SVID malformed: its SPIFFE ID has no path'],
  'leaf-is-ca': ['CORDON-1006', 'SVID malformed: it is an authority'],
  'leaf-usage': ['CORDON-1006', 'SVID malformed: its key may not sign'],
  'leaf-signs-certificates': ['CORDON-1006', 'SVID malformed: its key may sign certificates'],
  'leaf-signs-crls': ['CORDON-1006', 'SVID malformed: its key may sign revocation lists'],
  'leaf-purpose': ['CORDON-1006', 'SVID malformed: not for servers and clients of TLS'],
  'issuer-not-ca': ['CORDON-1006', 'SVID malformed: an issuer is no authority'],
  'issuer-usage': ['CORDON-1006', 'SVID malformed: an issuer may not sign certificates'],
  'issuer-path': ['CORDON-1006', 'SVID malformed: the SPIFFE ID of an issuer has a path'],
  'path-length': ['CORDON-1006', 'SVID malformed: the chain is longer than an issuer allows'],
  'name-constraint': ['CORDON-1004', 'the SVID has a name that its issuer may not vouch for'],
  'unknown-domain': ['CORDON-1004', 'SVID of a trust domain that is not known'],
  'unknown-authority': ['CORDON-1004', 'no root of its own trust domain vouches for the SVID'],
  'no-keys': ['CORDON-1006', 'bundle malformed: `keys` is no list'],
  'no-kid': ['CORDON-1006', 'bundle malformed: a key of tokens has no `kid`'],
  x5c: ['CORDON-1006', 'bundle malformed: `x5c` must have exactly one certificate'],
  'token-kid': ['CORDON-1009', 'the token names no key'],
  'no-sub': ['CORDON-1006', 'the token names no subject'],
  sub: ['CORDON-1006', 'the subject of the token is no SPIFFE ID'],
  alg: ['CORDON-1009', 'token of an algorithm that is not accepted'],
  typ: ['CORDON-1009', 'token of another type'],
  'no-exp': ['CORDON-1009', 'the token has no `exp`'],
  expired: ['CORDON-1010', 'token expired'],
  'not-yet': ['CORDON-1009', 'token not yet valid'],
  'no-aud': ['CORDON-1011', 'the token has no `aud`'],
  audience: ['CORDON-1011', 'token for another audience'],
  'has-aud': ['CORDON-1009', 'a WIT-SVID has no `aud`'],
  cnf: ['CORDON-1009', 'the token is bound to no key'],
  'cnf-alg': ['CORDON-1009', 'the key that the token is bound to says no algorithm'],
  'cnf-key': ['CORDON-1009', 'the token is bound to a key that is not accepted'],
  'cnf-private': ['CORDON-1009', 'the token shows a private key'],
} as const satisfies Readonly<Record<string, readonly [Code, string]>>;

export type Flaw = keyof typeof FLAWS;

/** The refusal of a flaw; `reason` is its name. */
export function flaw(name: Flaw, detail: Omit<RefusalDetail, 'reason'> = {}): Refusal {
  const [code, message] = FLAWS[name];
  return new Refusal(code, message, { ...detail, reason: name });
}
