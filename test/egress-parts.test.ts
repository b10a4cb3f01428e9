// What a forward proxy rests on: one spelling for a host, which addresses may be reached, and what the first message of TLS says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import * as fc from 'fast-check';
import type { Refusal } from '../src/domain/refusal.ts';
import { readClientHello } from '../src/gateway/client-hello.ts';
import { addressRule, readCidr, type Cidr } from '../src/gateway/egress-addresses.ts';
import { createDial, oneAtATime, type Resolve } from '../src/gateway/egress-dial.ts';
import { readAuthority } from '../src/gateway/egress-host.ts';
import { openExchange } from '../src/gateway/exchange.ts';
import { splice } from '../src/gateway/tunnel.ts';

const isCode =
  (code: string) =>
  (error: unknown): boolean =>
    (error as Refusal).code === code;

describe('hosts', () => {
  for (const [text, host, port] of [
    ['API.Example.COM:443', 'api.example.com', 443],
    ['10.0.0.1:8080', '10.0.0.1', 8080],
    ['[2001:DB8::0:1]:443', '2001:db8::1', 443],
    ['[::FFFF:7f00:1]:443', '::ffff:7f00:1', 443],
    ['xn--bcher-kva.example:443', 'xn--bcher-kva.example', 443],
  ] as const) {
    void test(`${text} has one spelling`, () => assert.deepEqual(readAuthority(text), { host, port }));
  }

  for (const text of [
    ['2130706433:80', 'an address as one number'],
    ['0x7f000001:80', 'an address in hex'],
    ['0177.0.0.1:80', 'an octal part'],
    ['127.1:80', 'a short address'],
    ['127.0.1:80', 'three parts'],
    ['0x7f.1:80', 'hex and short'],
    ['127.0.0.01:80', 'a leading zero'],
    ['127.0.0.1.:80', 'a trailing dot'],
    ['example.com.:443', 'a trailing dot after a name'],
    ['1.2.3.4.5:80', 'five parts'],
    ['256.0.0.1:80', 'a part too large'],
    ['example.0x1:80', 'a last label in hex'],
    ['example.1:80', 'a last label that is a number'],
    ['[fe80::1%25eth0]:80', 'a zone'],
    ['[fe80::1%eth0]:80', 'a zone, not encoded'],
    ['[127.0.0.1]:80', 'IPv4 in brackets'],
    ['::1:80', 'IPv6 without brackets'],
    ['user@example.com:80', 'user information'],
    ['example.com:443@evil.example:443', 'a port that is a password'],
    ['example.com', 'no port'],
    ['example.com:', 'an empty port'],
    ['example.com:0', 'port 0'],
    ['example.com:0443', 'a leading zero in the port'],
    ['example.com:65536', 'a port too large'],
    ['example.com:443/', 'a path'],
    ['exa mple.com:443', 'a blank'],
    ['exa\u0000mple.com:443', 'NUL'],
    ['exämple.com:443', 'no A-label'],
    ['１２７.0.0.1:443', 'fullwidth digits'],
    ['127。0。0。1:443', 'ideographic full stops'],
    ['exa%6dple.com:443', 'percent-encoding'],
    ['-a.example:443', 'a label that begins with `-`'],
    ['a..example:443', 'an empty label'],
    [`${'a'.repeat(64)}.example:443`, 'a label too long'],
    ['*.example.com:443', 'a wildcard'],
    [':443', 'no host'],
  ] as const) {
    void test(`is refused: ${text[0]} (${text[1]})`, () => assert.throws(() => readAuthority(text[0]), isCode('CORDON-9011')));
  }
});

