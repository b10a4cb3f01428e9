// Members of a token that was verified, read strictly. Times are Unix seconds (RFC 7519 §2, NumericDate; here whole numbers).
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, type SpiffeId, type Workload } from '../domain/spiffe-id.ts';

const MOST_TEXT = 2_048;
const MOST_TEXTS = 256;

export const malformed = (claim: string): Refusal => new Refusal('CORDON-1009', `token malformed: \`${claim}\``);

/** @throws Refusal CORDON-1009 */
export function textClaim(claims: JsonObject, name: string): string {
  const value = claims[name];
  if (typeof value === 'string' && value !== '' && value.length <= MOST_TEXT) return value;
  throw malformed(name);
}

/** @throws Refusal CORDON-1009 */
export const optionalText = (claims: JsonObject, name: string): string | undefined =>
  claims[name] === undefined ? undefined : textClaim(claims, name);

/** A list of texts, in its order. @throws Refusal CORDON-1009 */
export function textsClaim(claims: JsonObject, name: string): readonly string[] {
  const value = claims[name];
  if (!isJsonArray(value) || value.length > MOST_TEXTS) throw malformed(name);
  return value.map((text) => {
    if (typeof text === 'string' && text !== '' && text.length <= MOST_TEXT) return text;
    throw malformed(name);
  });
}

/** @throws Refusal CORDON-1009 */
export function secondsClaim(claims: JsonObject, name: string): number {
  const value = claims[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw malformed(name);
}

/** @throws Refusal CORDON-1009 */
export function objectClaim(claims: JsonObject, name: string): JsonObject {
  const value = claims[name];
  if (isJsonObject(value)) return value;
  throw malformed(name);
}

/** `aud`: one text, or a list of them. @throws Refusal CORDON-1009 */
export function audienceClaim(claims: JsonObject): readonly string[] {
  return typeof claims['aud'] === 'string' ? [textClaim(claims, 'aud')] : textsClaim(claims, 'aud');
}

export interface Clock {
  /** Unix milliseconds. */
  readonly now: number;
  /** Seconds by which the clock of whoever issued the token may be ahead. */
  readonly skew: number;
}

export const secondsOf = (milliseconds: number): number => Math.floor(milliseconds / 1000);

export interface Lifetime {
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/**
 * `iat`, `exp` and `nbf`. `most`: seconds that a token of its kind may live.
 * @throws Refusal CORDON-1010 expired; CORDON-1009 not yet valid, or valid for longer than such a token may be
 */
export function lifetimeOf(claims: JsonObject, { now, skew }: Clock, most: number): Lifetime {
  const [issuedAt, expiresAt, at] = [secondsClaim(claims, 'iat'), secondsClaim(claims, 'exp'), secondsOf(now)];
  if (at >= expiresAt) throw new Refusal('CORDON-1010', 'token expired', { observed: `${at - expiresAt} s ago` });
  const from = claims['nbf'] === undefined ? issuedAt : Math.max(issuedAt, secondsClaim(claims, 'nbf'));
  if (from > at + skew) throw new Refusal('CORDON-1009', 'token not yet valid', { observed: `in ${from - at} s` });
  if (expiresAt <= issuedAt || expiresAt - issuedAt > most) {
    throw new Refusal('CORDON-1009', 'token lives for longer than its kind may', { expected: `at most ${most} s` });
  }
  return { issuedAt, expiresAt };
}

/** An agent's run: only a run acts. @throws Refusal CORDON-1009 */
export function runIn(claim: string, text: Json | undefined): Workload & { readonly run: string } {
  if (typeof text !== 'string') throw malformed(claim);
  const workload = workloadIn(claim, text);
  if (workload.kind !== 'agent' || workload.run === undefined) throw malformed(claim);
  return { ...workload, run: workload.run };
}

function workloadIn(claim: string, text: string): Workload {
  try {
    return parseWorkload(parseSpiffeId(text));
  } catch {
    throw malformed(claim);
  }
}

/** Hops that a reader looks at; what is issued has fewer. */
const MOST_HOPS = 16;

/** The `act` claim (RFC 8693 §4.1) of a chain, which is oldest first: the newest is outermost. */
export const actClaim = (chain: readonly SpiffeId[]): JsonObject =>
  chain.reduce<JsonObject>((act, sub) => (act['sub'] === undefined ? { sub } : { sub, act }), {});

/** The chain of an `act` claim, oldest first: runs of agents, none of them twice. @throws Refusal CORDON-1009 */
export function chainOf(act: Json | undefined): readonly SpiffeId[] {
  const newestFirst: SpiffeId[] = [];
  const seen = new Set<string>();
  for (let hop = act; hop !== undefined;) {
    if (!isJsonObject(hop) || newestFirst.length === MOST_HOPS) throw malformed('act');
    const { sub, act: older, ...others } = hop;
    const { id, name } = runIn('act', sub);
    if (Object.keys(others).length > 0 || seen.has(name)) throw malformed('act');
    seen.add(name);
    newestFirst.push(id);
    hop = older;
  }
  if (newestFirst.length === 0) throw malformed('act');
  return newestFirst.toReversed();
}

/** Whom a task is done for, as their issuer names them. */
export interface TokenUser {
  readonly issuer: string;
  /** As that issuer calls them. */
  readonly sub: string;
  /** As policies know them. */
  readonly groups: readonly string[];
}

export const userClaim = ({ issuer, sub, groups }: TokenUser): JsonObject => ({
  iss: issuer,
  sub,
  ...(groups.length === 0 ? {} : { groups }),
});

/** @throws Refusal CORDON-1009 */
export function userIn(claims: JsonObject): TokenUser | undefined {
  if (claims['user'] === undefined) return undefined;
  const user = objectClaim(claims, 'user');
  const groups = user['groups'] === undefined ? [] : textsClaim(user, 'groups');
  return { issuer: textClaim(user, 'iss'), sub: textClaim(user, 'sub'), groups };
}
