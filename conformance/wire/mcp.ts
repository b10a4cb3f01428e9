// MCP: headers that say something else than the body, sessions and ids of others, names that look like other names.
import type { Code } from '../../src/domain/codes.ts';
import { bytes, GOOD, post, utf8, type Attack, type Hears } from './attack.ts';

const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const MODERN_BODY = GOOD.replace('"arguments"', `${META},"arguments"`);
const VERSION = 'MCP-Protocol-Version: 2026-07-28';
const METHOD = 'Mcp-Method: tools/call';
const NAME = 'Mcp-Name: echo';
const SEP_2243 = 'MCP 2026-07-28, transports (SEP-2243): -32020';
const RPC = 'JSON-RPC 2.0 §4';

const modern = (id: string, lines: readonly string[], body = MODERN_BODY, source = SEP_2243): Attack =>
  bytes(id, source, post(body, lines), 400, 'CORDON-3011');

const mirrors: readonly Attack[] = [
  bytes('version-only-in-header', 'MCP 2026-07-28, `_meta`: -32602', post(GOOD, [VERSION, METHOD, NAME]), 400, 'CORDON-3006'),
  modern('version-only-in-body', [METHOD, NAME]),
  modern('version-differs', ['MCP-Protocol-Version: 2025-11-25', METHOD, NAME]),
  modern('method-missing', [VERSION, NAME]),
  modern('method-differs', [VERSION, 'Mcp-Method: tools/list', NAME]),
  modern('method-case', [VERSION, 'Mcp-Method: Tools/Call', NAME]),
  modern('name-missing', [VERSION, METHOD]),
  modern('name-differs', [VERSION, METHOD, 'Mcp-Name: secret']),
  modern('name-case', [VERSION, METHOD, 'Mcp-Name: Echo']),
  modern('name-list', [VERSION, METHOD, 'Mcp-Name: echo, secret']),
  modern('name-empty', [VERSION, METHOD, 'Mcp-Name:']),
  modern('name-base64-of-another', [VERSION, METHOD, `Mcp-Name: =?base64?${btoa('secret')}?=`]),
  modern('name-base64-twice', [VERSION, METHOD, `Mcp-Name: =?base64?${btoa(`=?base64?${btoa('echo')}?=`)}?=`]),
  modern('name-base64-loose-bits', [VERSION, METHOD, 'Mcp-Name: =?base64?ZWNobx==?='], MODERN_BODY, 'RFC 4648 §3.5'),
  modern('name-base64-unpadded', [VERSION, METHOD, 'Mcp-Name: =?base64?YQ?='], MODERN_BODY.replace('echo', 'a'), 'RFC 4648 §3.2'),
  modern('name-base64-url', [VERSION, METHOD, 'Mcp-Name: =?base64?_-8=?='], MODERN_BODY, 'RFC 4648 §5'),
  modern('name-base64-upper', [VERSION, METHOD, `Mcp-Name: =?BASE64?${btoa('echo')}?=`]),
  modern('name-base64-not-utf8', [VERSION, METHOD, 'Mcp-Name: =?base64?/w==?=']),
  modern('name-base64-crlf', [VERSION, METHOD, `Mcp-Name: =?base64?${btoa('echo\r\nX: y')}?=`]),
  modern('name-quoted-printable', [VERSION, METHOD, 'Mcp-Name: =?utf-8?q?echo?='], MODERN_BODY, 'RFC 2047'),
  modern('legacy-name-differs', ['Mcp-Name: secret'], GOOD),
  modern('legacy-method-differs', ['Mcp-Method: tools/list'], GOOD),
  modern(
    'name-without-one',
    [VERSION, 'Mcp-Method: tools/list', NAME],
    MODERN_BODY.replace('tools/call', 'tools/list').replace('"name":"echo",', ''),
  ),
];

const say = (id: string, source: string, body: string, hears: Hears, code: Code, lines: readonly string[] = []): Attack =>
  bytes(id, source, post(body, lines), hears, code);
const named = (name: string): string => utf8(GOOD.replace('"echo"', JSON.stringify(name)));

