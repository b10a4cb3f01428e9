// Headers that are said twice, that speak for somebody else, or that are too many; and targets that mean two things.
import { bytes, GOOD, lengthOf, message, post, utf8, type Attack, type Hears } from './attack.ts';
import type { Code } from '../../src/domain/codes.ts';

const MODERN = 'MCP-Protocol-Version: 2026-07-28';
const REPEATED = 'RFC 9110 §5.3; STANDARDS §2.1';

const twice = (id: string, header: string, again = header, source = REPEATED): Attack =>
  bytes(`twice-${id}`, source, post(GOOD, [header, again]), 400, 'CORDON-3011');

const repeated: readonly Attack[] = [
  bytes('twice-host', 'RFC 9112 §3.2', post(GOOD, ['Host: elsewhere.example']), 400, 'CORDON-3011'),
  bytes('no-host', 'RFC 9112 §3.2', message([lengthOf(GOOD)], GOOD, { host: '' }), 400, 'CORDON-9011'),
  twice('authorization', 'Authorization: Bearer x'),
  twice('authorization-case', 'Authorization: Bearer x', 'AUTHORIZATION: Bearer y'),
  twice('mcp-version', MODERN),
  twice('mcp-method', 'Mcp-Method: tools/call'),
  twice('mcp-name', 'Mcp-Name: echo', 'Mcp-Name: secret'),
  twice('mcp-session', 'Mcp-Session-Id: a', 'Mcp-Session-Id: b'),
  twice('dpop', 'DPoP: x', 'DPoP: y', 'RFC 9449 §4.3'),
  twice('txn-token', 'Txn-Token: x'),
  twice('workload-identity-token', 'Workload-Identity-Token: x'),
  twice('workload-proof-token', 'Workload-Proof-Token: x'),
  twice('content-digest', 'Content-Digest: sha-256=:AA==:', 'Content-Digest: sha-256=:BB==:', 'RFC 9530 §2'),
  twice('content-type', 'Content-Type: text/plain'),
  twice('origin', 'Origin: https://a.example', 'Origin: https://b.example', 'RFC 6454 §7.3'),
  twice('a2a-version', 'A2A-Version: 1.0', 'A2A-Version: 0.3'),
  twice('xff', 'X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2'),
];

const lots: readonly Attack[] = [
  bytes(
    'headers-101',
    'INVARIANT I10',
    post(
      GOOD,
      Array.from({ length: 101 }, (_, at) => `X-${at}: y`),
    ),
    400,
    'CORDON-9011',
  ),
  bytes(
    'headers-1500-tiny',
    'INVARIANT I10; Node 20 left out what is above 1,000 without a word',
    post(
      GOOD,
      Array.from({ length: 1500 }, (_, at) => `X${at}:`),
    ),
    400,
    'CORDON-9011',
  ),
  bytes('header-17k', 'RFC 6585 §5; CVE-2018-12121', post(GOOD, [`X: ${'a'.repeat(17_000)}`]), 'closed', 'CORDON-9011'),
  bytes(
    'headers-17k-together',
    'RFC 6585 §5; CVE-2018-12121',
    post(
      GOOD,
      Array.from({ length: 90 }, (_, at) => `X-${at}: ${'a'.repeat(200)}`),
    ),
    'closed',
    'CORDON-9011',
  ),
  bytes('target-17k', 'RFC 9112 §3', post(GOOD, [], { line: `POST /mcp/${'a'.repeat(17_000)} HTTP/1.1` }), 'closed', 'CORDON-9011'),
];

/** `CORDON-3003`: does not exist. */
const nowhere = (id: string, source: string, target: string, hears: Hears = 404, code: Code = 'CORDON-3003'): Attack =>
  bytes(`target-${id}`, source, post(GOOD, [], { line: `POST ${target} HTTP/1.1` }), hears, code);
const PATHS = 'RFC 3986 §6.2; path confusion (Tsai, Breaking Parser Logic, 2018)';

