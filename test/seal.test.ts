import assert from 'node:assert/strict';
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { assert as holds, property, string, uint8Array } from 'fast-check';
import { randomKey } from '../src/crypto/random.ts';
import { deriveKey, parseKey, sealer } from '../src/crypto/seal.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i * 7 + 1);
const SECRET = Buffer.from('hunter2-hunter2');
const text = string({ unit: 'binary' });

/** With a message that holds nothing of the secret. */
const refused = (attempt: () => unknown, message: RegExp): void =>
  assert.throws(attempt, (error: Error & { code: string }) => {
    assert.equal(error.code, 'CORDON-9006');
    assert.match(error.message, message);
    const shown = inspect(error, { depth: 5 });
    for (const form of ['utf8', 'hex', 'base64'] as const) {
      assert.ok(!shown.includes(SECRET.toString(form)) && !shown.includes(Buffer.from(KEY).toString(form)));
    }
    return true;
  });

void test('[I8] what was sealed opens under its key and name, every time another envelope', () => {
  const box = sealer(KEY);
  holds(
    property(text, uint8Array({ maxLength: 300 }), (name, plaintext) => {
      const sealed = box.seal(name, plaintext);
      assert.equal(sealed.byteLength, plaintext.byteLength + 37);
      assert.deepEqual(Buffer.from(box.open(name, sealed)), Buffer.from(plaintext));
      assert.notDeepEqual(box.seal(name, plaintext), sealed);
    }),
  );
});

void test('[I8] a flipped bit, a cut, a byte more, another name or another key is refused without a secret in the error', () => {
  const box = sealer(KEY);
  const sealed = box.seal('ca/root', SECRET);
  for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
    const changed = Uint8Array.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    refused(() => box.open('ca/root', changed), bit < 8 ? /version/ : bit < 72 ? /another root key/ : /changed/);
  }
  for (let length = 0; length < sealed.byteLength; length++)
    refused(() => box.open('ca/root', sealed.subarray(0, length)), /truncated|changed/);
  refused(() => box.open('ca/root', Buffer.concat([sealed, Uint8Array.of(0)])), /changed/);
  for (const name of ['ca/Root', 'ca/root ', '', 'ca/root\0']) refused(() => box.open(name, sealed), /another name/);
  refused(() => sealer(randomKey()).open('ca/root', sealed), /another root key/);
});

void test('names that UTF-8 would write alike are refused', () => {
  const box = sealer(KEY);
  for (const name of ['a\ud800', 'a\udfff']) {
    assert.throws(() => box.seal(name, SECRET), { code: 'CORDON-9006' });
    assert.throws(() => box.open(name, box.seal('a\ufffd', SECRET)), { code: 'CORDON-9006' });
  }
});

void test('the envelope is what its header says: read here by other code', () => {
  const sealed = sealer(KEY).seal('ca/root', SECRET);
  const key = (info: string, bytes: number): Buffer => Buffer.from(hkdfSync('sha256', KEY, '', info, bytes));
  const [version, id, nonce] = [sealed.subarray(0, 1), sealed.subarray(1, 9), sealed.subarray(9, 21)];
  assert.deepEqual([...version], [1]);
  assert.deepEqual(Buffer.from(id), key('cordon/seal/v1/id', 8));
  const decipher = createDecipheriv('aes-256-gcm', key('cordon/seal/v1/name/ca/root', 32), nonce);
  decipher.setAAD(Buffer.concat([version, id, Buffer.from('ca/root')])).setAuthTag(sealed.subarray(-16));
  assert.deepEqual(Buffer.concat([decipher.update(sealed.subarray(21, -16)), decipher.final()]), SECRET);
});

void test('a key per purpose: none opens what another sealed', () => {
  const keys = [KEY, deriveKey(KEY, 'upstream'), deriveKey(KEY, 'ca'), deriveKey(randomKey(), 'ca')];
  const envelopes = keys.map((key) => sealer(key).seal('n', SECRET));
  for (const [i, key] of keys.entries()) {
    for (const [j, sealed] of envelopes.entries()) {
      if (i === j) assert.deepEqual(Buffer.from(sealer(key).open('n', sealed)), SECRET);
      else assert.throws(() => sealer(key).open('n', sealed), { code: 'CORDON-9006' });
    }
  }
  assert.deepEqual(deriveKey(KEY, 'ca'), deriveKey(KEY, 'ca'));
});

void test('a root key is 32 random bytes as hex, base64 or base64url; anything else is refused unseen', () => {
  for (let i = 0; i < 50; i++) {
    const key = Buffer.from(randomKey());
    const base64 = key.toString('base64');
    for (const form of [
      key.toString('hex'),
      key.toString('hex').toUpperCase(),
      base64,
      base64.slice(0, -1),
      key.toString('base64url'),
      ` ${base64}\n`,
    ]) {
      assert.deepEqual(Buffer.from(parseKey(form)), key);
    }
  }
  const hex = Buffer.from(KEY).toString('hex');
  const base64 = Buffer.from(KEY).toString('base64');
  const bad = [
    '',
    ' ',
    hex.slice(2),
    `${hex}00`,
    base64.slice(4),
    `${base64}AAAA`,
    `${base64.slice(0, 42)}B=`,
    `0x${hex}`,
    `${base64}=`,
    '0'.repeat(64),
    'AB'.repeat(32),
    'changeme',
  ];
  for (const form of bad) {
    assert.throws(
      () => parseKey(form),
      (error: Error & { code: string }) => error.code === 'CORDON-9006' && (form.length < 3 || !inspect(error).includes(form)),
      form,
    );
  }
  for (const length of [0, 16, 31, 33]) assert.throws(() => sealer(new Uint8Array(length)), { code: 'CORDON-9006' });
});

void test('[I8] a group seals many names under one key: a name, a group or a kind of envelope that is another does not open', () => {
  const box = sealer(KEY);
  const hour = box.group('decisions/1');
  const sealed = hour.seal('dec_1', SECRET);
  assert.deepEqual(Buffer.from(sealer(KEY).group('decisions/1').open('dec_1', sealed)), SECRET);
  assert.notDeepEqual(hour.seal('dec_1', SECRET), sealed);
  refused(() => hour.open('dec_2', sealed), /another name/);
  refused(() => box.group('decisions/2').open('dec_1', sealed), /another name/);
  refused(() => box.open('dec_1', sealed), /envelope version 2/);
  refused(
    () =>
      hour.open(
        'dec_1',
        Uint8Array.from(sealed, (byte, i) => (i === 0 ? 1 : byte)),
      ),
    /another name/,
  );
  refused(() => sealer(randomKey()).group('decisions/1').open('dec_1', sealed), /another root key/);
  assert.throws(() => hour.seal('a\ud800', SECRET), { code: 'CORDON-9006' });
  // what was sealed before there were groups
  assert.deepEqual(Buffer.from(hour.open('dec_0', box.seal('dec_0', SECRET))), SECRET);
});
