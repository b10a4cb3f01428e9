// What a tool server can answer with that its caller must not get: the gateway reads it whole, and says in its own words that it failed.
import { gzipSync } from 'node:zlib';
import { readLog, signedAll } from '../../test/support/log-reader.ts';
import { GOOD, post } from './attack.ts';
import type { ByHand } from './upstream.ts';
import type { World } from './world.ts';

export interface ReplyAttack {
  readonly id: string;
  readonly source: string;
  readonly answer: ByHand;
  /** The call is answered as if nothing were: what is wrong is left out, and `POISON` is nowhere in it. */
  readonly harmless?: true;
}

const POISON = 'p0ison';
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const result = (id: number, text = POISON): string =>
  JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [{ type: 'text', text }] } });
const whole = (body: string, head = HEAD): string => `${head}Content-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${body}`;
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;

/** Says so much, and closes. */
const says = (id: string, source: string, of: (id: number) => string): ReplyAttack => ({
  id,
  source,
  answer: (socket, asked) => socket.end(of(asked), 'latin1'),
});
const body = (id: string, source: string, of: (id: number) => string): ReplyAttack => says(id, source, (asked) => whole(of(asked)));
const events = (id: string, source: string, of: (id: number) => string): ReplyAttack =>
  says(id, source, (asked) => `${EVENTS}${chunk(of(asked))}0\r\n\r\n`);
const harmless = (attack: ReplyAttack): ReplyAttack => ({ ...attack, harmless: true });

const SPLITTING = 'CWE-113; Klein, HTTP Response Splitting (2004)';

const heads: readonly ReplyAttack[] = [
  says('header-obs-fold', 'RFC 9112 §5.2', (id) => whole(result(id), `${HEAD}X: a\r\n b\r\n`)),
  says('header-space-before-colon', 'RFC 9112 §5.1', (id) => whole(result(id), `${HEAD}X : a\r\n`)),
  says('header-nul', SPLITTING, (id) => whole(result(id), `${HEAD}X: a\0b\r\n`)),
  says('header-bare-cr', SPLITTING, (id) => whole(result(id), `${HEAD}X: a\rSet-Cookie: ${POISON}\r\n`)),
  says('header-huge', 'INVARIANT I10', (id) => whole(result(id), `${HEAD}X: ${'a'.repeat(200_000)}\r\n`)),
  says('headers-many', 'INVARIANT I10', (id) => whole(result(id), `${HEAD}${'X: aaaaaaaaaaaaaaaa\r\n'.repeat(10_000)}`)),
  says('length-twice', 'RFC 9112 §6.3', (id) => whole(result(id), `${HEAD}Content-Length: 5\r\n`)),
  says('length-and-chunked', 'RFC 9112 §6.3', (id) => whole(result(id), `${HEAD}Transfer-Encoding: chunked\r\n`)),
  says('length-minus', 'RFC 9110 §8.6', (id) => `${HEAD}Content-Length: -1\r\n\r\n${result(id)}`),
  says('chunk-size', 'RFC 9112 §7.1', (id) => `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n${result(id)}\r\n0\r\n\r\n`),
  says('chunk-overflow', 'RFC 9112 §7.1', (id) => `${HEAD}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${result(id)}\r\n`),
  says('truncated', 'RFC 9112 §8', (id) => `${HEAD}Content-Length: 5000\r\n\r\n${result(id)}`),
  says('truncated-chunks', 'RFC 9112 §8', (id) => `${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk(result(id))}`),
  says('http-0.9', 'RFC 1945 §6', (id) => result(id)),
  says('status-text', 'RFC 9112 §4', (id) => whole(result(id), HEAD.replace('200', '2OO'))),
  says(
    'status-switching',
    'RFC 9110 §15.2.2',
    (id) => `HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n${result(id)}`,
  ),
  says('status-1xx-flood', 'RFC 9110 §15.2', () => 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(5000)),
  says('status-204', 'RFC 9110 §15.3.5', (id) => whole(result(id), HEAD.replace('200 OK', '204 No Content'))),
  says('redirect', 'SSRF by redirect; RFC 9110 §15.4', (id) =>
    whole(result(id), `HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Type: text/plain\r\n`),
  ),
  harmless(
    says('headers-for-the-caller', SPLITTING, (id) =>
      whole(
        result(id, 'done'),
        `${HEAD}Set-Cookie: ${POISON}\r\nConnection: ${POISON}\r\nX-Cordon: ${POISON}\r\nAccess-Control-Allow-Origin: *\r\n`,
      ),
    ),
  ),
  harmless(
    says(
      'second-answer',
      'CVE-2026-6733; response queue poisoning',
      (id) => whole(result(id, 'done')) + whole(result(id + 1)) + whole(result(id + 2)),
    ),
  ),
];