describe('addresses', () => {
  const mayReach = addressRule([]);
  for (const [address, what] of [
    ['0.0.0.0', 'this host'],
    ['10.1.2.3', 'private'],
    ['100.64.0.1', 'CGNAT'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['169.254.169.254', 'metadata of clouds'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.192', 'metadata of a cloud'],
    ['192.0.2.1', 'documentation'],
    ['192.88.99.1', '6to4 relay'],
    ['192.168.1.1', 'private'],
    ['198.18.0.1', 'benchmarking'],
    ['198.51.100.1', 'documentation'],
    ['203.0.113.1', 'documentation'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.250', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::127.0.0.1', 'IPv4-compatible'],
    ['::ffff:127.0.0.1', 'IPv4-mapped'],
    ['::ffff:8.8.8.8', 'IPv4-mapped, public'],
    ['::ffff:0:127.0.0.1', 'IPv4-translated'],
    ['64:ff9b::7f00:1', 'NAT64'],
    ['64:ff9b:1::1', 'NAT64, local'],
    ['100::1', 'discard'],
    ['2001::1', 'Teredo'],
    ['2001:10::1', 'ORCHID'],
    ['2001:db8::1', 'documentation'],
    ['2002:7f00:1::1', '6to4 of loopback'],
    ['2002:0808:0808::1', '6to4'],
    ['3fff::1', 'documentation'],
    ['5f00::1', 'segment routing'],
    ['fc00::1', 'unique local'],
    ['fd12:3456::1', 'unique local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%lo', 'link-local with a zone'],
    ['2606:4700::1%lo', 'a zone'],
    ['fec0::1', 'site-local'],
    ['ff02::1', 'multicast'],
    ['not an address', 'nothing'],
    ['', 'nothing'],
  ] as const) {
    void test(`may not be reached: ${address} (${what})`, () => assert.equal(mayReach(address), false));
  }
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '100.63.255.255',
    '100.128.0.1',
    '172.15.255.255',
    '172.32.0.1',
    '2606:4700:4700::1111',
    '2a00:1450::1',
  ]) {
    void test(`may be reached: ${address}`, () => assert.equal(mayReach(address), true));
  }

  void test('a range that is registered may be reached, and nothing beside it', () => {
    const rule = addressRule(['10.1.0.0/16', 'fd00:1::/32'].map((text) => readCidr(text) as Cidr));
    assert.deepEqual(['10.1.2.3', '10.2.0.1', 'fd00:1::5', 'fd00:2::5', '::ffff:10.1.2.3', 'fd00:1::5%lo'].map(rule), [
      true,
      false,
      true,
      false,
      false,
      false,
    ]);
  });

  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/08', 'fd00::/129', 'fe80::%lo/64', '/8', 'x/8']) {
    void test(`${text} is no range`, () => assert.equal(readCidr(text), undefined));
  }
});

describe('a connection outside', () => {
  const never = new AbortController().signal;
  const dialOf = (resolve: Resolve, ranges: readonly string[] = []): ReturnType<typeof createDial> =>
    createDial({ resolve, mayReach: addressRule(ranges.map((text) => readCidr(text) as Cidr)), connectMs: 5_000 });

  void test('is made to the address that was looked at, however the name changes (DNS rebinding)', async () => {
    const server = createServer((socket) => socket.end());
    server.listen(0, '127.0.0.2');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    let asked = 0;
    const dial = dialOf(async () => [['127.0.0.2'], ['169.254.169.254']][Math.min(asked++, 1)] ?? [], ['127.0.0.2/32']);
    const socket = await dial({ host: 'rebind.example', port }, never);
    assert.deepEqual([socket.remoteAddress, asked], ['127.0.0.2', 1]);
    socket.destroy();
    await assert.rejects(dial({ host: 'rebind.example', port }, never), isCode('CORDON-3010'));
    server.close();
  });

  for (const addresses of [['8.8.8.8', '127.0.0.1'], ['127.0.0.1', '8.8.8.8'], ['::1'], ['::ffff:10.0.0.1']]) {
    void test(`is not made when one of its addresses leads inside: ${addresses.join(', ')}`, async () => {
      await assert.rejects(dialOf(async () => addresses)({ host: 'a.example', port: 443 }, never), isCode('CORDON-3010'));
    });
  }

  void test('an address that is asked for by itself is looked at too, and nothing is resolved', async () => {
    const dial = dialOf(() => Promise.reject(new Error('asked')));
    for (const host of ['127.0.0.1', '::1', '::ffff:7f00:1', '169.254.169.254']) {
      await assert.rejects(dial({ host, port: 80 }, never), isCode('CORDON-3010'), host);
    }
  });

  void test('a name without an address, or without an answer, is out of reach', async () => {
    await assert.rejects(dialOf(async () => [])({ host: 'a.example', port: 1 }, never), isCode('CORDON-9010'));
    await assert.rejects(dialOf(() => Promise.reject(new Error('SERVFAIL')))({ host: 'a.example', port: 1 }, never), isCode('CORDON-9010'));
    const gone = AbortSignal.abort(new Error('gone'));
    await assert.rejects(dialOf(() => new Promise(() => undefined))({ host: 'a.example', port: 1 }, gone), isCode('CORDON-9010'));
  });
});

