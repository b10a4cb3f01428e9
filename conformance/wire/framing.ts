// Where one request ends and the next begins: two readers that disagree let the second one through unseen (request smuggling).
import { bytes, chunked, GOOD, lengthOf, message, post, type Attack } from './attack.ts';

const SMUGGLED = post(GOOD);
const LENGTH = lengthOf(GOOD);
const CHUNKED = chunked(GOOD);
const TE = 'Transfer-Encoding: chunked';
const DESYNC = 'Kettle, HTTP Desync Attacks (2019)';

/** What node's parser refuses: the connection ends without an answer, and the log says that it was no HTTP. */
const unparsed = (id: string, source: string, sent: string): Attack => bytes(id, source, sent, 'closed', 'CORDON-9011');
/** What is HTTP, and is refused here with an answer. */
const refused = (id: string, source: string, sent: string): Attack => bytes(id, source, sent, 400, 'CORDON-9011');

const both: readonly Attack[] = [
  unparsed('cl-te', `RFC 9112 §6.3; ${DESYNC}`, message([LENGTH, TE], CHUNKED)),
  unparsed('cl-te-smuggled', `RFC 9112 §6.3; ${DESYNC}`, message(['Content-Length: 5', TE], `0\r\n\r\n${SMUGGLED}`)),
  unparsed('te-cl', `RFC 9112 §6.3; ${DESYNC}`, message([TE, LENGTH], GOOD)),
  unparsed('te-cl-smuggled', `RFC 9112 §6.3; ${DESYNC}`, message([TE, 'Content-Length: 4'], chunked(SMUGGLED))),
  unparsed('te-twice', 'CVE-2020-8287', message([TE, TE], CHUNKED)),
  unparsed('te-twice-identity', 'CVE-2020-8287', message([TE, 'Transfer-Encoding: identity'], CHUNKED)),
  unparsed('te-chunked-identity', 'CVE-2019-15605', message(['Transfer-Encoding: chunked, identity'], CHUNKED)),
  refused('te-gzip-chunked', 'RFC 9112 §6.1', message(['Transfer-Encoding: gzip, chunked'], CHUNKED)),
  refused('te-xchunked', DESYNC, message(['Transfer-Encoding: xchunked'], CHUNKED)),
  refused('te-quoted', DESYNC, message(['Transfer-Encoding: "chunked"'], CHUNKED)),
  unparsed('te-space-before-colon', 'RFC 9112 §5.1; CVE-2021-22959', message(['Transfer-Encoding : chunked'], CHUNKED)),
  unparsed('te-tab-before-colon', 'RFC 9112 §5.1', message(['Transfer-Encoding\t: chunked'], CHUNKED)),
  unparsed('te-obs-fold', 'CVE-2022-32215', message(['Transfer-Encoding:\r\n chunked'], CHUNKED)),
  unparsed('te-multi-line', 'CVE-2022-32215', message(['Transfer-Encoding: identity\r\n , chunked'], CHUNKED)),
  unparsed('te-vertical-tab', DESYNC, message(['Transfer-Encoding: \x0bchunked'], CHUNKED)),
  unparsed('te-trailing-nul', DESYNC, message(['Transfer-Encoding: chunked\0'], CHUNKED)),
  unparsed('te-after-bare-lf', 'CVE-2022-32214', message([`X: y\n${TE}`], CHUNKED)),
  unparsed('te-after-bare-cr', 'CVE-2023-30589', message([`X: y\r${TE}`], CHUNKED)),
];

