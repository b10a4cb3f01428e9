// What slow attacks are made of: connections that are held open, said little on, and watched until the gateway ends them.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Heard } from './speak.ts';
import type { World } from './world.ts';

/** A bound that does not hold shows as an attack that is still open after so long. Milliseconds. */
const PATIENCE_MS = 20_000;
const DRIP_MS = 100;

export const heard = (end: Heard['end'], text = ''): Heard => ({ end, text, statuses: [] });

/** Until the other side ends it. */
export const ended = (socket: Socket): Promise<Heard['end']> =>
  new Promise((resolve) => {
    const late = setTimeout(() => resolve('open'), PATIENCE_MS);
    const closed = (): void => {
      clearTimeout(late);
      resolve('closed');
    };
    socket.resume().once('close', closed);
    if (socket.closed) closed();
  });

export async function trusted(world: World, tls: ConnectionOptions = world.as(world.caller)): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: world.port, servername: '', checkServerIdentity: () => undefined, ...tls });
  socket.on('error', () => undefined); // `close` comes after it
  await once(socket, 'secureConnect');
  return socket;
}

export function bare({ port }: World): Socket {
  const socket = connectTcp({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  return socket;
}

/** Says this, then `drop` again and again for as long as it may. */
export function drip(socket: Socket, said: string, drop: string | undefined): void {
  if (said !== '') socket.write(said, 'latin1');
  if (drop === undefined) return;
  const timer = setInterval(() => socket.write(drop, 'latin1'), DRIP_MS);
  socket.once('close', () => clearInterval(timer));
}

/** While they last, a call that is well behaved passes; each is ended by the gateway. */
export async function meanwhile(world: World, sockets: readonly Socket[]): Promise<Heard> {
  const ends = Promise.all(sockets.map(ended));
  const before = world.tools.reached.length;
  const served = await world.good();
  if (world.tools.reached.length === before + 1) world.tools.forget(before); // the good one
  const isOver = (await ends).every((end) => end === 'closed');
  for (const socket of sockets) socket.destroy();
  if (!served) return heard('answered', STARVED);
  return heard(isOver ? 'closed' : 'open');
}

export const STARVED = 'a caller that behaves was not served meanwhile';

/** The first message of a real handshake. */
export function realHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done): void {
      resolve(chunk);
      done();
    },
  });
  connect({ socket: wire, servername: '' }).on('error', () => undefined);
  return promise.finally(() => wire.destroy());
}
