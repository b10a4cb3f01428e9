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
  I4: proved('Delegation and mandates only narrow; a decision is the intersection of agent, user and task'),
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
  U8: proved('`mcp wrap` and `unwrap` show first and restore byte for byte; `run --` for any language'),
  U9: proved('One command, one set of conventions and exit codes; never hangs without a terminal'),
  U10: later('The console: URL state, shared filter, paging on the server, table twins', 'the console is a later part'),
  U11: later('Login without pasted tokens; mTLS; step-up', 'sign-in is there; step-up comes with the console'),
  U18: proved('`cordon doctor` with negative checks: it tries what must fail'),
  U12: proved('Text supplied by an agent is hostile in terminal and logs'),
  U13: proved('How far an agent reaches, directly and through others, before and after a change'),
  U17: proved('Approvals by a digest of action and arguments; the same request is one entry'),
  U15: proved('Least privilege from recorded decisions: no wider than what is enforced, and never applied'),

  'SPIFFE-ID': proved('SPIFFE ID: trust domain, path, 2,048 bytes, canonical'),
  'SPIFFE-JWT-SVID': proved('JWT-SVID: sub, aud, exp, kid; ES256; minutes to live; verified with the published keys'),
  'SPIFFE-X509-SVID': proved('X509-SVID: one URI SAN, leaf constraints, verified against the bundle of its own trust domain'),
  'SPIFFE-bundle': proved('Bundles: certificates and keys by use, `kid`, sequence and refresh hint; published vectors'),
  'SPIFFE-Workload-API': proved(
    'Workload API and Endpoint: security header, streams of the whole state, rotation, errors; who calls is asked of the kernel',
  ),
  'Envoy-ext_authz': proved('External authorization v3: headers, body and certificate in, a status that is set on every way out'),
  'Envoy-SDS': proved('Secret discovery service v3: state of the world, incremental and fetched; versions, nonces, ACK and NACK'),
  'SPIFFE-Federation': proved('Federation: https_web and https_spiffe, refresh, sequence, age; each bundle speaks for its own domain only'),
  'OIDC-Core': proved(
    'OpenID Connect Core and Discovery: issuer, audience, lifetime, algorithm and key of a token that attests a workload',
  ),
  'Auth-request': proved('nginx `auth_request` and Caddy `forward_auth`: decided as a call of our own, whatever headers say'),
  SPOP: proved('HAProxy SPOE, agent side: numbers, frames, handshake, statuses; published bounds and random bytes'),
  RFC5280: proved('X.509: certificates and chains, written, read and validated; published vectors'),
  RFC6455: proved('WebSockets: opening handshake, subprotocols, origins; frames untouched'),
  RFC8446: proved('TLS 1.3 with client certificates on every connection'),
  RFC6749: proved('OAuth 2.0: the token endpoint, its form and its errors'),
  RFC7009: proved('Token revocation: with a token dies what was exchanged from it'),
  RFC7523: proved('JWT assertions of clients, and of another domain about its users'),
  RFC7662: proved('Token introspection: what lives is shown to who may know of it'),
  RFC8414: proved('Metadata of the token service'),
  RFC8693: proved('Token exchange: the chain grows by one, and nothing widens'),
  RFC8705: proved('Clients known by their certificate, and tokens bound to it'),
  RFC8707: proved('A token is for one resource'),
  RFC9068: proved('A task token is an access token that others can validate'),
  RFC9396: proved('Mandates as authorization details'),
  RFC9728: proved('The gateway says where its tokens come from, to those who may know'),
  RFC9449: proved('DPoP: proofs of one request, one key, one moment, once'),
  RFC7518: proved('ECDSA signatures as r ‖ s of fixed length'),
  'Txn-Tokens': proved('Transaction tokens: the transaction goes on unchanged'),
  'ID-JAG': proved('Identity assertions across domains: for one server, one client, once'),
  'Standard-Webhooks': proved('Standard Webhooks: what is told of requests for approval is signed with its id and the time of the attempt'),
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
