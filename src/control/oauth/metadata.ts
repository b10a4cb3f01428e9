// The metadata of the token service (RFC 8414 §2): what it speaks, and where. Everything that it says is what the tables here say.
import { JWS_ALGORITHMS } from '../../crypto/jwk.ts';
import type { JsonObject } from '../../domain/json.ts';
import { MANDATE_TYPE } from '../../domain/mandate.ts';
import { GRANTS } from '../../sts/token-type.ts';
import type { Control } from '../control.ts';
import { SCOPES } from './engine.ts';

/** RFC 8705 §2.1, and what SPIFFE client authentication calls its own. */
const METHODS = ['tls_client_auth', 'private_key_jwt', 'spiffe_jwt'];

export function authorizationServer({ identityUrl: issuer, controlUrl, gatewayUrl }: Control): JsonObject {
  return {
    issuer,
    // nobody is sent there, and nobody is let in: clients of MCP read no metadata without it
    authorization_endpoint: `${issuer}/oauth2/authorize`,
    ...endpointsAt(issuer),
    jwks_uri: `${issuer}/oauth2/jwks`,
    scopes_supported: [...SCOPES],
    response_types_supported: [],
    grant_types_supported: Object.values(GRANTS),
    token_endpoint_auth_methods_supported: METHODS,
    token_endpoint_auth_signing_alg_values_supported: JWS_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: JWS_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: JWS_ALGORITHMS,
    authorization_details_types_supported: [MANDATE_TYPE],
    dpop_signing_alg_values_supported: JWS_ALGORITHMS,
    tls_client_certificate_bound_access_tokens: true,
    mtls_endpoint_aliases: endpointsAt(controlUrl),
    protected_resources: [gatewayUrl],
  };
}

const endpointsAt = (base: string): JsonObject => ({
  token_endpoint: `${base}/oauth2/token`,
  introspection_endpoint: `${base}/oauth2/introspect`,
  revocation_endpoint: `${base}/oauth2/revoke`,
});
