// A unix socket with the rights that were chosen for it: bound in a directory that only we can enter, given its mode, then moved to its
// place. So nobody connects before the mode is right, and what a crash left there is replaced in one step.
import { chmod, lstat, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { errorCodeOf, Refusal } from '../../domain/refusal.ts';

export interface UnixSocket {
  readonly path: string;
  /** Takes no more connections and removes the file; those that are open stay. */
  close(): Promise<void>;
}

export interface UnixSocketOptions {
  readonly path: string;
  /** Of the file: whoever may write may connect. */
  readonly mode: number;
  readonly onConnection: (socket: Socket) => void;
}

/** Bytes that a path may have, with the zero at its end (unix(7), `sun_path`). */
const MAX_PATH = 107;
/** Of the directory that it is bound in. */
const SUFFIX = '/.XXXXXX/s'.length;

/** Does a socket in this directory have a name that the system can take? `name`: of the file. */
export const fitsSocket = (directory: string, name: string): boolean =>
  Buffer.byteLength(directory) + Math.max(SUFFIX, Buffer.byteLength(name) + 1) <= MAX_PATH;

/** @throws Refusal CORDON-9006 when it cannot stand there, or one stands there that answers */
export async function listenUnix({ path, mode, onConnection }: UnixSocketOptions): Promise<UnixSocket> {
  const directory = dirname(path);
  if (!fitsSocket(directory, path.slice(directory.length + 1))) {
    throw refused(path, `its path is longer than ${MAX_PATH} bytes`, undefined);
  }
  try {
    await mkdir(directory, { recursive: true, mode: (mode & 0o077) === 0 ? 0o700 : 0o755 });
    await checkPlace(path, directory);
    const server = await bind(path, directory, mode, onConnection);
    return { path, close: () => close(server, path) };
  } catch (cause) {
    throw cause instanceof Refusal ? cause : refused(path, errorCodeOf(cause) ?? 'failed', cause);
  }
}

const refused = (path: string, why: string, cause: unknown): Refusal =>
  new Refusal('CORDON-9006', `cannot listen on \`${path}\`: ${why}`, { cause, fix: 'set another path under `workload` in cordon.yaml' });

async function checkPlace(path: string, directory: string): Promise<void> {
  const { mode } = await stat(directory);
  // who can replace the socket can pose as Cordon; in a sticky directory only its owner can
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) throw refused(path, 'others can write to its directory', undefined);
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isSocket()) throw refused(path, 'a file that is no socket stands there', undefined);
  if (await answers(path)) throw refused(path, 'something else listens there', undefined);
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function bind(path: string, directory: string, mode: number, onConnection: (socket: Socket) => void): Promise<Server> {
  const own = await mkdtemp(join(directory, '.'));
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy()); // who left before it was heard
    onConnection(socket);
  });
  try {
    server.listen(join(own, 's'));
    await once(server, 'listening');
    await chmod(join(own, 's'), mode);
    await rename(join(own, 's'), path);
    return server;
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

async function close(server: Server, path: string): Promise<void> {
  server.close();
  await rm(path, { force: true });
}
