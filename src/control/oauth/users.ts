// Whom a task is done for: a token of one of the issuers that cordon.yaml names, read into the user that policies know.
// Standards: RFC 9068 §4 (access tokens), OpenID Connect Core §3.1.3.7 (ID tokens), RFC 8725. Promises: two users of two issuers never
// have one name, and a token says nothing before its issuer's key has verified it.
import { keysByKid, readJws, verifyJws } from '../../crypto/jws.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { type Mandate, MANDATE_TYPE, parseMandate } from '../../domain/mandate.ts';
import { Refusal } from '../../domain/refusal.ts';
import { confirmationIn } from '../../sts/confirm.ts';
import type { Subject, UserFacts } from '../../sts/held.ts';
import { acceptIdJag, type ExpectedJag, type IncomingJag } from '../../sts/id-jag.ts';
import { TOKEN_TYPES } from '../../sts/token-type.ts';
import type { TokenIssuerConfig, UserIssuerConfig } from '../config.ts';
import type { IssuerKeys } from '../oidc-keys.ts';

export type UserSubject = Subject & { readonly kind: 'user' };

/** What a user's token may be offered as (RFC 8693 §3), and the `typ` that it then has. */
const TYPES: Readonly<Record<string, readonly (string | undefined)[]>> = {
  [TOKEN_TYPES.access_token]: ['at+jwt'],
  [TOKEN_TYPES.id_token]: [undefined, 'jwt'],
  [TOKEN_TYPES.jwt]: [undefined, 'jwt', 'at+jwt'],
};

/** Milliseconds that clocks may differ. */
export const SKEW = 30_000;
/** Year 9999: what is later is no date. */
const MOST_SECONDS = 253_402_300_800;
const MAX_NAME = 255;
const MAX_GROUPS = 256;

