// SPOP, the protocol in which HAProxy asks: numbers and values as SPOE.txt §3 writes them, every frame that is none, and random bytes.
import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FRAME, FrameSplitter, readFrame, readList, readMessage } from '../src/gateway/external/spop/frame.ts';
import { serveSpop } from '../src/gateway/external/spop/session.ts';
import { SpopError, SpopReader, STATUS, text, typed, varint, type Typed } from '../src/gateway/external/spop/typed.ts';
import { until } from './support/until.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** §3.1: the bounds of each length, and their neighbours. */
const NUMBERS: readonly (readonly [value: number, written: string])[] = [
  [0, '00'],
  [239, 'ef'],
  [240, 'f000'],
  [2287, 'ff7f'],
  [2288, 'f08000'],
  [264_431, 'ffff7f'],
  [264_432, 'f0808000'],
  [33_818_863, 'ffffff7f'],
  [33_818_864, 'f080808000'],
  [4_328_786_159, 'ffffffff7f'],
];

void describe('values', () => {
  for (const [value, written] of NUMBERS) {
    void test(`[SPOP §3.1] ${value} is ${written}`, () => {
      assert.equal(hex(varint(value)), written);
      const reader = new SpopReader(Buffer.from(written, 'hex'));
      assert.equal(reader.varint(), value);
      assert.ok(reader.done);
    });
  }

  void test('[SPOP §3.1] every number is read as it was written, and has no other form', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const reader = new SpopReader(varint(value));
        assert.equal(reader.varint(), value);
        assert.ok(reader.done);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9 }), (bytes) => {
        const reader = new SpopReader(bytes);
        try {
          const value = reader.varint();
          assert.ok(hex(bytes).startsWith(hex(varint(value))));
        } catch (error) {
          assert.ok(error instanceof SpopError);
        }
      }),
    );
  });

  void test('[SPOP §3.1] texts and numbers are read as they were written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 3000 }), fc.nat(), (word, number) => {
        const reader = new SpopReader(Buffer.concat([typed(word), typed(number)]));
        assert.deepEqual([reader.typed(), reader.typed(), reader.done], [word, number, true]);
      }),
    );
  });

  for (const [why, bytes] of [
    ['a length beyond the end', '0805616263'],
    ['a length that no memory holds', '08ffffffffffffff7f'],
    ['a type that there is not', '0a'],
    ['flags of a text', '18'],
    ['a boolean with more than its flag', '21'],
    ['an address that ends early', '06010203'],
    ['a number that never ends', '05ffffffffffffffffffffff'],
    ['nothing', ''],
  ] as const) {
    void test(`[I10] a value is refused: ${why}`, () => {
      assert.throws(() => new SpopReader(Buffer.from(bytes, 'hex')).typed(), SpopError);
    });
  }
});

void describe('random bytes', () => {
  /** Reads everything that a frame can hold. */
  const readAll = (bytes: Uint8Array): void => {
    const { type, payload } = readFrame(bytes);
    if (type === FRAME.notify) readMessage(payload, 16);
    else readList(payload, 16);
  };

  void test('[I10] a frame is read, or refused as one that is none; nothing else happens', () => {
    const head = fc.tuple(fc.constantFrom(0, 1, 2, 3, 101, 200), fc.constantFrom(0, 1, 2, 3), fc.nat(300), fc.nat(300));
    const framed = fc
      .tuple(head, fc.uint8Array({ maxLength: 200 }))
      .map(([[type, flags, stream, id], rest]) => Buffer.concat([Uint8Array.of(type, 0, 0, 0, flags), varint(stream), varint(id), rest]));
    fc.assert(
      fc.property(fc.oneof(framed, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        try {
          readAll(bytes);
        } catch (error) {
          assert.ok(error instanceof SpopError, String(error));
        }
      }),
      { numRuns: 5000 },
    );
  });

  void test('[I10] frames are the same however the bytes come', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }), (frames, cuts) => {
        const all = Buffer.concat(frames.flatMap((body) => [Uint8Array.of(0, 0, 0, body.length), body]));
        const splitter = new FrameSplitter(64);
        const seen: string[] = [];
        let at = 0;
        for (let n = 0; at < all.length; n++) {
          const end = at + (cuts[n % cuts.length] ?? 1);
          for (const one of splitter.push(all.subarray(at, end))) seen.push(hex(one));
          at = end;
        }
        assert.deepEqual(seen, frames.map(hex));
      }),
    );
  });
});

