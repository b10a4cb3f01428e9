// Data planes that are not Cordon's own and ask it before they forward: how they ask.

/** nginx `auth_request`; Caddy `forward_auth` and what speaks like it; HAProxy SPOE; Envoy `ext_authz` v3 over gRPC. */
export const PLANE_PROTOCOLS = ['auth_request', 'forward_auth', 'spoe', 'ext_authz'] as const;
export type PlaneProtocol = (typeof PLANE_PROTOCOLS)[number];

/** Those that show the body of a request. */
export const SHOWS_BODY: Readonly<Record<PlaneProtocol, boolean>> = {
  auth_request: false,
  forward_auth: false,
  spoe: true,
  ext_authz: true,
};