export interface UsersParts {
  readonly users: readonly UserIssuerConfig[];
  /** Whose assertions are believed. */
  readonly trust: readonly TokenIssuerConfig[];
  readonly keys: IssuerKeys;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Users {
  /**
   * Reads a user's token. `type`: what it is offered as. attacker-controlled
   * @throws Refusal CORDON-1009 of no issuer that is known or not signed by it, of another type; CORDON-1010, CORDON-1011, CORDON-9010
   */
  read(token: string, type: string): Promise<UserSubject>;
  /**
   * Accepts an assertion from another domain (ID-JAG), once. attacker-controlled
   * @throws Refusal CORDON-1009, CORDON-1010, CORDON-1011, CORDON-1016, CORDON-9010
   */
  accept(assertion: string, expected: Pick<ExpectedJag, 'issuer' | 'clientId' | 'replays'>): Promise<Accepted>;
}

export interface Accepted {
  readonly subject: UserSubject;
  readonly jag: IncomingJag;
}

export const createUsers = ({ users, trust, keys, now }: UsersParts): Users => ({
  async read(token, type): Promise<UserSubject> {
    const { kid, payload: said } = readJws(token);
    const issuer = issuerOf(users, said);
    const types = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (types === undefined) throw new Refusal('CORDON-1009', 'no type of token that a user has', { observed: `\`${type.slice(0, 80)}\`` });
    const { payload } = verifyJws(token, keysByKid(await keys.keysOf(issuer, kid)), types);
    if (!audiencesOf(payload).includes(issuer.audience)) {
      throw new Refusal('CORDON-1011', 'the token of the user is for another audience', { expected: issuer.audience });
    }
    return subjectOf(payload, issuer, lifetimeOf(payload, now()));
  },

  async accept(assertion, expected): Promise<Accepted> {
    const { kid, payload: said } = readJws(assertion);
    const issuer = issuerOf(trust, said);
    const known = keysByKid(await keys.keysOf(issuer, kid));
    const jag = acceptIdJag(assertion, known, { ...expected, from: issuer.issuer, now: now(), skew: SKEW / 1000 });
    return { subject: subjectOf(jag.claims, issuer, jag.expiresAt * 1000), jag };
  },
});

function issuerOf<T extends TokenIssuerConfig>(issuers: readonly T[], { iss }: JsonObject): T {
  const issuer = issuers.find((known) => known.issuer === iss);
  if (issuer === undefined) throw new Refusal('CORDON-1009', 'the token is of no issuer that is known here');
  return issuer;
}

/** The end of a token's life, when it is inside it. Unix milliseconds. @throws Refusal CORDON-1009, CORDON-1010 */
function lifetimeOf(claims: JsonObject, now: number): number {
  const [until, from = 0, issued = 0] = ['exp', 'nbf', 'iat'].map((name) => timeOf(claims, name));
  if (until === undefined) throw new Refusal('CORDON-1009', 'the token has no `exp`');
  if (now >= until) throw new Refusal('CORDON-1010', 'the token has expired', { observed: new Date(until).toISOString() });
  if (Math.max(from, issued) > now + SKEW) throw new Refusal('CORDON-1010', 'the token is not yet valid');
  return until;
}

function timeOf(claims: JsonObject, name: string): number | undefined {
  const seconds = claims[name];
  if (seconds === undefined) return undefined;
  if (typeof seconds === 'number' && seconds >= 0 && seconds < MOST_SECONDS) return seconds * 1000;
  throw new Refusal('CORDON-1009', `\`${name}\` of the token is no time`);
}

const audiencesOf = ({ aud }: JsonObject): readonly (Json | undefined)[] => (aud !== undefined && isJsonArray(aud) ? aud : [aud]);

function subjectOf(claims: JsonObject, issuer: TokenIssuerConfig, expiresAt: number): UserSubject {
  const [mandate, mayAct, confirmation] = [mandateOf(claims), mayActOf(claims), confirmationIn(claims)];
  return {
    kind: 'user',
    user: userOf(claims, issuer),
    expiresAt,
    ...(mandate === undefined ? {} : { mandate }),
    ...(mayAct === undefined ? {} : { mayAct }),
    ...(confirmation === undefined ? {} : { confirmation }),
  };
}

/** @throws Refusal CORDON-1009 without the claim that names the user, or with one that is not vouched for */
function userOf(claims: JsonObject, issuer: TokenIssuerConfig): UserFacts {
  const sub = claims[issuer.userClaim];
  if (!isName(sub)) throw new Refusal('CORDON-1009', `the token has no \`${issuer.userClaim}\` that names a user`);
  // OpenID Connect Core §5.7: an address that nobody verified is what anybody can enter
  if (issuer.userClaim === 'email' && claims['email_verified'] !== true)
    throw new Refusal('CORDON-1009', 'the email address is not verified');
  return { id: nameIn(issuer, sub), issuer: issuer.issuer, sub, groups: groupsOf(claims, issuer) };
}

function groupsOf(claims: JsonObject, issuer: TokenIssuerConfig): readonly string[] {
  const groups = issuer.groupsClaim === undefined ? undefined : claims[issuer.groupsClaim];
  if (groups === undefined) return [];
  if (isJsonArray(groups) && groups.length <= MAX_GROUPS && groups.every(isName)) return groups.map((group) => nameIn(issuer, group));
  throw new Refusal('CORDON-1009', `\`${issuer.groupsClaim ?? ''}\` is no list of groups`, { expected: `at most ${MAX_GROUPS} names` });
}

/** Injective over all issuers: a bare name has no `/`, every other one begins with the name of its issuer. */
const nameIn = (issuer: TokenIssuerConfig, name: string): string =>
  issuer.default && !name.includes('/') ? name : `${issuer.name}/${name}`;

const isName = (value: Json | undefined): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_NAME && value.isWellFormed() && !/\p{C}/u.test(value);

/** What the user consented to at the issuer (RFC 9396), as far as it is about a task here. @throws Refusal CORDON-1009 */
function mandateOf({ authorization_details: details }: JsonObject): Mandate | undefined {
  if (details === undefined) return undefined;
  const entries = isJsonArray(details) ? details.filter((entry) => isJsonObject(entry) && entry['type'] === MANDATE_TYPE) : [null];
  try {
    return entries.length === 0 ? undefined : parseMandate(entries);
  } catch (cause) {
    throw new Refusal('CORDON-1009', 'the token has `authorization_details` that cannot be read', { cause });
  }
}

/** RFC 8693 §4.4. @throws Refusal CORDON-1009 */
function mayActOf({ may_act: mayAct }: JsonObject): string | undefined {
  if (mayAct === undefined) return undefined;
  const sub = isJsonObject(mayAct) ? mayAct['sub'] : undefined;
  if (typeof sub === 'string') return sub;
  throw new Refusal('CORDON-1009', 'the token has a `may_act` that names nobody');
}
