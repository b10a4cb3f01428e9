// A workload's token from an OpenID Connect issuer elsewhere (a Kubernetes cluster, a CI service): what must hold before a word of it is
// believed (OpenID Connect Core §3.1.3.7, RFC 8725 §3), and which facts it then states.
import type { VerificationKey } from '../crypto/jwk.ts';
import { keysByKid, readJws, verifyJws } from '../crypto/jws.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

/** Clocks of issuers differ. Seconds. */
const SKEW = 60;
/** A token that lives longer was not made to prove who somebody is now. Seconds. */
const LONGEST = 86_400;
/** ID tokens say `JWT` or nothing; access tokens, logout tokens and our own say what they are (RFC 8725 §3.11). */
const TYPES = ['jwt', undefined] as const;
const MAX_SUBJECT = 1000;

/** What a token says of itself before it is verified: where to look for its key, and nothing else. */
export interface TokenClaim {
  readonly issuer: string;
  readonly kid: string | undefined;
}

export interface TokenExpectation {
  readonly issuer: string;
  /** The one audience that the token is for. */
  readonly audience: string;
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** Unix milliseconds. */
  readonly now: number;
}

/** Who says to have issued it. attacker-controlled @throws Refusal CORDON-1009 */
export function readTokenClaim(token: string): TokenClaim {
  const { payload, kid } = readJws(token);
  const { iss } = payload;
  if (typeof iss !== 'string' || iss === '') throw invalid('no issuer');
  return { issuer: iss, kid };
}

/**
 * The claims of a token that `expected.issuer` signed, for us, that lives now.
 * @throws Refusal CORDON-1009 not signed by it or malformed, CORDON-1010 expired, CORDON-1011 for somebody else
 */
export function verifyToken(token: string, { issuer, audience, keys, now }: TokenExpectation): JsonObject {
  const { payload } = verifyJws(token, keysByKid(keys), TYPES);
  // compared byte for byte: `https://idp` and `https://idp/` are two issuers (OpenID Connect Discovery §4.3)
  if (payload['iss'] !== issuer) throw invalid('another issuer', shown(payload['iss']), issuer);
  checkAudience(payload['aud'], audience);
  checkTimes(payload, now / 1000);
  const { sub } = payload;
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT) throw invalid('no subject');
  return payload;
}

/** A token with a second audience could be sent on to us by that one, so there is none. */
function checkAudience(aud: Json | undefined, expected: string): void {
  const all = aud !== undefined && isJsonArray(aud) ? aud : [aud];
  if (all.length === 1 && all[0] === expected) return;
  throw new Refusal('CORDON-1011', 'the token is for another audience', {
    observed: all.slice(0, 3).map(shown).join(', '),
    expected,
    fix: `ask the issuer for a token with the one audience \`${expected}\``,
  });
}

function checkTimes({ exp, iat, nbf }: JsonObject, now: number): void {
  if (!isTime(exp) || !isTime(iat) || (nbf !== undefined && !isTime(nbf))) throw invalid('`exp`, `iat` and `nbf` are times');
  if (now >= exp + SKEW)
    throw new Refusal('CORDON-1010', 'the token has expired', { observed: timeText(now), expected: `before ${timeText(exp)}` });
  if (Math.max(iat, nbf ?? iat) > now + SKEW) throw invalid('not valid yet', timeText(now), `after ${timeText(Math.max(iat, nbf ?? iat))}`);
  if (exp <= iat || exp - iat > LONGEST) throw invalid('lives too long', `${Math.round(exp - iat)} s`, `at most ${LONGEST} s`);
}

const isTime = (value: Json | undefined): value is number => typeof value === 'number' && value > 0 && value < 1e11;
const timeText = (seconds: number): string => new Date(Math.round(seconds * 1000)).toISOString();
const shown = (value: Json | undefined): string =>
  typeof value === 'string' ? value.slice(0, 120) : value === undefined ? 'none' : 'no text';

function invalid(why: string, observed?: string, expected?: string): Refusal {
  const detail = { ...(observed === undefined ? {} : { observed }), ...(expected === undefined ? {} : { expected }) };
  return new Refusal('CORDON-1009', `token not accepted: ${why}`, {
    ...detail,
    fix: 'send a token that the issuer made for this purpose, unchanged',
  });
}

/** Said in other ways, or of the one token and not of the workload. */
const NOT_FACTS: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti']);

/**
 * What verified claims say, as facts: `oidc:claim:kubernetes.io/serviceaccount/name` → `clerk`. Members of objects are joined with `/`,
 * elements of lists are facts of their own; a number or a boolean is its text.
 */
export function* tokenFacts(claims: JsonObject): Generator<readonly [kind: string, value: string]> {
  const { iss, sub } = claims;
  if (typeof iss === 'string') yield ['oidc:iss', iss];
  if (typeof sub === 'string') yield ['oidc:sub', sub];
  const others = Object.entries(claims).filter(([name]) => !NOT_FACTS.has(name));
  for (const [path, value] of claimTexts(Object.fromEntries(others))) yield [`oidc:claim:${path}`, value];
}

/** The claims of an entry in cordon.yaml, or of a token, as path and text. */
export function* claimTexts(claims: JsonObject, above = ''): Generator<readonly [path: string, text: string]> {
  for (const [name, value] of Object.entries(claims)) {
    const path = `${above}${encoded(name)}`;
    if (isJsonObject(value)) yield* claimTexts(value, `${path}/`);
    else for (const text of isJsonArray(value) ? value : [value]) if (isText(text)) yield [path, String(text)];
  }
}

const isText = (value: Json): value is string | number | bigint | boolean => value !== null && typeof value !== 'object';

/** Neither `/` nor `:` in a name can be taken for what separates. */
const encoded = (name: string): string => (name.isWellFormed() ? encodeURIComponent(name) : '');
