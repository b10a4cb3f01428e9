// The route by which an operator looks at a task token: what it says, and whether anything of it is worth anything now.
import * as z from 'zod';
import { MAX_TOKEN } from '../../crypto/jws.ts';
import type { JsonObject } from '../../domain/json.ts';
import { mandateJson } from '../../domain/mandate.ts';
import { parseWorkload } from '../../domain/spiffe-id.ts';
import type { TaskToken } from '../../sts/task-token.ts';
import { refusalOf } from '../problem.ts';
import type { Control } from '../control.ts';
import { route, type RouteRow } from '../route.ts';
import { checkLiving, readOwn } from './known-token.ts';

const shown = z.strictObject({ token: z.string().min(1).max(MAX_TOKEN) });

export const DELEGATION_ROUTES: readonly RouteRow[] = [
  route(['POST', '/v1/delegations/verify', 'viewer'], shown, ({ control, input }) => ({
    schema: 'cordon.delegation/v1',
    ...verify(control, input.token),
  })),
];

/** What a token that is ours says is said also when it is dead; of any other nothing is. */
function verify(control: Control, text: string): JsonObject {
  let token: TaskToken | undefined;
  try {
    token = readOwn(control, text);
    checkLiving(control, token);
    return { live: true, delegation: delegationOf(token) };
  } catch (error) {
    const { code, message, observed, fix, row } = refusalOf(error);
    if (row.kind === 'system') throw error;
    const why = { code, message, ...(observed === undefined ? {} : { observed }), fix };
    return { live: false, why, ...(token === undefined ? {} : { delegation: delegationOf(token) }) };
  }
}

const delegationOf = ({
  sub,
  user,
  audience,
  jti,
  txn,
  chain,
  mandate,
  scope,
  confirmation,
  parents,
  issuedAt,
  expiresAt,
}: TaskToken): JsonObject => ({
  sub,
  ...(user === undefined ? {} : { user: { ...user } }),
  chain: chain.map((id) => ({ sub: id, agent: parseWorkload(id).name })),
  audience,
  jti,
  txn,
  parents,
  mandate: mandateJson(mandate),
  ...(scope === undefined ? {} : { scope }),
  ...(confirmation === undefined ? {} : { cnf: confirmation }),
  issued_at: issuedAt * 1000,
  expires_at: expiresAt * 1000,
});
