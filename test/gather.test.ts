// A body taken in whole: what it brings, or that it does not, and always one of the two.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { gather } from '../src/gateway/gather.ts';

void test('all that comes is there when it is no more than it may be', async () => {
  assert.deepEqual(Buffer.from((await gather(Readable.from([Buffer.from('ab'), Buffer.from('c')]), 3)) ?? []).toString(), 'abc');
  assert.equal((await gather(Readable.from([]), 3))?.byteLength, 0);
  assert.equal(await gather(Readable.from([Buffer.from('ab'), Buffer.from('cd')]), 3), undefined);
});

void test('[I10] a stream that breaks or closes before its end is told of, whenever that was', async () => {
  for (const error of [undefined, new Error('broken')]) {
    const later = new PassThrough();
    const waiting = gather(later, 3);
    later.write('a');
    later.destroy(error);
    await assert.rejects(waiting);
    const before = new PassThrough().on('error', () => undefined);
    before.destroy();
    await once(before, 'close');
    await assert.rejects(gather(before, 3));
  }
});
