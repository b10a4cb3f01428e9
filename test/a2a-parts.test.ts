// Parts of A2A messages (A2A 1.0 §4.1.6): what goes on is what policy saw, and nothing passes that it did not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { Json } from '../src/domain/json.ts';
import { PART_KINDS, type PartKind } from '../src/domain/registry.ts';
import { Refusal } from '../src/domain/refusal.ts';
import { readParts, type ReadParts } from '../src/gateway/a2a-parts.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';

const ALL: ReadonlySet<PartKind> = new Set(PART_KINDS);
const read = (...parts: Json[]): ReadParts => readParts(parts, ALL);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('[I2] [A2A-1.0] parts', () => {
  void test('are facts for policy, and go on as they were seen', () => {
    const parts = [
      { text: 'hello', mediaType: 'text/plain' },
      { text: 'world' },
      { data: { b: 1, a: [true, null] }, mediaType: 'application/json' },
      { raw: base64('bytes'), filename: 'a.bin', mediaType: 'application/octet-stream' },
      { url: 'https://files.example:8443/a?b=c#d', mediaType: 'Image/PNG; q=1' },
      { url: 'https://FILES.example/b' },
    ];
    const { parts: goOn, facts } = read(...parts);
    assert.deepEqual(goOn, parts);
    assert.deepEqual(facts, {
      text: 'hello\nworld',
      data: '{"a":[true,null],"b":1}',
      files: 3,
      file_bytes: 5,
      file_sha256: [sha256('bytes')],
      file_hosts: ['files.example:8443', 'files.example'],
      file_names: ['a.bin'],
      media_types: ['text/plain', 'application/json', 'application/octet-stream', 'image/png'],
    });
  });

  void test('one value of data is one text, however it is written', () => {
    assert.equal(read({ data: { a: 1, b: { d: 2, c: 3 } } }).facts['data'], read({ data: { b: { c: 3, d: 2 }, a: 1 } }).facts['data']);
    assert.equal(read({ data: 'line\nline' }).facts['data'], '"line\\nline"', 'a value cannot look like two');
  });

  void test('what is no member of a part that policy sees is left out', () => {
    const { parts, facts } = read({ text: 'x', metadata: { secret: 1 }, filename: 'a', mediaType: '', extra: 1 });
    assert.deepEqual([parts, facts], [[{ text: 'x' }], { text: 'x' }]);
  });

  const REFUSED: readonly (readonly [why: string, part: Json])[] = [
    ['two contents', { text: 'x', data: 1 }],
    ['two contents, one of them null', { text: 'x', url: null }],
    ['a content of 0.3', { text: 'x', file: { uri: 'https://x.example' } }],
    ['no content', {}],
    ['no object', 'x'],
    ['a text that is none', { text: 1 }],
    ['bytes that are no base64', { raw: '%%%' }],
    ['base64 in another alphabet', { raw: '-_-_' }],
    ['base64 with bits to spare', { raw: 'QQ' }],
    ['base64 with another end', { raw: 'QR==' }],
    ['http', { url: 'http://files.example/' }],
    ['a file of the machine', { url: 'file:///etc/passwd' }],
    ['data in a URL', { url: 'data:text/plain,x' }],
    ['a user before the host', { url: 'https://files.example@evil.example/' }],
    ['a backslash', { url: 'https://evil.example\\@files.example/' }],
    ['a tab in a URL', { url: 'https://files.example/\ta' }],
    ['an address as one number', { url: 'https://2130706433/' }],
    ['an address in octal', { url: 'https://0177.0.0.1/' }],
    ['an address in hex', { url: 'https://0x7f.0.0.1/' }],
    ['a host that is encoded', { url: 'https://files%2eexample/' }],
    ['no host', { url: 'https:///a' }],
    ['a long URL', { url: `https://files.example/${'a'.repeat(3_000)}` }],
    ['a name with a path', { raw: '', filename: '../a' }],
    ['a name that is turned round', { raw: '', filename: 'a\u202egpj.exe' }],
    ['a type that is none', { text: 'x', mediaType: 'text' }],
    ['a type with a line', { text: 'x', mediaType: 'text/plain;\r\nx: y' }],
  ];
  for (const [why, part] of REFUSED) {
    void test(`refused: ${why}`, () => {
      assert.throws(
        () => read(part),
        (error) => error instanceof Refusal && ['CORDON-3006', 'CORDON-9011'].includes(error.code),
      );
    });
  }

  void test('[I10] there are so many and no more', () => {
    assert.throws(() => read(...Array.from({ length: 300 }, () => ({ text: 'x' }))), { code: 'CORDON-9011' });
  });

  void test('data and files pass only where the operator says so', () => {
    for (const part of [{ data: 1 }, { raw: '' }, { url: 'https://files.example/' }])
      assert.throws(() => readParts([{ text: 'x' }, part], new Set(['text'])), { code: 'CORDON-3006' });
    assert.throws(() => readParts([{ text: 'x' }], new Set(['data'])), { code: 'CORDON-3006' });
  });
});

describe('[I2] [A2A-1.0] parts over the wire', () => {
  let bed: Bed;
  let caller: Svid;
  before(async () => {
    bed = await openBed({
      tools: false,
      policies: `@id("talks") permit (principal, action in Action::"a2a/message", resource == Agent::"callee");
@id("known-hosts") @reason("files from there only") forbid (principal, action in Action::"a2a/message", resource)
when { context.input has file_hosts } unless { ["files.example"].containsAll(context.input.file_hosts) };
@id("small") @reason("too large") forbid (principal, action in Action::"a2a/message", resource)
when { context.input has file_bytes && context.input.file_bytes > 10 };
@id("no-iban") @reason("no bank data") forbid (principal, action in Action::"a2a/message", resource)
when { context.input has data && context.input.data like "*\\"iban\\"*" };`,
      configure: (yaml) => yaml.replace('purpose: is called,', 'purpose: is called, parts: [text, data, file],'),
    });
    await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee)]);
    caller = await bed.svid('caller');
  });
  after(() => (bed as Bed | undefined)?.close());

  const say = (...parts: object[]): Promise<Answer> =>
    send({
      port: bed.ports.gateway,
      path: '/a2a/callee',
      headers: { 'a2a-version': '1.0' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'SendMessage',
        params: { message: { messageId: 'm', role: 'ROLE_USER', parts } },
      }),
      svid: caller,
    });

  void test('policy decides on hosts, sizes and data', async () => {
    const CASES: readonly (readonly [part: object, denied: string])[] = [
      [{ url: 'https://files.example/a', mediaType: 'image/png' }, ''],
      [{ url: 'https://evil.example/a' }, 'files from there only'],
      [{ raw: base64('small'), filename: 'a' }, ''],
      [{ raw: base64('larger than ten') }, 'too large'],
      [{ data: { amount: 1 } }, ''],
      [{ data: [{ deep: { iban: 'DE00' } }] }, 'no bank data'],
    ];
    for (const [part, denied] of CASES) {
      const { status, text } = await say({ text: 'look' }, part);
      assert.equal(status, denied === '' ? 200 : 403, text);
      assert.ok(text.includes(denied), text);
    }
  });
});
