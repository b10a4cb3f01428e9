// Names of OAuth: token types (RFC 8693 §3, ID-JAG, Txn-Tokens), grants, assertion types.
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';

export const TOKEN_TYPES = {
  access_token: `${TOKEN_TYPE}access_token`,
  refresh_token: `${TOKEN_TYPE}refresh_token`,
  id_token: `${TOKEN_TYPE}id_token`,
  jwt: `${TOKEN_TYPE}jwt`,
  txn_token: `${TOKEN_TYPE}txn_token`,
  id_jag: `${TOKEN_TYPE}id-jag`,
} as const;
export type TokenType = keyof typeof TOKEN_TYPES;

/** What this token service makes. */
export const ISSUED_TYPES = ['access_token', 'txn_token', 'id_jag'] as const satisfies readonly TokenType[];
export type IssuedType = (typeof ISSUED_TYPES)[number];

export const GRANTS = {
  token_exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  jwt_bearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  client_credentials: 'client_credentials',
} as const;

export const ASSERTION_TYPES = {
  jwt_spiffe: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
  jwt_bearer: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
} as const;

/** `typ` headers: one for each verifier. */
export const TYP = {
  task: 'at+jwt',
  txn: 'txntoken+jwt',
  dpop: 'dpop+jwt',
  idJag: 'oauth-id-jag+jwt',
} as const;

const BY_URN: ReadonlyMap<string, TokenType> = new Map(
  (['access_token', 'refresh_token', 'id_token', 'jwt', 'txn_token', 'id_jag'] as const).map((type) => [TOKEN_TYPES[type], type]),
);

/** The type that a URN names, if it is one of those that are known here. */
export const tokenTypeOf = (urn: string): TokenType | undefined => BY_URN.get(urn);
