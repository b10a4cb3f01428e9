// The first contact with a Cordon: who is not there, and who is somebody else, are two different things to mend.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { test } from 'node:test';
import { fetchUnverifiedRoots } from '../src/sdk/bootstrap.ts';

async function at(server: Server): Promise<URL> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return new URL(`https://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
}

const saying = (message: RegExp) => ({ code: 'CORDON-9010', message }) as const;

void test('[U6] nobody there is told from somebody else there', async () => {
  const gone = createServer();
  const nobody = await at(gone);
  await new Promise((resolve) => gone.close(resolve));
  await assert.rejects(fetchUnverifiedRoots(nobody), saying(/^nothing answers at/));
  for (const other of [createHttp((_req, res) => res.end('hello')), createServer((socket) => socket.destroy())]) {
    await assert.rejects(fetchUnverifiedRoots(await at(other)), saying(/is not the identity listener of a Cordon/));
    await new Promise((resolve) => other.close(resolve));
  }
});