const messages: readonly Attack[] = [
  say('version-unknown', 'MCP 2026-07-28, versions: -32022', GOOD, 400, 'CORDON-3021', ['MCP-Protocol-Version: 2099-01-01']),
  say('version-sse-era', 'MCP 2024-11-05 is not spoken', GOOD, 400, 'CORDON-3021', ['MCP-Protocol-Version: 2024-11-05']),
  say('jsonrpc-1', RPC, GOOD.replace('"2.0"', '"1.0"'), 400, 'CORDON-9011'),
  say('jsonrpc-number', RPC, GOOD.replace('"2.0"', '2.0'), 400, 'CORDON-9011'),
  say('id-null', RPC, GOOD.replace('"id":1', '"id":null'), 400, 'CORDON-9011'),
  say('id-object', RPC, GOOD.replace('"id":1', '"id":{}'), 400, 'CORDON-9011'),
  say('id-endless', 'INVARIANT I10', GOOD.replace('"id":1', `"id":"${'x'.repeat(300)}"`), 400, 'CORDON-9011'),
  say('method-number', RPC, GOOD.replace('"tools/call"', '1'), 400, 'CORDON-9011'),
  say('method-endless', 'INVARIANT I10', GOOD.replace('tools/call', 'x'.repeat(200)), 400, 'CORDON-9011'),
  say('params-array', RPC, GOOD.replace(/"params":\{.*\}\}/, '"params":["echo"]'), 400, 'CORDON-9011'),
  say('arguments-array', 'MCP, tools/call', GOOD.replace('{"text":"x"}', '["x"]'), 400, 'CORDON-9011'),
  say('call-as-notification', 'JSON-RPC 2.0 §4.1', GOOD.replace('"id":1,', ''), 403, 'CORDON-3008'),
  say(
    'notification-of-a-server',
    'MCP, notifications',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    403,
    'CORDON-3008',
  ),
  say(
    'method-and-result',
    'JSON-RPC 2.0 §5',
    GOOD.replace('"method":"tools/call"', '"method":"tools/call2","result":{}'),
    200,
    'CORDON-3008',
  ),
  say('answer-to-nothing', 'JSON-RPC 2.0 §5', '{"jsonrpc":"2.0","id":1,"result":{}}', 400, 'CORDON-9011'),
  say('answer-and-call', 'JSON-RPC 2.0 §5', '{"jsonrpc":"2.0","id":"1","error":{},"params":{"name":"echo"}}', 400, 'CORDON-9011'),
  say('method-homoglyph', 'UTS 39', utf8(GOOD.replace('tools/call', 'tооls/call')), 200, 'CORDON-3008'),
  say('method-trailing-space', RPC, GOOD.replace('tools/call', 'tools/call '), 200, 'CORDON-3008'),
  say('method-proto', 'CWE-1321', GOOD.replace('tools/call', '__proto__'), 200, 'CORDON-3008'),
  say('method-constructor', 'CWE-1321', GOOD.replace('tools/call', 'constructor'), 200, 'CORDON-3008'),
  say('name-control', 'CWE-117', named('echo\n'), 400, 'CORDON-9011'),
  say('name-nul', 'CWE-626', named('echo\0'), 400, 'CORDON-9011'),
  say('name-empty-body', 'MCP, tools/call', named(''), 400, 'CORDON-9011'),
  say('name-endless', 'INVARIANT I10', named('e'.repeat(300)), 400, 'CORDON-9011'),
  say('name-number', 'MCP, tools/call', GOOD.replace('"echo"', '1'), 400, 'CORDON-9011'),
  say('name-homoglyph', 'UTS 39; tool name squatting', named('еcho'), 200, 'CORDON-3003'),
  say('name-zero-width', 'UTS 39', named('echo\u200b'), 200, 'CORDON-3003'),
  say('name-right-to-left', 'CVE-2021-42574 (Trojan Source)', named('\u202eohce'), 200, 'CORDON-3003'),
  say('name-full-width', 'UAX 15: NFKC', named('ｅcho'), 200, 'CORDON-3003'),
  say('name-slash', 'GHSA-mvgg-jvj2-4frq class: one route, another tool', named('../bench/echo'), 200, 'CORDON-3003'),
  say('name-with-server', 'confusion of servers', named('bench/echo'), 200, 'CORDON-3003'),
  say('name-upper', 'MCP: names are case-sensitive', named('ECHO'), 200, 'CORDON-3003'),
  say('name-proto', 'CWE-1321', named('__proto__'), 200, 'CORDON-3003'),
  say('name-quote', 'CWE-94: injection into a policy', named('echo", Action::"bench/echo'), 200, 'CORDON-3003'),
  say('argument-type', 'MCP, inputSchema', GOOD.replace('"x"', '{"$ne":1}'), 200, 'CORDON-3006'),
];

const SESSION = 'GHSA-mvgg-jvj2-4frq; MCP 2025-11-25, session management';

const sessions: readonly Attack[] = [
  bytes('session-made-up', SESSION, post(GOOD, ['Mcp-Session-Id: 00000000-0000-0000-0000-000000000000']), 404, 'CORDON-3020'),
  bytes('session-injection', 'CWE-113', post(GOOD, ["Mcp-Session-Id: ' OR 1=1 --"]), 404, 'CORDON-3020'),
];

/** Calls from a segment without a link: nothing here exists to it. */
const hidden: readonly Attack[] = ['tools/call', 'tools/list', 'initialize', 'prompts/list'].map((method) => ({
  id: `hidden-${method.replace('/', '-')}`,
  source: 'INVARIANT I9',
  hears: 404,
  code: 'CORDON-3007',
  send: (world) => world.say(post(GOOD.replace('tools/call', method)), { tls: world.as(world.other) }),
}));

export const MCP: readonly Attack[] = [...mirrors, ...messages, ...sessions, ...hidden];
