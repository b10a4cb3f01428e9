// A2A: names of older revisions, cards by other paths, tasks of others, contents that policy does not see.
import type { Code } from '../../src/domain/codes.ts';
import { lengthOf, post, type Attack, type Hears } from './attack.ts';

const SEND =
  '{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}]}}}';
const A2A = 'A2A 1.0 §9';
/** The status of an error object; which error it is, the log says by its code. */
const NO = 200;

/** With a task token, so that nothing but the attack can be why it is refused. */
const say = (
  id: string,
  source: string,
  body: string,
  hears: Hears,
  code: Code,
  version = 'A2A-Version: 1.0',
  line = 'POST /a2a/callee HTTP/1.1',
): Attack => ({
  id,
  source,
  hears,
  code,
  send: async (world) =>
    world.say(post(body, [...(version === '' ? [] : [version]), `Authorization: Bearer ${await world.task()}`], { line })),
});

const method = (name: string): string => SEND.replace('SendMessage', name);
const part = (json: string): string => SEND.replace('{"text":"hi"}', json);
const card = (id: string, target: string, hears: Hears = 404, code: Code = 'CORDON-3003'): Attack =>
  say(`card-${id}`, 'RFC 8615; path confusion', '', hears, code, 'A2A-Version: 1.0', `GET ${target} HTTP/1.1`);

export const A2A_ATTACKS: readonly Attack[] = [
  say('version-missing', `${A2A}: an empty version is 0.3`, SEND, NO, 'CORDON-3021', ''),
  say('version-0.3', A2A, method('message/send'), NO, 'CORDON-3021', 'A2A-Version: 0.3'),
  say('version-list', A2A, SEND, NO, 'CORDON-3021', 'A2A-Version: 1.0, 0.3'),
  say('alias-0.3-send', `${A2A}: names of 0.3`, method('message/send'), NO, 'CORDON-3008'),
  say('alias-0.3-stream', `${A2A}: names of 0.3`, method('message/stream'), NO, 'CORDON-3008'),
  say('alias-case', A2A, method('sendMessage'), NO, 'CORDON-3008'),
  say('notification', 'JSON-RPC 2.0 §4.1', SEND.replace('"id":1,', ''), 400, 'CORDON-9011'),
  say('batch', 'JSON-RPC 2.0 §6', `[${SEND}]`, 400, 'CORDON-9011'),
  say('duplicate-method', 'RFC 8259 §4', SEND.replace('"method"', '"method":"GetTask","method"'), 400, 'CORDON-9011'),
  say('part-two-contents', 'A2A 1.0 §4.1.6: one content', part('{"text":"hi","data":{"x":1}}'), NO, 'CORDON-3006'),
  say('part-none', 'A2A 1.0 §4.1.6', part('{}'), NO, 'CORDON-3006'),
  say('part-scalar', 'A2A 1.0 §4.1.6', part('"hi"'), NO, 'CORDON-3006'),
  say('parts-object', 'A2A 1.0 §4.1.4', SEND.replace('[{"text":"hi"}]', '{"0":{"text":"hi"}}'), NO, 'CORDON-9011'),
  say('message-missing', A2A, SEND.replace('"message":', '"massage":'), NO, 'CORDON-9011'),
  say('task-id-number', A2A, SEND.replace('"messageId":"m"', '"messageId":"m","taskId":1'), NO, 'CORDON-9011'),
  say(
    'rest-on-json-rpc',
    'A2A 1.0 §11: another binding',
    SEND,
    404,
    'CORDON-3003',
    'A2A-Version: 1.0',
    'POST /a2a/callee/message:sendx HTTP/1.1',
  ),
  say('agent-unknown', 'INVARIANT I9', SEND, NO, 'CORDON-3003', 'A2A-Version: 1.0', 'POST /a2a/nothere HTTP/1.1'),
  card('dot-dot', '/a2a/callee/../callee/.well-known/agent-card.json'),
  card('older-name', '/a2a/callee/.well-known/agent.json'),
  card('encoded', '/a2a/callee/%2ewell-known/agent-card.json'),
  card('double-slash', '/a2a/callee//.well-known/agent-card.json'),
  card('query', '/a2a/callee/.well-known/agent-card.json?x=y'),
  card('of-nobody', '/a2a/nothere/.well-known/agent-card.json'),
  {
    id: 'without-token',
    source: 'A2A 1.0 §7: every request is authenticated',
    hears: 401,
    code: 'CORDON-1008',
    send: (world) => world.say(post(SEND, ['A2A-Version: 1.0'], { line: 'POST /a2a/callee HTTP/1.1' })),
  },
  {
    id: 'from-another-segment',
    source: 'INVARIANT I9',
    hears: NO,
    code: 'CORDON-3007',
    send: (world) =>
      world.say(post(SEND, ['A2A-Version: 1.0', lengthOf('').replace('Content-Length', 'X')], { line: 'POST /a2a/callee HTTP/1.1' }), {
        tls: world.as(world.other),
      }),
  },
];