const lengths: readonly Attack[] = [
  unparsed('cl-twice-differs', 'RFC 9112 §6.3', message([LENGTH, 'Content-Length: 0'], GOOD)),
  unparsed('cl-twice-same', 'RFC 9110 §8.6', message([LENGTH, LENGTH], GOOD)),
  unparsed('cl-list', 'RFC 9110 §8.6', message([`${LENGTH}, ${GOOD.length}`], GOOD)),
  unparsed('cl-plus', 'RFC 9110 §8.6; CVE-2018-7159', message([`Content-Length: +${GOOD.length}`], GOOD)),
  unparsed('cl-minus', 'RFC 9110 §8.6', message(['Content-Length: -1'], GOOD)),
  unparsed('cl-hex', 'RFC 9110 §8.6', message([`Content-Length: 0x${GOOD.length.toString(16)}`], GOOD)),
  unparsed('cl-inner-space', 'CVE-2018-7159', message(['Content-Length: 1 2'], GOOD)),
  unparsed('cl-overflow', 'RFC 9110 §8.6', message(['Content-Length: 18446744073709551617'], 'x')),
  unparsed('cl-empty', 'RFC 9110 §8.6', message(['Content-Length:'], GOOD)),
  unparsed('cl-space-before-colon', 'CVE-2021-22959', message([`Content-Length : ${GOOD.length}`], GOOD)),
  unparsed('cl-obs-fold', 'CVE-2024-27982', message([`Content-Length:\r\n ${GOOD.length}`], GOOD)),
  unparsed('cl-leading-space', 'CVE-2024-27982', message([`X: y\r\n ${LENGTH}`], GOOD)),
  refused('cl-too-large', 'INVARIANT I10', message(['Content-Length: 999999999'], 'x')),
  refused('chunked-too-large', 'INVARIANT I10', message([TE], `${(1_200_000).toString(16)}\r\n${' '.repeat(1_200_000)}\r\n0\r\n\r\n`)),
];

const chunks: readonly Attack[] = [
  unparsed('chunk-size-hex-prefix', 'RFC 9112 §7.1', message([TE], `0x${CHUNKED}`)),
  unparsed('chunk-size-minus', 'RFC 9112 §7.1', message([TE], `-1\r\n${GOOD}\r\n0\r\n\r\n`)),
  unparsed('chunk-size-overflow', 'RFC 9112 §7.1', message([TE], `fffffffffffffffff\r\n${GOOD}\r\n0\r\n\r\n`)),
  unparsed('chunk-size-empty', 'RFC 9112 §7.1', message([TE], `\r\n${GOOD}\r\n0\r\n\r\n`)),
  unparsed('chunk-size-space', 'RFC 9112 §7.1', message([TE], CHUNKED.replace('\r\n', ' \r\n'))),
  unparsed('chunk-size-letters', 'RFC 9112 §7.1', message([TE], `zz\r\n${GOOD}\r\n0\r\n\r\n`)),
  unparsed('chunk-bare-lf', 'CVE-2022-32213', message([TE], CHUNKED.replaceAll('\r\n', '\n'))),
  unparsed('chunk-ext-lf', 'CVE-2021-22960', message([TE], CHUNKED.replace('\r\n', ';a\nb\r\n'))),
  unparsed('chunk-ext-endless', 'CVE-2024-22019', message([TE], CHUNKED.replace('\r\n', `;${'a'.repeat(20_000)}\r\n`))),
  unparsed('chunk-no-crlf-after-data', 'RFC 9112 §7.1', message([TE], `${GOOD.length.toString(16)}\r\n${GOOD}X0\r\n\r\n`)),
  refused(
    'chunk-trailer',
    'RFC 9110 §6.5.1; trailers merged into headers',
    message([TE], CHUNKED.replace(/\r\n$/, 'Authorization: Bearer x\r\n\r\n')),
  ),
  refused('chunk-trailer-declared', 'RFC 9110 §6.5.1', message([TE, 'Trailer: x'], CHUNKED.replace(/\r\n$/, 'X: y\r\n\r\n'))),
  unparsed('chunk-trailer-endless', 'RFC 9112 §7.1.2', message([TE], CHUNKED.replace(/\r\n$/, `X: ${'y'.repeat(20_000)}\r\n\r\n`))),
];

