// Every claim Cordon makes, and whether a test proves it. A test cites a claim in its name: `test('[I2] …')`, `test('[RFC6962 §2.1] …')`.
// `requirements.test.ts` fails when a test cites an unknown claim and when a proved claim has no test. Ids: I = invariant of the design,
// U = requirement of the user experience, otherwise the standard.

export type Requirement =
  | { readonly title: string; readonly status: 'proved' }
  | { readonly title: string; readonly status: 'later'; readonly why: string };

const proved = (title: string): Requirement => ({ title, status: 'proved' });
const later = (title: string, why: string): Requirement => ({ title, status: 'later', why });

export const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  I1: proved('Default deny. Nothing registered, no policy, no snapshot, stale snapshot, engine error, log failure: deny'),
  I2: proved('What is forwarded is exactly what was authorised'),
  I3: proved('Recorded before effect; refusals are recorded too'),
  I4: later(
    'Delegation and mandates only narrow; a decision is the intersection of agent, user and task',
    'no token service yet: agents act in their own name',
  ),
  I5: proved('A credential is useless to anyone but the one it was issued to, and dies within minutes'),
  I6: proved('Revocation and containment reach live connections, and report only what was observed'),
  I7: proved('No agent can change policy, identity, levels or the log; operators act with their own identity and every act is logged'),
  I8: proved('Secrets never leave the seal: not in errors, logs, URLs, tokens or replies'),
  I9: proved('Between segments nothing flows without a link, not even word of what exists'),
  I10: proved('Every input is bounded before it is read'),

  'DESIGN-5': proved('The compiled policy engine is exact, entities change by delta, and the official engine checks it and takes over'),

  U1: proved('From clone to contained attack in three minutes: no native compile, no service, real traffic'),
  U2: proved('Every deny has kind, code, id, nearest clauses and a remedy, the same in CLI, API and protocol'),
  U3: proved('Denies and errors are audited with the fields of allows'),
  U4: proved('An empty policy set denies; modes are per policy and distinct everywhere'),
  U5: proved('Policy tests and impact gate; widening is accepted by name; rollback is one command'),
  U6: proved('`off` and `release`, with what each enforcement point observed'),
  U7: proved('The log is verified offline; altered, truncated, unsigned and unknown key are told apart; exit 6'),
  U8: later('`mcp wrap` and `unwrap` show first and restore byte for byte; `run --` for any language', 'wrapping clients is a later part'),
  U9: proved('One command, one set of conventions and exit codes; never hangs without a terminal'),
  U10: later('The console: URL state, shared filter, paging on the server, table twins', 'the console is a later part'),
  U11: later('Login without pasted tokens; mTLS; step-up', 'the console is a later part'),
  U18: proved('`cordon doctor` with negative checks: it tries what must fail'),
  U12: proved('Text supplied by an agent is hostile in terminal and logs'),
  U13: proved('How far an agent reaches, directly and through others, before and after a change'),
  U15: proved('Least privilege from recorded decisions: no wider than what is enforced, and never applied'),

  'SPIFFE-ID': proved('SPIFFE ID: trust domain, path, 2,048 bytes, canonical'),
  'SPIFFE-X509-SVID': proved('X509-SVID: one URI SAN, leaf constraints, verified against the bundle of its own trust domain'),
  RFC5280: later(
    'X.509 path validation and extensions',
    'done by OpenSSL and @peculiar/x509; published vectors come with the identity part',
  ),
  RFC8446: proved('TLS 1.3 with client certificates on every connection'),
  RFC6962: proved('Merkle tree, audit and consistency proofs'),
  'C2SP-tlog-tiles': proved('Log as static tiles'),
  'C2SP-tlog-checkpoint': proved('Signed checkpoints'),
  'C2SP-signed-note': proved('Signed notes with Ed25519'),
  RFC7493: proved('I-JSON: duplicate keys, lone surrogates and inexact numbers are refused'),
  RFC8785: proved('Canonical JSON of a log leaf'),
  RFC9457: proved('Problem details of a refusal over HTTP'),
  'AuthZEN-1.0': proved('Authorization API 1.0: evaluation, evaluations, search and metadata; a PEP that asks a remote PDP'),
  Cedar: proved('Policies are Cedar, unchanged, evaluated by the official engine'),
  'MCP-2026-07-28': proved('Model Context Protocol, revision 2026-07-28'),
  'MCP-2025-11-25': proved('Model Context Protocol, revision 2025-11-25'),
  'A2A-1.0': proved('Agent2Agent protocol 1.0'),
};