describe('a tunnel', () => {
  void test('[I10] ends with the side that was gone before it began', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const pair = async (): Promise<readonly [Socket, Socket]> => {
      const accepted = once(server, 'connection');
      const socket = connectTcp(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.on('error', () => undefined);
      return [((await accepted) as [Socket])[0].on('error', () => undefined), socket];
    };
    const [[near, agent], [host, far]] = [await pair(), await pair()];
    const gone = new Promise((resolve) => far.once('close', resolve));
    host.resetAndDestroy();
    await gone;
    const left = once(agent, 'close');
    const req = new IncomingMessage(near);
    await splice(openExchange(req, new ServerResponse(req)), near, far, { idle: 3_600_000, total: 3_600_000 });
    agent.resume();
    await left;
    server.close();
  });
});

/** The first bytes of a real client. */
async function helloOf(options: { readonly servername?: string; readonly maxVersion?: 'TLSv1.2' }): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    ALPNProtocols: ['h2', 'http/1.1'],
    ...options,
  });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  let bytes = Buffer.alloc(0);
  while (readClientHello(bytes) === undefined) bytes = Buffer.concat([bytes, ((await once(socket, 'data')) as [Buffer])[0]]);
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

describe('the first message of TLS', () => {
  void test('[RFC8446 §4.1.2] says which host is meant, whatever the version, however it is cut', async () => {
    for (const options of [{ servername: 'Api.Example.com' }, { servername: 'api.example.com', maxVersion: 'TLSv1.2' }] as const) {
      const bytes = await helloOf(options);
      assert.deepEqual(readClientHello(bytes), { serverName: 'api.example.com' });
      for (let length = 0; length < bytes.byteLength; length++) assert.equal(readClientHello(bytes.subarray(0, length)), undefined);
      assert.deepEqual(readClientHello(split(bytes, 17)), { serverName: 'api.example.com' }, 'in many records');
      assert.deepEqual(
        readClientHello(Buffer.concat([bytes, Buffer.from([23, 3, 3, 0, 1, 0])])),
        { serverName: 'api.example.com' },
        'early data',
      );
    }
    assert.deepEqual(readClientHello(await helloOf({})), {});
  });

  /** The same message in records of so many bytes. */
  function split(bytes: Buffer, size: number): Buffer {
    const message = bytes.subarray(5);
    const records: Buffer[] = [];
    for (let at = 0; at < message.byteLength; at += size) {
      const part = message.subarray(at, at + size);
      records.push(Buffer.concat([Buffer.from([22, 3, 1, part.byteLength >> 8, part.byteLength & 255]), part]));
    }
    return Buffer.concat(records);
  }

  const vector = (length: number, data: Buffer): Buffer => {
    const head = Buffer.alloc(length);
    head.writeUIntBE(data.byteLength, 0, length);
    return Buffer.concat([head, data]);
  };
  const extension = (type: number, data: Buffer): Buffer => Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, data)]);
  const name = (text: string, type = 0): Buffer => Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(text, 'latin1'))]);
  const names = (...list: readonly Buffer[]): Buffer => extension(0, vector(2, Buffer.concat(list)));
  /** A ClientHello with these extensions. */
  function hello(extensions: readonly Buffer[], { version = 0x0303, after = Buffer.alloc(0), type = 1 } = {}): Buffer {
    const body = Buffer.concat([
      Buffer.from([version >> 8, version & 255]),
      Buffer.alloc(32),
      vector(1, Buffer.alloc(0)),
      vector(2, Buffer.from([0x13, 0x01])),
      vector(1, Buffer.from([0])),
      vector(2, Buffer.concat(extensions)),
      after,
    ]);
    const message = Buffer.concat([Buffer.from([type]), vector(3, body)]);
    return Buffer.concat([Buffer.from([22, 3, 1]), vector(2, message)]);
  }

  void test('one that is written by hand is read', () => {
    assert.deepEqual(readClientHello(hello([names(name('a.example'))])), { serverName: 'a.example' });
  });

  for (const [what, bytes] of [
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')],
    ['SSLv2', Buffer.from([0x80, 0x2e, 1, 0, 2])],
    ['application data', Buffer.from([23, 3, 3, 0, 1, 0])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    [
      'in more records than any client makes',
      Buffer.concat(Array.from({ length: 200 }, (_, at) => Buffer.from([22, 3, 1, 0, 1, at === 0 ? 1 : 0]))),
    ],
    ['a record too long', Buffer.from([22, 3, 1, 0x40, 1])],
    ['another version of the record', Buffer.from([22, 2, 0, 0, 5, 1])],
    ['another handshake message', hello([], { type: 2 })],
    ['TLS 1.1', hello([names(name('a.example'))], { version: 0x0302 })],
    ['two server names', hello([names(name('a.example'), name('b.example'))])],
    ['two server name extensions', hello([names(name('a.example')), names(name('b.example'))])],
    ['a name of another type', hello([names(name('a.example', 1))])],
    ['an empty name', hello([names(name(''))])],
    ['a name with NUL', hello([names(name('a.example\0.evil'))])],
    ['a name with a line end', hello([names(name('a.example\r\n'))])],
    ['a list that is longer than it says', hello([extension(0, Buffer.concat([vector(2, name('a.example')), Buffer.from([0])]))])],
    ['a list that is shorter than it says', hello([extension(0, Buffer.concat([Buffer.from([0, 99]), name('a.example')]))])],
    ['encrypted ClientHello', hello([names(name('a.example')), extension(0xfe0d, Buffer.alloc(8))])],
    ['bytes after the extensions', hello([names(name('a.example'))], { after: Buffer.from([0]) })],
    ['a message longer than any', Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff])])],
  ] as const) {
    void test(`is refused: ${what}`, () => assert.throws(() => readClientHello(bytes), isCode('CORDON-3010')));
  }

  void test('[I10] whatever is sent is read, refused, or waited for, and never anything else', async () => {
    const real = await helloOf({ servername: 'api.example.com' });
    fc.assert(
      fc.property(fc.nat(real.byteLength - 1), fc.uint8Array({ maxLength: 40 }), fc.nat(40), (at, bytes, cut) => {
        const mutated = Buffer.concat([real.subarray(0, at), bytes, real.subarray(at + cut)]);
        try {
          const found = readClientHello(mutated);
          assert.ok(found === undefined || found.serverName === undefined || /^[a-z0-9.-]+$/.test(found.serverName));
        } catch (error) {
          assert.equal((error as Refusal).code, 'CORDON-3010');
        }
      }),
      { numRuns: 5_000, seed: 1 },
    );
  });
});

void test('[I10] one name of a resource is resolved at a time, and one that was given up while it waited never is', async () => {
  const asked: string[] = [];
  const slow = Promise.withResolvers<readonly string[]>();
  const resolve = oneAtATime((host) => {
    asked.push(host);
    return host === 'slow.example' ? slow.promise : Promise.resolve(['192.0.2.1']);
  });
  const [stay, leave] = [new AbortController(), new AbortController()];
  const first = resolve('slow.example', stay.signal);
  const left = resolve('left.example', leave.signal);
  const third = resolve('third.example', stay.signal);
  leave.abort(new Error('gone'));
  slow.reject(new Error('no answer'));
  await assert.rejects(first, /no answer/);
  await assert.rejects(left, /gone/);
  assert.deepEqual(await third, ['192.0.2.1']);
  assert.deepEqual(asked, ['slow.example', 'third.example']);
});
