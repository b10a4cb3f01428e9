// Which key a token is bound to (RFC 7800 `cnf`): of a DPoP proof (RFC 9449 §6) or of a client certificate (RFC 8705 §3.1).
// A task token is bound to the SPIFFE ID of its actor in any case; `cnf` narrows that to one key.
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { malformed } from './claims.ts';

/** One of both. Both are SHA-256, base64url. */
export type Confirmation = { readonly jkt: string } | { readonly 'x5t#S256': string };

const DIGEST = /^[\w-]{43}$/;
const isDigest = (json: Json | undefined): json is string => typeof json === 'string' && DIGEST.test(json);

/** Reads `cnf`; what it says and is not known here cannot be checked, and is refused. @throws Refusal CORDON-1009 */
export function confirmationIn(claims: JsonObject): Confirmation | undefined {
  const cnf = claims['cnf'];
  if (cnf === undefined) return undefined;
  if (!isJsonObject(cnf) || Object.keys(cnf).length !== 1) throw malformed('cnf');
  const { jkt, 'x5t#S256': certificate } = cnf;
  if (isDigest(jkt)) return { jkt };
  if (isDigest(certificate)) return { 'x5t#S256': certificate };
  throw malformed('cnf');
}

/** What whoever sends a request has proven to hold. */
export interface Proven {
  /** Thumbprint of the key of a DPoP proof that was verified. */
  readonly jkt?: string;
  /** `x5t#S256` of the client certificate of the connection. */
  readonly certificate?: string;
}

/**
 * Is the sender the one whom the token is bound to?
 * @throws Refusal CORDON-1013
 */
export function checkConfirmation(confirmation: Confirmation | undefined, { jkt, certificate }: Proven): void {
  if (confirmation === undefined) return;
  const [wanted, proven, what] =
    'jkt' in confirmation
      ? [confirmation.jkt, jkt, 'a DPoP proof']
      : [confirmation['x5t#S256'], certificate, 'the client certificate that it was issued for'];
  if (proven === wanted) return;
  throw new Refusal(
    'CORDON-1013',
    proven === undefined ? 'the token is bound to a key that was not shown' : 'the token is bound to another key',
    {
      expected: what,
    },
  );
}

/**
 * The binding of what is issued for an assertion or a token that may itself be bound. The four cases of ID-JAG: neither is bound → not
 * bound; only the request → bound to its key; both → they must be one key; only the assertion → refused, its key was not shown.
 * @throws Refusal CORDON-1013
 */
export function boundTo(assertion: Confirmation | undefined, proven: Proven): Confirmation | undefined {
  checkConfirmation(assertion, proven);
  return proven.jkt === undefined ? assertion : { jkt: proven.jkt };
}
