// Deny and error codes: one row per code, one kind per range. A code never changes its meaning, and this table is the only place
// where its title and remedy stand.

export type Kind = 'identity' | 'delegation' | 'policy' | 'containment' | 'access' | 'system';

export interface CodeRow {
  readonly kind: Kind;
  /** Lower case, no full stop; shown to operators and, where disclosure allows, to the caller. */
  readonly title: string;
  /** What to do next, one line, for an operator or developer. */
  readonly fix: string;
  /** May the same call succeed later without anyone changing policy? */
  readonly retryable: boolean;
  /** Status at an HTTP edge (RFC 9457). */
  readonly status: number;
}

const row = (kind: Kind, status: number, title: string, fix: string, retryable = false): CodeRow => ({
  kind,
  title,
  fix,
  retryable,
  status,
});

export const CODES = {
  'CORDON-1001': row('identity', 401, 'no client certificate', 'connect with the SVID of a registered run: `cordon run --as AGENT -- CMD`'),
  'CORDON-1002': row(
    'identity',
    401,
    'certificate expired',
    'renew the SVID; the SDK renews at half life while the control plane is reachable',
    true,
  ),
  'CORDON-1003': row('identity', 401, 'certificate revoked', 'start a new run of the agent after finding out why it was revoked'),
  'CORDON-1004': row(
    'identity',
    401,
    'unknown or wrong trust domain',
    'use an SVID issued by this trust domain; a self-made certificate is never accepted',
  ),
  'CORDON-1005': row('identity', 403, 'attestation failed', 'join with a fresh single-use token from the launcher'),
  'CORDON-1006': row('identity', 401, 'SVID malformed', 'exactly one URI SAN with a SPIFFE ID of this trust domain is required'),
  'CORDON-1007': row(
    'identity',
    503,
    'bundle missing or empty',
    'check `cordon doctor`; no SVID can be verified without a trust bundle',
    true,
  ),
  'CORDON-1012': row('identity', 403, 'no registration entry matches', 'register the agent in `cordon.yaml`'),
  'CORDON-1013': row('identity', 401, 'proof of possession failed', 'sign the request with the key the certificate asks for'),
  'CORDON-1014': row('identity', 403, 'agent not registered', 'add the agent under `agents` in `cordon.yaml`'),
  'CORDON-1008': row('identity', 401, 'token missing', 'call with the task token of the session: exchange one at the token service'),
  'CORDON-1009': row('identity', 401, 'token invalid', 'send a token that the token service of this trust domain issued, unchanged'),
  'CORDON-1010': row('identity', 401, 'token expired', 'exchange a fresh one', true),
  'CORDON-1011': row('identity', 401, 'token for another audience', 'exchange a token for the resource that is called'),
  'CORDON-1015': row(
    'identity',
    403,
    'composition drift',
    'what runs is not what was registered; compare the digests, then register what is right',
  ),
  'CORDON-1016': row('identity', 401, 'proof replayed', 'make a fresh proof for each request', true),
  'CORDON-1017': row(
    'identity',
    403,
    'the operator lacks the role',
    'ask an admin for the role, or somebody who has it: `cordon operator list`',
  ),
  'CORDON-2001': row('delegation', 403, 'delegation chain missing', 'exchange the token of whom this is done for'),
  'CORDON-2002': row('delegation', 403, 'a hop of the delegation has expired', 'start again from a token that lives'),
  'CORDON-2003': row('delegation', 403, 'exceeds what the parent holds', 'ask for tools, arguments and limits that the parent token holds'),
  'CORDON-2004': row('delegation', 403, 'delegation too deep', 'let an agent nearer to the user make the call'),
  'CORDON-2005': row(
    'delegation',
    403,
    'actor not allowed for this subject',
    'permit the one agent to call the other, or name the actor in `may_act`',
  ),
  'CORDON-2006': row('delegation', 403, 'delegation loop', 'an agent does not act for itself, however long the way'),
  'CORDON-2007': row('delegation', 403, 'parent revoked or contained', 'start the task anew; `cordon why` names what was revoked'),
  'CORDON-2008': row('delegation', 403, 'delegation replayed', 'make a fresh assertion for each exchange'),
  'CORDON-2009': row('delegation', 401, 'delegation not signed by the token service', 'send the task token as it was issued'),
  'CORDON-2010': row('delegation', 401, 'delegation for another audience', 'exchange a token for the resource that is called'),
  'CORDON-2011': row('delegation', 403, 'transaction context altered', 'hand the transaction token on as it came'),
  'CORDON-3001': row('policy', 403, 'no matching permit', 'ask the policy owner for a permit; `cordon why` names the nearest one'),
  'CORDON-3002': row('policy', 403, 'forbidden by policy', 'see the reason of the forbid with `cordon why`'),
  'CORDON-3003': row('policy', 404, 'unknown resource', 'register the resource in `cordon.yaml`; names are exact'),
  'CORDON-3004': row('policy', 403, 'tool definition changed', 'compare the definition with the pinned one, then accept or remove it'),
  'CORDON-3005': row('policy', 403, 'argument constraint', 'change the arguments to what the policy allows; `cordon why` names the clause'),
  'CORDON-3006': row('policy', 400, 'argument schema', 'send arguments that fit the input schema of the tool'),
  'CORDON-3007': row('policy', 403, 'segment boundary (no link)', 'link the segments in `cordon.yaml` if this traffic is meant to exist'),
  'CORDON-3008': row('policy', 403, 'unknown action or method', 'use a method that the gateway speaks'),
  'CORDON-3009': row(
    'policy',
    403,
    'obligation cannot be met',
    'have the PEP do what the decision asks of it, or change the policy that asks',
  ),
  'CORDON-3010': row(
    'policy',
    403,
    'egress host',
    'reach the host that was asked for, at an address that may be reached: `egress` in `cordon.yaml`',
  ),
  'CORDON-3011': row('policy', 400, 'header/body mismatch', 'make the headers say what the body says'),
  'CORDON-3012': row('policy', 403, 'required attribute missing', 'guard the optional attribute with `has` in the policy, or send it'),
  'CORDON-3016': row('policy', 502, 'card signature', 'have the agent sign its card with a key of `cardKeys` in `cordon.yaml`'),
  'CORDON-3019': row('policy', 403, 'outside the mandate', 'the task was not given this tool or these arguments: ask for a wider mandate'),
  'CORDON-3020': row('policy', 404, 'no such session', 'begin a new one: `initialize`', true),
  'CORDON-3023': row(
    'policy',
    400,
    'push notifications are not accepted',
    'follow the task with `SubscribeToTask`, or ask for it with `GetTask`',
  ),
  'CORDON-3022': row('policy', 405, 'HTTP method not accepted', 'use a method that the route has'),
  'CORDON-3021': row('policy', 400, 'protocol version not supported', 'speak a version that the answer lists'),
  'CORDON-4002': row('containment', 403, 'level `off`', 'an operator may lift it: `cordon release AGENT --reason TEXT`'),
  'CORDON-4003': row('containment', 429, 'rate limited', 'slow down and retry', true),
  'CORDON-4004': row('containment', 403, 'level `restricted`', 'only reads are left at this level; an operator may lift it'),
  'CORDON-4005': row('containment', 403, 'identity revoked', 'start a new run of the agent'),
  'CORDON-4008': row('containment', 403, 'cut while in flight', 'see `cordon why` of the decision for what changed'),
  'CORDON-5001': row('access', 403, 'approval required', 'a person may approve exactly this call: `cordon grant list`', true),
  'CORDON-5003': row('access', 403, 'approval expired', 'a person may approve it again: `cordon grant list`', true),
  'CORDON-5004': row('access', 403, 'approval used up', 'a person may approve it again: `cordon grant list`', true),
  'CORDON-5005': row('access', 403, 'refused by an approver', 'go on without it; the reason is in `cordon grant get`'),
  'CORDON-5006': row(
    'access',
    403,
    'arguments differ from what was approved',
    'call with the arguments that were approved, or have these approved: `cordon grant list`',
    true,
  ),
  'CORDON-5007': row(
    'access',
    403,
    'approved with narrower arguments',
    'make the call with the arguments that were approved: the answer has them',
    true,
  ),
  'CORDON-5008': row('access', 403, 'approver not eligible', 'ask another operator: nobody approves or reviews what is their own'),
  'CORDON-9001': row(
    'system',
    503,
    'policy decision failed',
    'see the error in `cordon why`; until it is mended every call is denied',
    true,
  ),
  'CORDON-9004': row(
    'system',
    503,
    'log cannot record',
    'free disk space or mend the data directory; nothing is forwarded unrecorded',
    true,
  ),
  'CORDON-9005': row('system', 503, 'policy evaluation error', 'a forbid failed to evaluate, so the call is denied; mend the policy'),
  'CORDON-9006': row('system', 503, 'configuration invalid', 'mend the line that the message names'),
  'CORDON-9007': row('system', 503, 'no policies loaded', 'write a policy, or mend the policy set: `cordon doctor`'),
  'CORDON-9008': row(
    'system',
    503,
    'policy version altered in the store',
    'put a set in force that is known to be right: `cordon policy apply`, or `cordon policy rollback --to VERSION`',
  ),
  'CORDON-9009': row('system', 503, 'clock skew', 'set the clock of this machine', true),
  'CORDON-9010': row('system', 502, 'upstream unavailable', 'start the upstream, or mend its address in `cordon.yaml`', true),
  'CORDON-9011': row('system', 400, 'body truncated, malformed or too large', 'send it again: complete, well formed and within the limits'),
  'CORDON-9012': row('system', 503, 'snapshot or revocation data too old', 'reconnect the gateway to its control plane', true),
  'CORDON-9013': row(
    'system',
    503,
    'upstream at capacity',
    'retry later; `resilience.inFlight` in `cordon.yaml` says how many calls it may hold',
    true,
  ),
  'CORDON-9014': row('system', 503, 'upstream circuit open', 'bring the upstream back; it is tried again by itself: `cordon status`', true),
} as const satisfies Record<`CORDON-${number}`, CodeRow>;

export type Code = keyof typeof CODES;

export const isCode = (value: string): value is Code => Object.hasOwn(CODES, value);
