// Every claim Cordon makes, and whether a test proves it. A test cites a claim in its name: `test('[I2] …')`, `test('[RFC6962 §2.1] …')`.
// `requirements.test.ts` fails when a test cites an unknown claim and when a proved claim has no test. Ids: I = invariant of the design,
// U = requirement of the user experience, otherwise the standard.

export type Requirement =
  | { readonly title: string; readonly status: 'proved' }
  | { readonly title: string; readonly status: 'later'; readonly why: string };

const proved = (title: string): Requirement => ({ title, status: 'proved' });
const later = (title: string, why: string): Requirement => ({ title, status: 'later', why });

const BEING_BUILT = 'the part is being built; its tests come with it';

export const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  I1: later(
    'Default deny. Nothing registered, no policy, no snapshot, stale snapshot, engine error, log failure: deny',
    BEING_BUILT,
  ),
  I2: later('What is forwarded is exactly what was authorised', BEING_BUILT),
  I3: later('Recorded before effect; refusals are recorded too', BEING_BUILT),
  I4: later(
    'Delegation and mandates only narrow; a decision is the intersection of agent, user and task',
    'no token service yet: agents act in their own name',
  ),
  I5: later('A credential is useless to anyone but the one it was issued to, and dies within minutes', BEING_BUILT),
  I6: later('Revocation and containment reach live connections, and report only what was observed', BEING_BUILT),
  I7: later(
    'No agent can change policy, identity, levels or the log; operators act with their own identity and every act is logged',
    BEING_BUILT,
  ),
  I8: later('Secrets never leave the seal: not in errors, logs, URLs, tokens or replies', BEING_BUILT),
  I9: later('Between segments nothing flows without a link, not even word of what exists', BEING_BUILT),
  I10: later('Every input is bounded before it is read', BEING_BUILT),

  U1: later(
    'From clone to contained attack in three minutes: no native compile, no service, real traffic',
    BEING_BUILT,
  ),
  U2: later(
    'Every deny has kind, code, id, nearest clauses and a remedy, the same in CLI, API and protocol',
    BEING_BUILT,
  ),
  U3: later('Denies and errors are audited with the fields of allows', BEING_BUILT),
  U4: later('An empty policy set denies; modes are per policy and distinct everywhere', 'shadow mode is a later part'),
  U5: later(
    'Policy tests and impact gate; widening is accepted by name; rollback is one command',
    'policy lifecycle is a later part',
  ),
  U6: later('`off` and `release`, with what each enforcement point observed', BEING_BUILT),
  U7: later(
    'The log is verified offline; altered, truncated, unsigned and unknown key are told apart; exit 6',
    BEING_BUILT,
  ),
  U8: later(
    '`mcp wrap` and `unwrap` show first and restore byte for byte; `run --` for any language',
    'wrapping clients is a later part',
  ),
  U9: later('One command, one set of conventions and exit codes; never hangs without a terminal', BEING_BUILT),
  U10: later('The console: URL state, shared filter, paging on the server, table twins', 'the console is a later part'),
  U11: later('Login without pasted tokens; mTLS; step-up', 'the console is a later part'),
  U12: later('Text supplied by an agent is hostile in terminal and logs', BEING_BUILT),

  'SPIFFE-ID': later('SPIFFE ID: trust domain, path, 2,048 bytes, canonical', BEING_BUILT),
  'SPIFFE-X509-SVID': proved(
    'X509-SVID: one URI SAN, leaf constraints, verified against the bundle of its own trust domain',
  ),
  RFC5280: later('X.509 path validation and extensions', BEING_BUILT),
  RFC8446: later('TLS 1.3 with client certificates on every connection', BEING_BUILT),
  RFC6962: later('Merkle tree, audit and consistency proofs', BEING_BUILT),
  'C2SP-tlog-tiles': later('Log as static tiles', BEING_BUILT),
  'C2SP-tlog-checkpoint': later('Signed checkpoints', BEING_BUILT),
  'C2SP-signed-note': later('Signed notes with Ed25519', BEING_BUILT),
  RFC7493: later('I-JSON: duplicate keys, lone surrogates and inexact numbers are refused', BEING_BUILT),
  RFC8785: later('Canonical JSON of a log leaf', BEING_BUILT),
  RFC9457: later('Problem details of a refusal over HTTP', BEING_BUILT),
  'AuthZEN-1.0': later(
    'Subject, action, resource and context of a request',
    'in process for now; the HTTP surface is a later part',
  ),
  Cedar: later('Policies are Cedar, unchanged, evaluated by the official engine', BEING_BUILT),
  'MCP-2026-07-28': later('Model Context Protocol, revision 2026-07-28', BEING_BUILT),
  'MCP-2025-11-25': later('Model Context Protocol, revision 2025-11-25', BEING_BUILT),
  'A2A-1.0': later('Agent2Agent protocol 1.0', BEING_BUILT),
};