const lines: readonly Attack[] = [
  unparsed('head-bare-lf', 'CVE-2022-32214', post(GOOD).replace('\r\n\r\n', '\n\n').replaceAll('\r\n', '\n')),
  unparsed('head-lf-terminated', 'CVE-2025-23167', post(GOOD, ['X: y\r\n\rX'])),
  unparsed('head-bare-cr', 'CVE-2023-30589', post(GOOD, ['X: y\rZ: w'])),
  unparsed('head-nul', 'RFC 9110 §5.5', post(GOOD, ['X: a\0b'])),
  unparsed('head-no-colon', 'RFC 9112 §5', post(GOOD, ['X'])),
  unparsed('head-empty-name', 'RFC 9112 §5.1', post(GOOD, [': x'])),
  unparsed('head-first-line-space', 'RFC 9112 §2.2', message([LENGTH], GOOD, { host: ' Host: gateway.test' })),
  refused('http-0.9', 'nodejs/llhttp#877', `GET /mcp/bench\r\n\r\n${SMUGGLED}`),
  refused('http-0.9-post', 'nodejs/llhttp#877', `POST /mcp/bench\r\n${post(GOOD).split('\r\n').slice(1).join('\r\n')}`),
  refused('http-1.0', 'RFC 9112 §6.1', post(GOOD, [], { line: 'POST /mcp/bench HTTP/1.0' })),
  refused('http-1.0-te', 'RFC 9112 §6.1', message([TE], CHUNKED, { line: 'POST /mcp/bench HTTP/1.0' })),
  unparsed('http-1.2', 'RFC 9112 §2.3', post(GOOD, [], { line: 'POST /mcp/bench HTTP/1.2' })),
  refused('http-2.0-in-1', 'RFC 9112 §2.3', post(GOOD, [], { line: 'POST /mcp/bench HTTP/2.0' })),
  unparsed('http-lower-case', 'RFC 9112 §2.3', post(GOOD, [], { line: 'POST /mcp/bench http/1.1' })),
  unparsed('line-tab', 'RFC 9112 §3', post(GOOD, [], { line: 'POST\t/mcp/bench\tHTTP/1.1' })),
  unparsed('line-bare-cr', 'RFC 9112 §2.2', post(GOOD, [], { line: 'POST /mcp/bench\r HTTP/1.1' })),
  unparsed('method-unknown', 'RFC 9110 §9.1', post(GOOD, [], { line: 'SMUGGLE /mcp/bench HTTP/1.1' })),
  unparsed('method-lower-case', 'RFC 9110 §9.1', post(GOOD, [], { line: 'post /mcp/bench HTTP/1.1' })),
];

const bodies: readonly Attack[] = [
  bytes('get-with-body', 'RFC 9110 §9.3.1', post(GOOD, [], { line: 'GET /mcp/bench HTTP/1.1' }), 405, 'CORDON-3022'),
  bytes(
    'get-body-is-request',
    'Kettle, Browser-Powered Desync Attacks (2022): CL.0',
    message([lengthOf(SMUGGLED)], SMUGGLED, { line: 'GET /mcp/bench HTTP/1.1' }),
    405,
    'CORDON-3022',
  ),
  bytes('cl0-smuggled', 'Kettle, Browser-Powered Desync Attacks (2022)', message([lengthOf(SMUGGLED)], SMUGGLED), 400, 'CORDON-9011'),
  bytes('no-length-smuggled', 'RFC 9112 §6.3', message([], SMUGGLED.replace('bench', 'nothere')), 400, 'CORDON-9011'),
  bytes('expect-continue', 'RFC 9110 §10.1.1; Kettle, HTTP/1.1 Must Die (2025)', post(GOOD, ['Expect: 100-continue']), 400, 'CORDON-9011'),
  bytes('expect-other', 'RFC 9110 §10.1.1', post(GOOD, ['Expect: 100-continue-x']), 400, 'CORDON-9011'),
  bytes(
    'upgrade-h2c',
    'RFC 9113 §3.1; Bishop Fox, h2c Smuggling (2020)',
    post(GOOD, ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']),
    400,
    'CORDON-9011',
  ),
  bytes(
    'upgrade-websocket',
    'RFC 6455 §4.2.1',
    post(GOOD, ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']),
    400,
    'CORDON-9011',
  ),
  bytes('upgrade-tls', 'RFC 2817', post(GOOD, ['Connection: Upgrade', 'Upgrade: TLS/1.0']), 400, 'CORDON-9011'),
  bytes('te-header', 'RFC 9110 §10.1.4', post(GOOD, ['TE: trailers']), 400, 'CORDON-9011'),
  bytes('content-encoding', 'CVE-2022-37434; decompression bomb', post(GOOD, ['Content-Encoding: gzip']), 400, 'CORDON-9011'),
];

export const FRAMING: readonly Attack[] = [...both, ...lengths, ...chunks, ...lines, ...bodies];
