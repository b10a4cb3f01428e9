// OAuth errors (RFC 6749 §5.2, 7009 §2.2.1, 7523 §3.1, 8693 §2.2.2, 8707 §2, 9396 §5, 9449 §5 and §8). What was refused has a code of
// Cordon; what a client is told follows from the code and from what was being done with its request.
import type { Code } from '../domain/codes.ts';
import { asRefusal, Refusal, type RefusalDetail } from '../domain/refusal.ts';

export type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'temporarily_unavailable'
  | 'server_error';

/** What the request was being used for when it was refused. */
export type Stage = 'request' | 'client' | 'proof' | 'details' | 'assertion' | 'exchange';

const OTHERWISE: Readonly<Record<Stage, OAuthError>> = {
  request: 'invalid_request',
  client: 'invalid_client',
  proof: 'invalid_dpop_proof',
  details: 'invalid_authorization_details',
  assertion: 'invalid_grant',
  exchange: 'invalid_request',
};

/** Codes that say more than the stage does. */
const BY_CODE: Readonly<Partial<Record<Code, OAuthError>>> = {
  'CORDON-2003': 'invalid_authorization_details',
  'CORDON-2005': 'unauthorized_client',
  'CORDON-2010': 'invalid_target',
  'CORDON-4002': 'unauthorized_client',
  'CORDON-4003': 'temporarily_unavailable',
  'CORDON-4005': 'invalid_client',
  'CORDON-9001': 'server_error',
  'CORDON-9004': 'temporarily_unavailable',
  'CORDON-9006': 'server_error',
  'CORDON-9010': 'temporarily_unavailable',
  'CORDON-9012': 'temporarily_unavailable',
};

/** A refusal that knows what an OAuth client is to be told. */
export class OAuthRefusal extends Refusal {
  readonly error: OAuthError;

  constructor(error: OAuthError, code: Code, message: string, detail: RefusalDetail = {}) {
    super(code, message, detail);
    this.error = error;
  }
}

/** What the client is told of a refusal. */
export const oauthErrorOf = (refusal: Refusal, stage: Stage): OAuthError =>
  refusal instanceof OAuthRefusal ? refusal.error : (BY_CODE[refusal.code] ?? OTHERWISE[stage]);

/** Does it, as a part of that stage: what it refuses is told as such. @throws OAuthRefusal */
export function inStage<T>(stage: Stage, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof OAuthRefusal) throw error;
    const refusal = asRefusal(error, 'CORDON-9001', 'the token service failed');
    const { code, message, observed, expected, fix } = refusal;
    throw new OAuthRefusal(oauthErrorOf(refusal, stage), code, message, {
      cause: error,
      fix,
      ...(observed === undefined ? {} : { observed }),
      ...(expected === undefined ? {} : { expected }),
    });
  }
}
