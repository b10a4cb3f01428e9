// Where an agent delivers push notifications (A2A 1.0 §4.3). It is never given a caller's webhook: it gets an address of the gateway, in which
// the webhook, its token and its credentials are sealed, together with who may deliver, for whom, about what and until when. Nothing is
// kept: whoever has the key of the store opens it. INVARIANTS I4, I5, I8, I9
import * as z from 'zod';
import type { Sealer } from '../crypto/seal.ts';
import type { AccessRequest, Delegation } from '../domain/access.ts';
import { parseJson, type Json } from '../domain/json.ts';
import { parseSpiffeId } from '../domain/spiffe-id.ts';

const spiffeId = z.string().transform(parseSpiffeId);

/** Who may deliver what, where; what the address of the gateway says to the gateway alone. */
const REFERENCE = z.strictObject({
  /** That delivers. */
  agent: z.string(),
  caller: z.strictObject({ id: z.string(), run: z.string().exactOptional() }),
  /** For whom it was asked for, and what it dies with. */
  delegation: z
    .strictObject({
      token: z.string(),
      parents: z.array(z.string()),
      txn: z.string(),
      chain: z.array(spiffeId),
      user: z.strictObject({ issuer: z.string(), id: z.string() }).exactOptional(),
    })
    .exactOptional(),
  /** In the ids of the agent. A context, where the message that asked for it was to begin the task. */
  about: z.strictObject({ kind: z.enum(['task', 'context']), id: z.string() }),
  url: z.string(),
  secrets: z.strictObject({ token: z.string().exactOptional(), authorization: z.string().exactOptional() }),
  /** Unix milliseconds. */
  until: z.number(),
});
export type PushReference = z.output<typeof REFERENCE>;

/** A webhook of a caller without a task token, whose end would be that of the address. Milliseconds. */
const LIFE_MS = 24 * 3_600_000;
const BOUNDS = { maxBytes: 16_384, maxDepth: 8 };
const SEALED_AS = 'a2a-push';

/** `about`: in the ids of the agent. `now`: Unix milliseconds. */
export const referenceFor = (
  { subject, delegation }: AccessRequest,
  push: Pick<PushReference, 'agent' | 'about' | 'url' | 'secrets'>,
  now: number,
): PushReference => ({
  ...push,
  caller: { id: subject.id, ...(subject.run === undefined ? {} : { run: subject.run }) },
  ...(delegation === undefined ? {} : { delegation: taskOf(delegation) }),
  until: Math.min(delegation?.expiresAt ?? Infinity, now + LIFE_MS),
});

/** The address for the agent. */
export function pushAddress(sealer: Sealer, base: string, reference: PushReference): string {
  const sealed = sealer.seal(SEALED_AS, Buffer.from(JSON.stringify(reference)));
  return `${base}/a2a/${reference.agent}/push/${Buffer.from(sealed).toString('base64url')}`;
}

const taskOf = ({ token, parents, txn, chain, user }: Delegation): NonNullable<PushReference['delegation']> => ({
  token,
  parents: [...parents],
  txn,
  chain: [...chain],
  ...(user === undefined ? {} : { user: { issuer: user.issuer, id: user.id } }),
});

/** What the address says; undefined: it is none of ours. */
export function openPush(sealer: Sealer, sealed: string): PushReference | undefined {
  let json: Json;
  try {
    json = parseJson(sealer.open(SEALED_AS, Buffer.from(sealed, 'base64url')), BOUNDS);
  } catch {
    return undefined; // whoever changes addresses learns nothing from it
  }
  return REFERENCE.safeParse(json).data;
}

const ADDRESS = /\/a2a\/[a-z0-9-]{1,63}\/push\/([\w-]{1,16384})$/;

/** The reference in an address of the gateway, as the agent says it. */
export function pushIn(sealer: Sealer, url: Json | undefined): PushReference | undefined {
  const [, sealed] = typeof url === 'string' ? (ADDRESS.exec(url) ?? []) : [];
  return sealed === undefined ? undefined : openPush(sealer, sealed);
}

/** Was it asked for by this caller, for this user, of this agent? */
export function isAskedBy({ agent, caller, delegation }: PushReference, { subject, resource, delegation: own }: AccessRequest): boolean {
  const [user, ownUser] = [delegation?.user, own?.user];
  return agent === resource.id && caller.id === subject.id && user?.issuer === ownUser?.issuer && user?.id === ownUser?.id;
}
