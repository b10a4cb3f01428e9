// What /proc says of a process (proc(5)): its start, its parents, and the file that it executes. Linux only.
import { readFileSync, type BigIntStats } from 'node:fs';
import { open, readlink, type FileHandle } from 'node:fs/promises';
import { sha256OfStream } from '../../crypto/hash.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { UnixEvidence } from '../attestation.ts';

/** Bytes of an executable that is hashed. */
const MAX_EXECUTABLE = 1_073_741_824;
/** Executables whose digest is remembered. */
const MAX_DIGESTS = 256;
/** Parents that are looked through. */
const MAX_PARENTS = 64;

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessName {
  readonly pid: number;
  /** When it started, in ticks since the machine did. */
  readonly start: string;
}

/** The process at the other end of a socket. */
export interface Peer extends ProcessName {
  readonly uid: number;
  readonly gid: number;
  /** Is it still there? */
  alive(): boolean;
  release(): void;
}

/** Fields of `/proc/<pid>/stat` after the name, which may hold anything. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // it has ended
  }
}

/** When a process started, in ticks since the machine did; undefined: it has ended. */
export const startOf = (pid: number): string | undefined => statOf(pid)?.[19];

/** Is `peer` the process, or one that it started, or one that those started? */
export function descendsFrom(peer: Peer, { pid, start }: ProcessName): boolean {
  let at = peer.pid;
  for (let steps = 0; steps < MAX_PARENTS && at > 1; steps++) {
    if (at === pid) return startOf(pid) === start && peer.alive();
    at = Number(statOf(at)?.[1] ?? 0);
  }
  return false;
}

/** Reads what attests a process, and nothing that another process could have slipped under its id. */
export class ProcessFacts {
  readonly #digests = new Map<string, Promise<string>>();

  /** @throws Refusal CORDON-1005 when it ended, or its executable cannot be read */
  async of(peer: Peer): Promise<UnixEvidence> {
    const { pid, uid, gid } = peer;
    const executable = `/proc/${pid}/exe`;
    let file: FileHandle | undefined;
    try {
      file = await open(executable, 'r');
      const path = await readlink(executable);
      const sha256 = await this.#digestOf(file);
      if (!peer.alive()) throw new Refusal('CORDON-1005', 'the process behind the socket has ended');
      return { kind: 'unix', pid, uid, gid, sha256, ...(path.endsWith(' (deleted)') ? {} : { path }) };
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('CORDON-1005', 'the executable behind the socket cannot be read', { cause });
    } finally {
      await file?.close();
    }
  }

  async #digestOf(file: FileHandle): Promise<string> {
    const stat = await file.stat({ bigint: true });
    if (stat.size > MAX_EXECUTABLE) {
      throw new Refusal('CORDON-1005', 'the executable behind the socket is too large', { expected: `at most ${MAX_EXECUTABLE} bytes` });
    }
    const version = versionOf(stat);
    const known = this.#digests.get(version);
    if (known !== undefined) return known;
    const digest = sha256OfStream(file.createReadStream({ autoClose: false, start: 0 }));
    this.#digests.set(version, digest);
    digest.catch(() => this.#digests.delete(version));
    const [oldest] = this.#digests.keys();
    if (this.#digests.size > MAX_DIGESTS && oldest !== undefined) this.#digests.delete(oldest);
    return digest;
  }
}

/** Every write moves ctime, which nobody but the kernel sets. */
const versionOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string => [dev, ino, size, mtimeNs, ctimeNs].join(':');
