// Routes of the keys of the trust domain: where each stands, and the steps by which one replaces another.
import * as z from 'zod';
import { none } from './input.ts';
import { KEY_USES, STEPS } from './keys.ts';
import { route, type RouteRow } from './route.ts';

const rotation = z.strictObject({ step: z.enum(STEPS), use: z.enum(KEY_USES), whoeverIsCutOff: z.boolean().default(false) });

/** A step may wait for a second person. */
const byTwo = (row: RouteRow): RouteRow => ({ ...row, second: 'ca' });

export const CA_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/ca', 'viewer'], none, ({ control: { authority, config, now, interceptionRoot } }) => ({
    schema: 'cordon.ca/v1',
    trustDomain: config.trustDomain,
    now: now(),
    sequence: authority.sequence(),
    keys: authority.keys(),
    bundle: authority.current().bundle,
    ...(interceptionRoot === undefined ? {} : { interception: interceptionRoot }),
  })),
  byTwo(
    route(['POST', '/v1/ca/rotate', 'admin'], rotation, async ({ control, caller, input: { step, use, whoeverIsCutOff } }) => ({
      schema: 'cordon.rotation/v1',
      ...(await control.authority.rotate(step, use, caller.workload.id, whoeverIsCutOff)),
    })),
  ),
];