const targets: readonly Attack[] = [
  nowhere('dot-dot', PATHS, '/mcp/other/../bench'),
  nowhere('dot-dot-encoded', `CVE-2021-41773; ${PATHS}`, '/mcp/%2e%2e/mcp/bench'),
  nowhere('double-encoded', `CVE-2021-42013; ${PATHS}`, '/mcp/%252e%252e/bench'),
  nowhere('letter-encoded', PATHS, '/mcp/%62ench'),
  nowhere('slash-encoded', PATHS, '/mcp%2fbench'),
  nowhere('double-slash', PATHS, '//mcp/bench'),
  nowhere('inner-double-slash', PATHS, '/mcp//bench'),
  nowhere('trailing-slash', PATHS, '/mcp/bench/'),
  nowhere('backslash', PATHS, '/mcp\\bench'),
  nowhere('semicolon', `${PATHS}; CVE-2020-5902`, '/mcp/bench;x=y'),
  nowhere('dot-dot-semicolon', 'CVE-2020-5902', '/mcp/x/..;/bench'),
  nowhere('query', PATHS, '/mcp/bench?x=y'),
  nowhere('token-in-query', 'RFC 6750 §5.3; RFC 9700 §2.5', '/mcp/bench?access_token=x'),
  nowhere('fragment', 'RFC 9112 §3.2', '/mcp/bench#x'),
  nowhere('case', PATHS, '/MCP/bench'),
  nowhere('nul-encoded', PATHS, '/mcp/bench%00'),
  nowhere('crlf-encoded', 'RFC 9112 §11.1 (response splitting)', '/mcp/bench%0d%0aX:%20y'),
  nowhere('prefix-secret', PATHS, '/mcp/bench/admin'),
  nowhere('encoded-overlong', 'CVE-2000-0884 (overlong UTF-8)', '/mcp/%c0%ae%c0%ae/bench'),
  nowhere('metadata-dot-dot', 'RFC 9728 §3; path confusion', '/.well-known/oauth-protected-resource/../../mcp/bench'),
  nowhere('absolute-form', 'RFC 9112 §3.2.2', 'http://gateway.test/mcp/bench'),
  nowhere('absolute-form-elsewhere', 'RFC 9112 §3.2.2; SSRF', 'http://169.254.169.254/latest/meta-data', 400, 'CORDON-3011'),
  nowhere('absolute-userinfo', 'RFC 3986 §7.5', 'http://gateway.test@127.0.0.1/mcp/bench', 400, 'CORDON-9011'),
  nowhere('absolute-https', 'RFC 9112 §3.2.2', 'https://gateway.test/mcp/bench', 400, 'CORDON-9011'),
  nowhere('absolute-file', 'SSRF by scheme', 'file:///etc/passwd', 400, 'CORDON-9011'),
  bytes('target-raw-8-bit', PATHS, post(GOOD, [], { line: `POST /mcp/${utf8('bénch')} HTTP/1.1` }), 'closed', 'CORDON-9011'),
  bytes('target-authority', 'RFC 9112 §3.2.3', post(GOOD, [], { line: 'POST gateway.test:443 HTTP/1.1' }), 'closed', 'CORDON-9011'),
  bytes('target-asterisk', 'RFC 9112 §3.2.4', post('', [], { line: 'OPTIONS * HTTP/1.1' }), 400, 'CORDON-9011'),
  bytes('target-empty', 'RFC 9112 §3', post(GOOD, [], { line: 'POST HTTP/1.1' }), 'closed', 'CORDON-9011'),
];

const method = (name: string, source: string, hears: Hears, code: Code, body = GOOD): Attack =>
  bytes(`method-${name.toLowerCase()}`, source, post(body, [], { line: `${name} /mcp/bench HTTP/1.1` }), hears, code);

const methods: readonly Attack[] = [
  method('TRACE', 'RFC 9110 §9.3.8; cross-site tracing (2003)', 403, 'CORDON-3008'),
  method('PUT', 'RFC 9110 §9.3.4', 403, 'CORDON-3008'),
  method('DELETE', 'MCP 2025-11-25, session management', 405, 'CORDON-3022'),
  method('OPTIONS', 'RFC 9110 §9.3.7', 403, 'CORDON-3008'),
  method('HEAD', 'RFC 9110 §9.3.2', 403, 'CORDON-3008'),
  bytes('connect-inside', 'RFC 9110 §9.3.6; SSRF', 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n', 404, 'CORDON-3003'),
  bytes(
    'connect-metadata',
    'RFC 9110 §9.3.6; SSRF',
    'CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n',
    404,
    'CORDON-3003',
  ),
  bytes(
    'connect-with-body',
    'RFC 9110 §9.3.6',
    `CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: a\r\n${lengthOf(GOOD)}\r\n\r\n${GOOD}`,
    400,
    'CORDON-9011',
  ),
  bytes('connect-path', 'RFC 9110 §9.3.6', post(GOOD, [], { line: 'CONNECT /mcp/bench HTTP/1.1' }), 400, 'CORDON-9011'),
];

const media: readonly Attack[] = [
  ['type-text', 'text/plain'],
  ['type-form', 'application/x-www-form-urlencoded'],
  ['type-multipart', 'multipart/form-data; boundary=x'],
  ['type-prefix', 'application/jsonp'],
  ['type-list', 'application/json, text/plain'],
  ['type-none', ''],
].map(([id = '', type = '']) =>
  bytes(
    id,
    'CSRF by simple requests (Fetch §2.2.2)',
    post(GOOD, [], { type: type === '' ? '' : `Content-Type: ${type}` }),
    400,
    'CORDON-9011',
  ),
);

export const HEADERS: readonly Attack[] = [...repeated, ...lots, ...media];
export const TARGETS: readonly Attack[] = [...targets, ...methods];
