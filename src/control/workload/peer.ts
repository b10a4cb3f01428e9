// The process at the other end of a unix socket, as the kernel says it (Linux: unix(7), SO_PEERCRED and SO_PEERPIDFD). Promises: a `Peer`
// that says `alive` is the very process that connected, however many ids were used again meanwhile.
import { closeSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Refusal } from '../../domain/refusal.ts';
import { startOf, type Peer } from './process.ts';

/** @throws Refusal CORDON-1005 when nothing is proven */
export type PeerReader = (socket: Socket) => Peer;

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;

/** `getsockopt(2)`. @returns the bytes, or undefined when the kernel has none */
type GetOption = (fd: number, option: number, size: number) => Buffer | undefined;

/** The reader of this machine, or why there is none. */
export async function openPeerReader(): Promise<PeerReader | Refusal> {
  const get = await loadGetOption();
  return typeof get === 'string' ? unproven(get) : (socket) => readPeer(get, descriptorOf(socket));
}

const unproven = (why: string): Refusal =>
  new Refusal('CORDON-1005', `the process behind the socket cannot be known: ${why}`, {
    fix: 'start it with `cordon run`, which gives it a socket of its own',
  });

async function loadGetOption(): Promise<GetOption | string> {
  if (process.platform !== 'linux') return `there are no peer credentials on ${process.platform}`;
  try {
    const { default: koffi } = await import('koffi');
    const getsockopt: unknown = koffi.load('libc.so.6').func('int getsockopt(int, int, int, _Out_ void *, _Inout_ uint32_t *)');
    if (typeof getsockopt !== 'function') return 'getsockopt(2) cannot be called';
    return (fd, option, size) => {
      const bytes = Buffer.alloc(size);
      const length = [size];
      const result: unknown = Reflect.apply(getsockopt, undefined, [fd, SOL_SOCKET, option, bytes, length]);
      return result === 0 && length[0] === size ? bytes : undefined;
    };
  } catch {
    return 'the optional package `koffi` is not installed';
  }
}

/** Node has no name for the descriptor of a socket that was accepted. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw unproven('the connection is closed');
}

function readPeer(get: GetOption, fd: number): Peer {
  const credentials = get(fd, SO_PEERCRED, 12);
  if (credentials === undefined) throw unproven('the kernel gives no credentials');
  const pid = credentials.readInt32LE(0);
  if (pid <= 0) throw unproven('it is in a process namespace that cannot be seen from here');
  const identity = { pid, uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
  const descriptor = get(fd, SO_PEERPIDFD, 4)?.readInt32LE(0);
  const start = startOf(pid);
  const alive = descriptor === undefined ? (): boolean => startOf(pid) === start : (): boolean => namedBy(descriptor) === pid;
  const release = (): void => {
    if (descriptor !== undefined) closeSync(descriptor);
  };
  if (start !== undefined && alive()) return { ...identity, start, alive, release };
  release();
  throw unproven('it has ended');
}

/** The process that a pidfd stands for; −1 when it is gone (proc(5), fdinfo). */
const namedBy = (descriptor: number): number =>
  Number(/^Pid:\t(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1]);
