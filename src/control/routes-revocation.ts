// Routes of revocation: of a run, of a token with all that was exchanged from it, of a whole task.
import * as z from 'zod';
import { isTokenName, TOKEN_NAME_LENGTH } from '../domain/revocation.ts';
import { none, reason } from './input.ts';
import { revoke } from './revocation.ts';
import { route, type RouteRow } from './route.ts';

const RUN = /^([0-9A-Z]{4,32}|spiffe:\/\/[\w./-]{1,2039})$/;
const anyRun = z.string().regex(RUN, 'the id of a run; its SPIFFE ID, where it is of another trust domain');
/** Tokens are not kept, so that a slip is seen by the form of the name or not at all. */
const tokenName = z
  .string()
  .refine(isTokenName, `${TOKEN_NAME_LENGTH} digits and upper case letters, as \`cordon delegation verify\` shows them`);

const taskName = z
  .string()
  .refine(
    (text) => isTokenName(text) || RUN.test(text),
    'the name of a task, as `cordon delegation verify` shows it; or a run that calls without one',
  );

const revocation = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('run'), id: anyRun, reason }),
  z.strictObject({ kind: z.literal('token'), id: tokenName, reason }),
  z.strictObject({ kind: z.literal('txn'), id: taskName, reason }),
]);

export const REVOCATION_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/revocations', 'viewer'], none, async ({ control: { store, now } }) => ({
    schema: 'cordon.revocations/v1',
    items: (await store.activeRevocations(now())).map((row) => ({ ...row })),
  })),
  route(['POST', '/v1/revocations', 'analyst'], revocation, async ({ control, caller, input }) => ({
    schema: 'cordon.revocation/v1',
    ...(await revoke(control, { ...input, actor: caller.workload.id })),
  })),
];
