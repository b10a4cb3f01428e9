// Routes of federation, and the bundle document that other domains fetch.
import * as z from 'zod';
import { writeJson } from '../../domain/json.ts';
import { bundleDocument } from '../../identity/bundle.ts';
import { none } from '../input.ts';
import { bundleOf, type AuthorityKeeper } from '../keys.ts';
import { route, type RouteRow } from '../route.ts';

const domain = z.string().regex(/^[a-z0-9._-]{1,255}$/);

export const FEDERATION_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/federation', 'viewer'], none, ({ control: { config, identityUrl, federation } }) => ({
    schema: 'cordon.federation/v1',
    trust_domain: config.trustDomain,
    bundle_url: `${identityUrl}${BUNDLE_PATH}`,
    items: federation.domains(),
  })),
  route(['POST', '/v1/federation/:domain/refresh', 'operator'], z.strictObject({ domain }), async ({ control, caller, input }) => ({
    schema: 'cordon.federated-domain/v1',
    ...(await control.federation.refresh(input.domain, caller.workload.id)),
  })),
];

/** Where other domains fetch the bundle of this one, without any identity (SPIFFE Federation §5.2). */
export const BUNDLE_PATH = '/v1/spiffe-bundle';

/** What they get there. */
export const bundleText = (authority: AuthorityKeeper): string => writeJson(bundleDocument(bundleOf(authority)));
