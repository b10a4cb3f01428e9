// One socket for each run that was launched on this machine, in a directory that only our user can enter. A note beside each says whose
// it is, so that a process that lives through a restart of Cordon finds its socket again.
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { errorTextOf, Refusal } from '../../domain/refusal.ts';
import { isJsonObject, parseJson, writeJson } from '../../domain/json.ts';
import { runCaller } from './callers.ts';
import { listenUnix, type UnixSocket } from './listener.ts';
import type { PeerReader } from './peer.ts';
import type { Caller, RunIdentities } from './ports.ts';
import { startOf, type ProcessName } from './process.ts';

export interface RunSocketParts {
  readonly directory: string;
  readonly identities: Pick<RunIdentities, 'live'>;
  readonly reader: PeerReader | Refusal;
  readonly accept: (socket: Socket, caller: Caller) => void;
  readonly onNotice: (line: string) => void;
}

export class RunSockets {
  readonly #parts: RunSocketParts;
  readonly #open = new Map<string, UnixSocket>();

  constructor(parts: RunSocketParts) {
    this.#parts = parts;
  }

  /**
   * Opens the socket of a run for what `launcher` starts, a process of this machine.
   * @returns its path
   * @throws Refusal CORDON-9006, CORDON-1005 when there is no such process
   */
  async open(run: string, launcher: number): Promise<string> {
    const start = startOf(launcher);
    if (start === undefined) throw new Refusal('CORDON-1005', 'the launcher is no process of this machine', { observed: String(launcher) });
    const { directory } = this.#parts;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    const name = { pid: launcher, start };
    const path = await this.#listen(run, name);
    await writeFile(this.#note(run), writeJson(name), { mode: 0o600 });
    return path;
  }

  /** After a restart: opens the sockets of the runs that still live, and clears away the others. */
  async reopen(): Promise<void> {
    const names = await readdir(this.#parts.directory).catch(() => []);
    for (const run of names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : []))) {
      try {
        const launcher = readName(await readFile(this.#note(run)));
        if (startOf(launcher.pid) === launcher.start && (await this.#lives(run))) await this.#listen(run, launcher);
        else await this.#remove(run);
      } catch (error) {
        this.#parts.onNotice(`! the socket of run ${run} is not opened again: ${errorTextOf(error)}`);
      }
    }
  }

  /** Closes the sockets of runs that have ended. */
  async sweep(): Promise<void> {
    for (const run of this.#open.keys()) if (!(await this.#lives(run))) await this.#remove(run);
  }

  /** Closes all of them; the notes stay. */
  async close(): Promise<void> {
    for (const socket of this.#open.values()) await socket.close();
    this.#open.clear();
  }

  async #listen(run: string, launcher: ProcessName): Promise<string> {
    const { directory, reader, accept } = this.#parts;
    const socket = await listenUnix({
      path: join(directory, `${run}.sock`),
      mode: 0o600,
      onConnection: (connection) => accept(connection, runCaller(run, launcher, reader, connection)),
    });
    this.#open.set(run, socket);
    return socket.path;
  }

  async #remove(run: string): Promise<void> {
    const socket = this.#open.get(run);
    this.#open.delete(run);
    await socket?.close();
    await rm(this.#note(run), { force: true });
  }

  /** An agent that is `off` may be released; only the end of its run is an end. */
  async #lives(run: string): Promise<boolean> {
    try {
      await this.#parts.identities.live(run);
      return true;
    } catch (error) {
      return !(error instanceof Refusal && error.code === 'CORDON-4005');
    }
  }

  #note(run: string): string {
    return join(this.#parts.directory, `${run}.json`);
  }
}

function readName(bytes: Uint8Array): ProcessName {
  const json = parseJson(bytes, { maxBytes: 1024, maxDepth: 1 });
  const { pid, start } = isJsonObject(json) ? json : {};
  if (typeof pid === 'number' && typeof start === 'string') return { pid, start };
  throw new Refusal('CORDON-9011', 'the note beside it is damaged');
}
