// The engine of the token service (sts/), given what it asks: keys, limits, who may call whom, and what was revoked.
import { keysByKid } from '../../crypto/jws.ts';
import { datedId, randomId } from '../../crypto/random.ts';
import { EVERYTHING } from '../../domain/mandate.ts';
import { TOKEN_NAME_LENGTH } from '../../domain/revocation.ts';
import { parseWorkload } from '../../domain/spiffe-id.ts';
import { revokedIn } from '../../pdp/liveness.ts';
import { DEFAULT_LIMITS, type Lineage, type TokenService } from '../../sts/service.ts';
import type { Control } from '../control.ts';
import { SKEW } from './users.ts';

/** There is one, for protocols that need one (transaction tokens): what a task may do is in its mandate alone. */
export const SCOPES: ReadonlySet<string> = new Set(['cordon']);

/** As things stand now. */
export function engineOf(control: Control): TokenService {
  const { config, tokens, identityUrl, gatewayUrl, now } = control;
  const { ttl, maxDepth, clients } = config.tokens;
  const at = now();
  return {
    issuer: identityUrl,
    trustDomain: config.trustDomain,
    signer: tokens.keys.current(),
    keys: keysByKid(tokens.keys.keys()),
    now: at,
    newId: () => randomId(TOKEN_NAME_LENGTH),
    newTask: () => datedId(at, TOKEN_NAME_LENGTH),
    limits: { ...DEFAULT_LIMITS, taskLife: ttl / 1000, depth: maxDepth, skew: SKEW / 1000 },
    mandate: EVERYTHING,
    scopes: SCOPES,
    audience: gatewayUrl,
    isResource: (audience) => isResource(control, audience),
    mayDelegate: (from, to) => mayCall(control, from, to),
    isRevoked: (lineage) => deathOf(control, lineage) !== undefined,
    clientAt: (server, agent) => clients.find((client) => client.server === server && client.agent === parseWorkload(agent).name)?.id,
  };
}

/** Why nothing that comes from these tokens, or through these runs, lives any more; undefined while it does. */
export function deathOf({ publisher }: Control, { txn, tokens, chain }: Lineage): string | undefined {
  const [token = '', ...parents] = tokens;
  return revokedIn(publisher.current(), { token, parents, txn, chain });
}

/** The gateway, or one of its routes. */
function isResource({ gatewayUrl, publisher }: Control, audience: string): boolean {
  if (audience === gatewayUrl) return true;
  const { agents, resources } = publisher.world();
  return (
    resources.some(({ name }) => audience === `${gatewayUrl}/mcp/${name}`) ||
    agents.some(({ name }) => audience === `${gatewayUrl}/a2a/${name}`)
  );
}

/** What the one agent may hand to the other is what it may call it with. */
function mayCall(control: Control, from: string, to: string): boolean {
  const { decision } = control.ask({
    subject: { type: 'agent', id: from, spiffeId: control.agentId(from) },
    action: { name: 'a2a/SendMessage' },
    resource: { type: 'agent', id: to },
    context: {},
  });
  return decision.verdict === 'allow';
}
