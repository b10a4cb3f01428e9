// Attacks by time and number: what is said slowly, half, or not at all, and more of it than one caller needs. Each is ended within its bound
// (small ones are configured for the run), and a caller that behaves is served meanwhile. It is the gateway that ends them: nothing here
// looks at a clock.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Code } from '../../src/domain/codes.ts';
import { chunked, GOOD, lengthOf, message, post, type Attack } from './attack.ts';
import { bare, drip, ended, heard, meanwhile, realHello, STARVED, trusted } from './slow-speak.ts';
import type { World } from './world.ts';

const MOST = { calls: 6, connections: 8, handshakes: 24 };
/** What the rows count on. */
export const SLOW_LIMITS = `, concurrent: ${MOST.calls}, connections: ${MOST.connections}, handshakes: ${MOST.handshakes}, handshake: 1s, head: 1s, request: 2s, idle: 1s, stall: 1s`;

/** On one connection with an identity. `drop`: what is said from then on, bit by bit; absent: nothing. */
const slow = (id: string, source: string, said: string, drop?: string): Attack => ({
  id,
  source,
  hears: 'closed',
  code: 'CORDON-9011',
  async send(world) {
    const socket = await trusted(world);
    drip(socket, said, drop);
    return meanwhile(world, [socket]);
  },
});

const LINE = 'POST /mcp/bench HTTP/1.1\r\n';
const SLOWLORIS = 'CVE-2007-6750 (Slowloris)';
const RUDY = 'CWE-400 (R-U-D-Y, slow POST); CVE-2018-12122';
const CHUNKED = message(['Transfer-Encoding: chunked']);

const requests: readonly Attack[] = [
  slow('head-drip', SLOWLORIS, `${LINE}Host: gateway.test\r\n`, 'X-a: b\r\n'),
  slow('head-drip-by-byte', SLOWLORIS, `${LINE}Host: gateway.test\r\nX-a: `, 'b'),
  slow('head-line-drip', SLOWLORIS, 'POST /mcp/bench', 'a'),
  slow('head-stops', `${SLOWLORIS}; CVE-2019-5737`, `${LINE}Host: gateway.test\r\n`),
  slow('head-empty-lines', 'RFC 9112 §2.2; CVE-2018-12121', '', '\r\n'),
  slow('body-drip', RUDY, message(['Content-Length: 100000'], '{'), ' '),
  slow('body-stops', RUDY, message([lengthOf(`${GOOD} `)], GOOD)),
  slow('body-never-begins', RUDY, message([lengthOf(GOOD)])),
  slow('chunks-of-one-byte', 'RFC 9112 §7.1', CHUNKED, '1\r\n \r\n'),
  slow('chunk-size-drip', 'RFC 9112 §7.1', CHUNKED, '0'),
  slow('chunk-extension-drip', 'CVE-2024-22019', `${CHUNKED}1;a=`, 'b'),
  slow('trailers-drip', 'RFC 9112 §7.1.2', CHUNKED + chunked(GOOD).slice(0, -2), 'X-a: b\r\n'),
  slow('silent', 'RFC 9112 §9.5', ''),
  {
    id: 'kept-open-after-an-answer',
    source: 'RFC 9112 §9.5',
    hears: 'closed',
    code: 'CORDON-9011',
    async send(world) {
      const socket = await trusted(world);
      socket.write(post('{'));
      return meanwhile(world, [socket]);
    },
  },
];

/** On connections without an identity. */
const strange = (id: string, said: () => Promise<string | Buffer>, drop?: string): Attack => ({
  id,
  source: 'CWE-400; RFC 8446 §4',
  hears: 'closed',
  code: 'CORDON-1001',
  async send(world) {
    const socket = bare(world);
    socket.write(await said(), 'latin1');
    drip(socket, '', drop);
    return meanwhile(world, [socket]);
  },
});

const HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';

const handshakes: readonly Attack[] = [
  strange('handshake-silent', async () => Promise.resolve('')),
  strange('handshake-half-hello', async () => (await realHello()).subarray(0, 100)),
  strange('handshake-drip', async () => Promise.resolve(HELLO), '\x01'),
  strange('handshake-record-header', async () => Promise.resolve('\x16\x03\x01\x3f\xff')),
  strange('handshake-stops-before-certificate', realHello),
];