const bodies: readonly ReplyAttack[] = [
  body('wrong-id', 'JSON-RPC 2.0 §5', (id) => result(id + 1)),
  body('id-as-text', 'JSON-RPC 2.0 §5', (id) => result(id).replace(`"id":${id}`, `"id":"${id}"`)),
  body('no-id', 'JSON-RPC 2.0 §5', (id) => result(id).replace(`"id":${id},`, '')),
  body('duplicate-result', 'RFC 8259 §4', (id) => result(id).replace('"result"', '"result":{},"result"')),
  body('duplicate-id', 'RFC 8259 §4', (id) => result(id).replace('"id"', '"id":0,"id"')),
  body('bom', 'RFC 8259 §8.1', (id) => `\xef\xbb\xbf${result(id)}`),
  body('utf8-invalid', 'RFC 8259 §8.1', (id) => result(id).replace(POISON, `${POISON}\xff`)),
  body('surrogate', 'RFC 7493 §2.1', (id) => result(id).replace(POISON, `${POISON}\\ud800`)),
  body('two-documents', 'RFC 8259 §2', (id) => result(id) + result(id)),
  body('batch', 'JSON-RPC 2.0 §6', (id) => `[${result(id)}]`),
  body('result-text', 'MCP, results', (id) => `{"jsonrpc":"2.0","id":${id},"result":"${POISON}"}`),
  body('result-array', 'MCP, results', (id) => `{"jsonrpc":"2.0","id":${id},"result":["${POISON}"]}`),
  body('deep', 'CVE-2020-36518', (id) => result(id).replace(`"${POISON}"`, `${'['.repeat(5000)}${']'.repeat(5000)}`)),
  body('not-json', 'RFC 8259', () => `<script>${POISON}</script>`),
  body('empty', 'RFC 8259', () => ''),
  body('endless', 'INVARIANT I10', (id) => result(id, 'x'.repeat(17_000_000))),
  says('type-html', 'MIME confusion', (id) => whole(result(id), HEAD.replace('application/json', 'text/html'))),
  says('type-missing', 'RFC 9110 §8.3', (id) => whole(result(id), 'HTTP/1.1 200 OK\r\n')),
  says('decompression-bomb', 'CWE-409', () =>
    whole(gzipSync(Buffer.alloc(20_000_000, ' ')).toString('latin1'), `${HEAD}Content-Encoding: gzip\r\n`),
  ),
];

const streams: readonly ReplyAttack[] = [
  events('event-wrong-id', 'JSON-RPC 2.0 §5', (id) => `data: ${result(id + 1)}\n\n`),
  events('event-none', 'HTML, server-sent events §9.2.6', () => ': nothing\n\n'),
  events('event-unfinished', 'HTML, server-sent events §9.2.6', (id) => `data: ${result(id)}\n`),
  events('event-endless', 'INVARIANT I10', () => `data: ${'x'.repeat(17_000_000)}`),
  events('event-comments-endless', 'INVARIANT I10', () => `:${'x'.repeat(17_000_000)}\n`),
  events('event-utf8', 'HTML, server-sent events §9.2.6', (id) => `data: ${result(id)}\xff\n\n`),
  events('event-not-json', 'RFC 8259', () => `data: ${POISON}\n\n`),
  events('event-duplicate', 'RFC 8259 §4', (id) => `data: ${result(id).replace('"id"', '"id":0,"id"')}\n\n`),
];

export const REPLIES: readonly ReplyAttack[] = [...heads, ...bodies, ...streams];

/** @returns what is wrong, by row */
export async function tryReplies(world: World, attacks: readonly ReplyAttack[]): Promise<readonly string[]> {
  const failures: string[] = [];
  const recorded: { readonly name: string; readonly decision: string }[] = [];
  for (const attack of attacks) {
    const name = `replies/${attack.id} (${attack.source})`;
    world.tools.next(attack.answer);
    const { statuses, text } = await world.say(post(GOOD), { withinMs: 30_000 });
    const decision = /"decision_id":"(\w+)"/.exec(text)?.[1];
    if (attack.harmless !== true && decision !== undefined) recorded.push({ name, decision });
    for (const what of wrongWith(attack, statuses[0], text)) failures.push(`${name}: ${what}`);
    if (!(await world.good()) || !(await world.good())) failures.push(`${name}: a good call afterwards did not pass`);
  }
  return [...failures, ...(await unrecorded(world, recorded))];
}

function wrongWith({ harmless: passes }: ReplyAttack, status: number | undefined, text: string): readonly string[] {
  const code = /"code":"(CORDON-\d+)"/.exec(text)?.[1];
  return [
    ...(text.includes(POISON) ? ['what the upstream said reached the caller'] : []),
    ...(passes === true && !(status === 200 && text.includes('"done"')) ? [`heard ${status}: ${text.slice(0, 300)}`] : []),
    ...(passes !== true && code !== 'CORDON-9010' ? [`heard ${status} ${code ?? ''}, expected CORDON-9010: ${text.slice(0, 300)}`] : []),
  ];
}

/** INVARIANT I3: the call was allowed and is on record as such; what became of it is a record of its own. */
async function unrecorded(
  world: World,
  calls: readonly { readonly name: string; readonly decision: string }[],
): Promise<readonly string[]> {
  await signedAll(world.bed);
  const { outcomes } = await readLog(world.bed);
  const codes = new Map(outcomes.map(({ decision, code }) => [decision, code]));
  return calls.flatMap(({ name, decision }) =>
    codes.get(decision) === 'CORDON-9010' ? [] : [`${name}: the outcome on record is ${codes.get(decision) ?? 'none'}`],
  );
}
