// Routes of revocation: of a run, of a token with all that was exchanged from it, of a whole task.
import * as z from 'zod';
import { REVOCABLE } from '../domain/revocation.ts';
import { revoke } from './revocation.ts';
import { route, type RouteRow } from './route.ts';

const reason = z.string().trim().min(1).max(500);
const run = z.string().regex(/^[0-9A-Z]{4,32}$/);
/** Whatever a `jti` or a `txn` is; only equality counts. */
const id = z.string().regex(/^(spiffe:\/\/[\w./-]{1,2039}|[\w.:-]{1,128})$/);

const schema = 'cordon.revocation/v1';

export const REVOCATION_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/revocations', 'viewer'], z.strictObject({}), async ({ control: { store, now } }) => ({
    schema: 'cordon.revocations/v1',
    items: (await store.activeRevocations(now())).map((row) => ({ ...row })),
  })),
  route(['POST', '/v1/runs/:run/revoke', 'analyst'], z.strictObject({ run, reason }), async ({ control, caller, input }) => ({
    schema,
    ...(await revoke(control, { kind: 'run', id: input.run, actor: caller.workload.id, reason: input.reason })),
  })),
  route(
    ['POST', '/v1/revocations', 'analyst'],
    z.strictObject({ kind: z.enum(REVOCABLE), id, reason }),
    async ({ control, caller, input }) => ({
      schema,
      ...(await revoke(control, { ...input, actor: caller.workload.id })),
    }),
  ),
];