/** Many connections at once: those over the bound are refused with this code, and all are gone in the end. */
const flood = (id: string, code: Code, count: number, one: (world: World) => Promise<() => Promise<Socket>>): Attack => ({
  id,
  source: 'CWE-770; INVARIANT I10',
  hears: 'closed',
  code,
  async send(world) {
    const open = await one(world);
    return meanwhile(world, await Promise.all(Array.from({ length: count }, open)));
  },
});

/** Connections of one run, which is nobody else's. */
const asOne =
  (then: (socket: Socket) => void) =>
  async (world: World): Promise<() => Promise<Socket>> => {
    const tls = world.as(await world.bed.svid('caller'));
    return async () => {
      const socket = await trusted(world, tls);
      then(socket);
      return socket;
    };
  };

const asNobody =
  (said: string) =>
  async (world: World): Promise<() => Promise<Socket>> =>
    Promise.resolve(async () => {
      const socket = bare(world);
      socket.write(said, 'latin1');
      return Promise.resolve(socket);
    });

const floods: readonly Attack[] = [
  flood('connections-without-identity', 'CORDON-4003', 2 * MOST.handshakes, asNobody('')),
  flood('half-hellos', 'CORDON-4003', 2 * MOST.handshakes, asNobody(HELLO)),
  flood(
    'connections-of-one-identity',
    'CORDON-4003',
    2 * MOST.connections,
    asOne(() => undefined),
  ),
  flood(
    'slow-heads-of-one-identity',
    'CORDON-9011',
    MOST.connections,
    asOne((socket) => drip(socket, `${LINE}Host: gateway.test\r\n`, 'X-a: b\r\n')),
  ),
];

const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const ASKS = GOOD.replace('"arguments"', '"_meta":{"progressToken":1},"arguments"');

/** An event of a tool server: how far it has come. */
function progress(text: string): string {
  const params = { progressToken: 1, progress: 1, message: text };
  const event = `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })}\n\n`;
  return `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`;
}

const streams: readonly Attack[] = [
  {
    id: 'streams-of-one-identity',
    source: 'CWE-770; INVARIANT I10',
    hears: 429,
    code: 'CORDON-4003',
    async send(world) {
      const before = world.tools.reached.length;
      const tls = world.as(await world.bed.svid('caller'));
      const open = async (): Promise<Socket> => {
        world.tools.next((socket) => void socket.write(EVENTS + progress('')));
        const socket = await trusted(world, tls);
        socket.write(post(ASKS));
        await once(socket, 'data');
        return socket;
      };
      const sockets = await Promise.all(Array.from({ length: MOST.calls }, open));
      const refused = await world.say(post(ASKS), { tls });
      const served = await world.good();
      for (const socket of sockets) socket.destroy();
      world.tools.forget(before); // they were meant to
      return served ? refused : heard('answered', STARVED);
    },
  },
  {
    id: 'answer-not-read',
    source: 'CWE-400 (slow read); CVE-2019-9517',
    hears: 'closed',
    code: undefined, // the decision was to allow; its outcome says why it ended
    async send(world) {
      const before = world.tools.reached.length;
      const gone = Promise.withResolvers<void>();
      const much = progress('x'.repeat(60_000));
      world.tools.next((socket) => {
        const pour = (): void => {
          while (!socket.destroyed && socket.write(much));
        };
        socket.on('drain', pour).once('close', () => gone.resolve());
        socket.write(EVENTS);
        pour();
      });
      const socket = await trusted(world);
      socket.pause();
      socket.write(post(ASKS));
      const served = await world.good();
      await gone.promise; // the gateway has given the call up, and its place at the tool server with it
      const how = await ended(socket);
      world.tools.forget(before);
      return served ? heard(how) : heard('answered', STARVED);
    },
  },
];

export const SLOW: readonly Attack[] = [...requests, ...handshakes, ...floods, ...streams];
