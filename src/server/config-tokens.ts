// The section `tokens` of `cordon.yaml`: how long task tokens live, whose users there are, and whose assertions are believed.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { KeySource, TokenIssuerConfig, TokensConfig } from '../control/config.ts';
import type { Issue } from './config-place.ts';
import { duration, milliseconds } from './config-values.ts';
import { name } from '../control/input.ts';

const keys = z.union([z.strictObject({ file: z.string() }), z.strictObject({ url: z.url({ protocol: /^https?$/ }) })]);
const claim = z.string().min(1).max(200);

const issuer = z.strictObject({
  /** As `iss` has it, byte for byte; never read as a URL before it is compared. */
  issuer: z.string().min(1).max(2048),
  jwks: keys.optional(),
  /** An issuer on loopback without TLS. */
  allowPlaintextLoopback: z.boolean().default(false),
  /** The private authority behind its TLS certificate. */
  ca: z.string().exactOptional(),
  default: z.boolean().default(false),
  userClaim: claim.default('sub'),
  groupsClaim: claim.optional(),
});

export const TOKENS_SECTION = z.strictObject({
  ttl: duration('10s', '1h').default('5m'),
  maxDepth: z.int().min(1).max(16).default(4),
  users: z.record(name, issuer.extend({ audience: z.string().min(1).max(2048) })).default({}),
  trust: z.record(name, issuer).default({}),
  /** Authorization server elsewhere → agent → its `client_id` there. */
  clients: z.record(z.url({ protocol: /^https$/ }), z.record(name, z.string().min(1).max(500))).default({}),
});

export type TokensSection = z.infer<typeof TOKENS_SECTION>;

interface Registered {
  readonly agents: Readonly<Record<string, unknown>>;
}

/** Paths in it start at `base`. `refuse` is given the first thing that does not fit. */
export function tokensOf(
  { ttl, maxDepth, users, trust, clients }: TokensSection,
  registered: Registered,
  base: string,
  refuse: (issue: Issue) => Error,
): TokensConfig {
  const issue = twinOf(users, trust) ?? strangerOf(clients, registered);
  if (issue !== undefined) throw refuse({ path: ['tokens', ...issue.path], message: issue.message });
  const issuerOf = ([each, row]: [string, z.infer<typeof issuer>]): TokenIssuerConfig => {
    const { issuer: known, jwks, allowPlaintextLoopback: plaintext, ca, default: bare, userClaim, groupsClaim } = row;
    const authority = ca === undefined ? {} : { ca: resolve(base, ca) };
    return {
      name: each,
      issuer: known,
      keys: jwks && sourceOf(jwks, base),
      plaintext,
      default: bare,
      userClaim,
      groupsClaim,
      ...authority,
    };
  };
  return {
    ttl: milliseconds(ttl),
    maxDepth,
    users: Object.entries(users).map(([each, row]) => ({ ...issuerOf([each, row]), audience: row.audience })),
    trust: Object.entries(trust).map(issuerOf),
    clients: Object.entries(clients).flatMap(([server, agents]) => Object.entries(agents).map(([agent, id]) => ({ server, agent, id }))),
  };
}

const sourceOf = (from: z.infer<typeof keys>, base: string): KeySource =>
  'file' in from ? { file: resolve(base, from.file) } : { url: new URL(from.url) };

/** No two issuers whose users could be taken for one another. */
function twinOf(users: TokensSection['users'], trust: TokensSection['trust']): Issue | undefined {
  const rows = [users, trust].flatMap((section, at) =>
    Object.entries(section).map(([each, row]) => ({ ...row, name: each, path: [at === 0 ? 'users' : 'trust', each] as const })),
  );
  for (const [at, row] of rows.entries()) {
    const earlier = rows.slice(0, at);
    if (earlier.some((other) => other.name === row.name)) return { path: row.path, message: 'an issuer of this name stands above' };
    if (earlier.some((other) => other.default && row.default))
      return { path: [...row.path, 'default'], message: 'there is a default already' };
    const same = earlier.find((other) => other.issuer === row.issuer && other.path[0] === row.path[0]);
    if (same !== undefined) return { path: [...row.path, 'issuer'], message: `it is that of \`${same.name}\`` };
  }
  return undefined;
}

function strangerOf(clients: TokensSection['clients'], { agents }: Registered): Issue | undefined {
  for (const [server, names] of Object.entries(clients)) {
    const agent = Object.keys(names).find((each) => !Object.hasOwn(agents, each));
    if (agent !== undefined) return { path: ['clients', server, agent], message: `no agent is called \`${agent}\`` };
  }
  return undefined;
}
