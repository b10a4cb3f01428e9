// A bed whose Cordon knows the users of two issuers, with what a client of its token service needs: forms, user tokens, DPoP proofs.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { Agent, fetch as undiciFetch } from 'undici';
import { openBed, send, type Answer, type Bed, type BedOptions, type Svid } from './bed.ts';

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
export const TYPE = {
  access: 'urn:ietf:params:oauth:token-type:access_token',
  id: 'urn:ietf:params:oauth:token-type:id_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  txn: 'urn:ietf:params:oauth:token-type:txn_token',
} as const;
export const ASSERTION = {
  spiffe: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
  bearer: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
} as const;

/** Somebody who signs: an issuer, a client, or whoever claims to be one. */
export interface Signer {
  readonly key: CryptoKey;
  readonly jwk: JWK;
  readonly jwks: { readonly keys: readonly JWK[] };
}

export async function makeSigner(kid: string, alg = 'ES256'): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg };
  return { key: privateKey, jwk, jwks: { keys: [jwk] } };
}

export const now = (): number => Math.floor(Date.now() / 1000);

/** A JWT of these claims and header members, whatever they are. */
export const jwt = ({ key, jwk }: Signer, claims: JWTPayload, header: object = {}): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: jwk.alg ?? 'ES256', kid: jwk.kid, ...header } as { alg: string }).sign(key);

export const CORP = { issuer: 'https://login.corp.example', audience: 'cordon-desk' };
export const PARTNER = { issuer: 'https://idp.partner.example' };
/** An authorization server elsewhere, where `caller` is known as a client. */
export const ELSEWHERE = 'https://as.partner.example';

export type FormValues = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface Post {
  /** `token` | `introspect` | `revoke` */
  readonly to?: string;
  /** Over mTLS at the control listener with this SVID; without one at the identity listener. */
  readonly as?: Svid;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly method?: string;
  /** In place of the form. */
  readonly body?: string;
}

/** As every one of the clients calls it. */
export type Fetch = (url: string | URL, init?: object) => Promise<Response>;

export interface OauthBed extends Bed {
  /** Of the token service: the identity listener. */
  readonly issuer: string;
  /** The control listener. */
  readonly mtls: string;
  /** The gateway: the audience of task tokens. */
  readonly gateway: string;
  readonly ca: string;
  readonly users: Signer;
  readonly partner: Signer;
  readonly operator: Svid;
  /** A token of a user of the issuer `corp`; members that are undefined are left out. */
  userToken(claims?: Readonly<Record<string, unknown>>, header?: object): Promise<string>;
  post(form: FormValues, how?: Post): Promise<Answer>;
  /** `fetch` for clients that take one. */
  fetchAs(svid: Partial<Svid>): Fetch;
}

export function formOf(values: FormValues): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of typeof value === 'string' ? [value] : (value ?? [])) form.append(name, each);
  }
  return form.toString();
}

/** More lines under `tokens`, under `tokens.users`, under `tokens.trust`. */
export interface OauthOptions extends BedOptions {
  readonly tokens?: string;
  readonly users?: string;
  readonly trust?: string;
}

export async function openOauthBed(options: OauthOptions = {}): Promise<OauthBed> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-oauth-'));
  const [users, partner] = [await makeSigner('corp-1'), await makeSigner('partner-1')];
  const file = async (name: string, { jwks }: Signer): Promise<string> => {
    await writeFile(join(dir, name), JSON.stringify(jwks));
    return join(dir, name);
  };
  const section = `
tokens:
  users:
    corp: { issuer: "${CORP.issuer}", audience: ${CORP.audience}, jwks: { file: "${await file('corp.json', users)}" }, groupsClaim: groups }
    lab: { issuer: "https://login.lab.example", audience: ${CORP.audience}, jwks: { file: "${await file('lab.json', users)}" } }
${options.users ?? ''}
  trust:
    partner: { issuer: "${PARTNER.issuer}", jwks: { file: "${await file('partner.json', partner)}" } }
${options.trust ?? ''}
  clients:
    "${ELSEWHERE}": { caller: cordon-caller }
${options.tokens ?? ''}
`;
  const bed = await openBed({
    tools: false,
    ...options,
    configure: (yaml) => (options.configure ?? ((text: string) => text))(`${yaml}${section}`),
  });
  const own = JSON.parse(await readFile(join(bed.data, 'operator/credentials.json'), 'utf8')) as Record<
    'chain' | 'privateKey' | 'bundle',
    string
  >;
  return {
    ...bed,
    issuer: `https://127.0.0.1:${bed.ports.identity}`,
    mtls: `https://127.0.0.1:${bed.ports.control}`,
    gateway: `https://127.0.0.1:${bed.ports.gateway}`,
    ca: own.bundle,
    users,
    partner,
    operator: { cert: own.chain, key: own.privateKey, ca: own.bundle },
    userToken: (claims = {}, header = {}) =>
      jwt(users, { iss: CORP.issuer, aud: CORP.audience, sub: 'alice', iat: now(), exp: now() + 600, ...claims }, header),
    post: (form, { to = 'token', as, headers = {}, method = 'POST', body = formOf(form) } = {}) =>
      send({
        port: as === undefined ? bed.ports.identity : bed.ports.control,
        path: `/oauth2/${to}`,
        method,
        ...(method === 'GET' ? {} : { body }),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        svid: as ?? { ca: own.bundle },
      }),
    fetchAs: (svid) => fetchWith({ ca: own.bundle, ...svid }),
  };
}

/** `fetch` over connections with this certificate; whoever answers is only held against the bundle. */
export function fetchWith(svid: Partial<Svid>): Fetch {
  const dispatcher = new Agent({ connect: { ...svid, checkServerIdentity: () => undefined } });
  return async (url, init) => {
    const { status, headers, ...answer } = await undiciFetch(url, { ...init, dispatcher }).then(async (got) => ({
      status: got.status,
      headers: [...got.headers],
      body: await got.text(),
    }));
    return new Response(answer.body, { status, headers }); // clients ask whether it is one of this process
  };
}

/** A DPoP proof (RFC 9449 §4.2) of these members and no others than are not undefined. */
export async function proof(key: Signer, claims: Readonly<Record<string, unknown>>, header: object = {}): Promise<string> {
  const { kid: _kid, alg = 'ES256', ...jwk } = key.jwk;
  const all = { jti: crypto.randomUUID(), htm: 'POST', iat: now(), ...claims };
  return new SignJWT(all).setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header }).sign(key.key);
}

export const thumbprint = ({ jwk }: Signer): Promise<string> => calculateJwkThumbprint(jwk);

/** base64url SHA-256 of the DER of a certificate (RFC 8705 §3.1). */
export function x5t({ cert }: Svid): string {
  const [leaf = ''] = cert.match(/-----BEGIN CERTIFICATE-----[^-]+/) ?? [];
  return createHash('sha256')
    .update(Buffer.from(leaf.replace(/-----[^-]+-----|\s/g, ''), 'base64'))
    .digest('base64url');
}

/** What a token says, unverified. */
export const claimsOf = (token: unknown): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