const kv = (pairs: Readonly<Record<string, Uint8Array>>): Uint8Array =>
  Buffer.concat(Object.entries(pairs).flatMap(([key, value]) => [text(key), value]));

function frame(type: number, stream: number, id: number, payload: Uint8Array, flags = 1): Buffer {
  const body = Buffer.concat([Uint8Array.of(type, 0, 0, 0, flags), varint(stream), varint(id), payload]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

const HELLO = { 'supported-versions': typed('2.0'), 'max-frame-size': typed(16_380), capabilities: typed('pipelining,async') };
const hello = (more: Readonly<Record<string, Uint8Array>> = {}): Buffer => frame(FRAME.hello, 0, 0, kv({ ...HELLO, ...more }));
const without = (key: keyof typeof HELLO): Buffer => {
  const { [key]: _gone, ...rest } = HELLO;
  return frame(FRAME.hello, 0, 0, kv(rest));
};
const ask = (stream: number, id: number): Buffer =>
  frame(FRAME.notify, stream, id, Buffer.concat([text('cordon'), Uint8Array.of(1), kv({ word: typed('x') })]));

interface Client {
  readonly socket: Duplex;
  /** The agent's end. */
  readonly far: Duplex;
  /** Frames that came, as type and values. */
  readonly came: (readonly [type: number, said: ReadonlyMap<string, Typed>])[];
  readonly refused: string[];
  readonly asked: number;
  ended: boolean;
}

/** HAProxy's end of a session whose answers wait until they are let go. */
function open(answers: Promise<unknown> = Promise.resolve()): Client {
  const [near, far] = duplexPair();
  const splitter = new FrameSplitter(1 << 20);
  const seen = { count: 0 };
  const client: Client = {
    socket: near,
    far,
    came: [],
    refused: [],
    get asked(): number {
      return seen.count;
    },
    ended: false,
  };
  serveSpop({
    socket: far,
    maxFrameSize: 4096,
    onMessage: async () => {
      seen.count++;
      await answers;
      return { verdict: 'allow' };
    },
    onRefused: (refusal) => client.refused.push(refusal.code),
  });
  near.on('data', (chunk: Uint8Array) => {
    for (const bytes of splitter.push(chunk)) {
      const { type, payload } = readFrame(bytes);
      client.came.push([type, type === FRAME.ack ? new Map() : readList(payload, 16)]);
    }
  });
  near.on('end', () => (client.ended = true));
  return client;
}

const ended = (client: Client): Promise<true> => until('the agent ends', () => client.ended || undefined);

void describe('a session', () => {
  void test('[SPOP §3.2] says hello with the smaller frame and what it can, answers each question once, and parts', async () => {
    const client = open();
    client.socket.write(Buffer.concat([hello(), ask(7, 1), ask(7, 2)]));
    await until('both are answered', () => client.came.length === 3 || undefined);
    const said = client.came[0]?.[1];
    assert.deepEqual([said?.get('version'), said?.get('max-frame-size'), said?.get('capabilities')], ['2.0', 4096, 'pipelining']);
    client.socket.write(frame(FRAME.disconnect, 0, 0, kv({ 'status-code': typed(0), message: typed('bye') })));
    await ended(client);
    assert.deepEqual(client.came.at(-1)?.[1].get('status-code'), STATUS.normal);
    assert.deepEqual(client.refused, []);
  });

  void test('[SPOP §3.2.4] a health check is a hello and nothing more', async () => {
    const client = open();
    client.socket.write(hello({ healthcheck: Uint8Array.of(0x11) }));
    await ended(client);
    assert.deepEqual(
      client.came.map(([type]) => type),
      [FRAME.agentHello],
    );
  });

  const REFUSED: readonly (readonly [why: string, status: number, bytes: Uint8Array])[] = [
    ['a question before hello', STATUS.invalid, ask(1, 1)],
    ['two hellos', STATUS.invalid, Buffer.concat([hello(), hello()])],
    ['a hello of a stream', STATUS.invalid, frame(FRAME.hello, 1, 0, kv(HELLO))],
    ['a key twice', STATUS.invalid, frame(FRAME.hello, 0, 0, Buffer.concat([kv(HELLO), kv(HELLO)]))],
    ['no version', STATUS.noVersion, without('supported-versions')],
    ['no frame size', STATUS.noFrameSize, without('max-frame-size')],
    ['no capabilities', STATUS.noCapabilities, without('capabilities')],
    ['another version', STATUS.badVersion, hello({ 'supported-versions': typed('1.0, 3.1') })],
    ['frames too small for any answer', STATUS.badFrameSize, hello({ 'max-frame-size': typed(255) })],
    ['a frame beyond what was agreed', STATUS.tooBig, Buffer.concat([hello(), Uint8Array.of(0, 0, 0x40, 0)])],
    ['a frame of gigabytes', STATUS.tooBig, Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
    ['a fragment', STATUS.fragments, Buffer.concat([hello(), frame(FRAME.notify, 1, 1, text('cordon'), 0)])],
    ['the rest of a fragment', STATUS.fragments, Buffer.concat([hello(), frame(0, 1, 1, text('cordon'))])],
    ['an aborted frame', STATUS.invalid, Buffer.concat([hello(), frame(FRAME.notify, 1, 1, text('cordon'), 3)])],
    ['a frame that came before', STATUS.invalid, Buffer.concat([hello(), ask(1, 1), ask(1, 1)])],
    [
      'fewer arguments than it says',
      STATUS.invalid,
      Buffer.concat([hello(), frame(FRAME.notify, 1, 1, Buffer.concat([text('cordon'), Uint8Array.of(2)]))]),
    ],
    ['an answer', STATUS.invalid, Buffer.concat([hello(), frame(FRAME.ack, 1, 1, Uint8Array.of())])],
    ['a frame that nobody knows', STATUS.invalid, Buffer.concat([hello(), frame(200, 1, 1, Uint8Array.of())])],
  ];
  for (const [why, status, bytes] of REFUSED) {
    void test(`[SPOP §3.5] [I3] ends with status ${status} for ${why}, and says so on record`, async () => {
      const client = open();
      client.socket.write(bytes);
      await ended(client);
      const [type, said] = client.came.at(-1) ?? [];
      assert.deepEqual([type, said?.get('status-code'), client.refused], [FRAME.agentDisconnect, status, ['CORDON-9011']]);
    });
  }

  void test('[I10] who neither ends nor stops after the end is not waited for', async ({ mock }) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const client = open();
    client.socket.write(frame(200, 1, 1, Uint8Array.of()));
    await ended(client);
    assert.equal(client.far.destroyed, false, 'the last frame can be taken');
    client.socket.write(hello());
    mock.timers.tick(2_000);
    assert.equal(client.far.destroyed, true);
    assert.deepEqual([client.came.length, client.refused.length], [1, 1]);
  });

  void test('[SPOP §3.2.1] without pipelining the second question waits for the first answer, or ends it', async () => {
    const client = open(new Promise(() => undefined));
    client.socket.write(Buffer.concat([hello({ capabilities: typed('async') }), ask(1, 1), ask(2, 1)]));
    await ended(client);
    assert.equal(client.came.at(-1)?.[1].get('status-code'), STATUS.interlaced);
    assert.equal(client.asked, 1);
  });
});
