// What a PDP says of itself. Standard: AuthZEN 1.0 §9 (metadata), §10.1 (default paths), obligations profile (`supported_obligations`).
import type { JsonObject } from '../../domain/json.ts';
import type { AuthzenPdp } from './port.ts';

export type AuthzenApi = 'evaluation' | 'evaluations' | 'search/subject' | 'search/resource' | 'search/action';

/** Path below the base → its name in the metadata. */
const ENDPOINTS: Readonly<Record<AuthzenApi, string>> = {
  evaluation: 'access_evaluation_endpoint',
  evaluations: 'access_evaluations_endpoint',
  'search/subject': 'search_subject_endpoint',
  'search/resource': 'search_resource_endpoint',
  'search/action': 'search_action_endpoint',
};

export const AUTHZEN_APIS = Object.keys(ENDPOINTS).filter((api): api is AuthzenApi => Object.hasOwn(ENDPOINTS, api));

/** `/access/v1/evaluation` */
export const pathOf = (api: AuthzenApi): string => `/access/v1/${api}`;

/** The segment that stands between the host and the path of the base (§9.2). */
export const WELL_KNOWN = '/.well-known/authzen-configuration';

/** `base`: an https URL without a slash at its end. */
export const metadataOf = (base: string, { obligations }: Pick<AuthzenPdp, 'obligations'>): JsonObject => ({
  policy_decision_point: base,
  ...Object.fromEntries(AUTHZEN_APIS.map((api) => [ENDPOINTS[api], `${base}${pathOf(api)}`])),
  supported_obligations: obligations,
});
