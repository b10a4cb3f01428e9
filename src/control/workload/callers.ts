// Who is behind a connection. The socket of a run stands for that run: the process must descend from the launcher that asked for it, under
// the user of this Cordon. On the shared socket a process is what registration entries say of its executable and user; it has its own
// run as long as it lives. INVARIANT I5
import type { Socket } from 'node:net';
import { createRequest, generateKeyPem } from '../../crypto/x509.ts';
import { writeJson } from '../../domain/json.ts';
import { asRefusal, Refusal } from '../../domain/refusal.ts';
import type { Attestation, UnixEvidence } from '../attestation.ts';
import type { PeerReader } from './peer.ts';
import type { Caller, RunSvid } from './ports.ts';
import { descendsFrom, type Peer, type ProcessFacts, type ProcessName } from './process.ts';

/** Connections that one process has open on the shared socket. */
const MAX_CONNECTIONS = 16;

const refusing = (refusal: Refusal): Caller => ({
  share: 'refused',
  runs: () => Promise.reject(refusal),
  left: () => undefined,
});

/** Whoever has opened the socket of a run. Where peers cannot be read, being able to open it in its private directory is the proof. */
export function runCaller(run: string, launcher: ProcessName, reader: PeerReader | Refusal, socket: Socket): Caller {
  const caller: Caller = { share: `run/${run}`, runs: async () => [run], left: () => undefined };
  if (reader instanceof Refusal) return caller;
  let peer: Peer;
  try {
    peer = reader(socket);
  } catch (error) {
    return refusing(asRefusal(error, 'CORDON-1005', 'the process behind the socket cannot be known'));
  }
  const fits = peer.uid === process.geteuid?.() && descendsFrom(peer, launcher);
  peer.release();
  if (fits) return caller;
  return refusing(
    new Refusal('CORDON-1005', 'the socket is that of another run', {
      observed: `process ${peer.pid} of user ${peer.uid}`,
      expected: `a process that \`cordon run\` (${launcher.pid}) started`,
    }),
  );
}

export interface AttestedParts {
  readonly attestation: Pick<Attestation, 'attest' | 'admit'>;
  readonly facts: ProcessFacts;
  readonly reader: PeerReader | Refusal;
  /** Given the first SVID of a run. */
  readonly onAdmitted: (run: string, first: RunSvid) => void;
  readonly endRun: (run: string) => Promise<void>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** After which what was seen is held against the entries again. Milliseconds. */
  readonly validFor: number;
}

/** What a process was found to be. */
interface Attested {
  /** The executable and user. */
  readonly seen: string;
  readonly at: number;
  /** By kind and name. */
  readonly runs: ReadonlyMap<string, string>;
}

/** A process that has connected. */
interface Known {
  readonly peer: Peer;
  connections: number;
  /** What it is, once that was found. */
  attested: Attested | undefined;
  finding: Promise<Attested> | undefined;
}

export class AttestedCallers {
  readonly #parts: AttestedParts;
  readonly #known = new Map<string, Known>();

  constructor(parts: AttestedParts) {
    this.#parts = parts;
  }

  caller(socket: Socket): Caller {
    const { reader } = this.#parts;
    if (reader instanceof Refusal) return refusing(reader);
    try {
      return this.#callerOf(reader(socket));
    } catch (error) {
      return refusing(asRefusal(error, 'CORDON-1005', 'the process behind the socket cannot be known'));
    }
  }

  /** Ends the runs of processes that have ended. */
  sweep(): void {
    for (const [name, known] of this.#known) {
      if (known.connections > 0 || known.peer.alive()) continue;
      this.#known.delete(name);
      known.peer.release();
      void this.#endAll(known.attested?.runs.values() ?? []);
    }
  }

  /** Lets go of every process; their runs end when their SVIDs do. */
  close(): void {
    for (const { peer } of this.#known.values()) peer.release();
    this.#known.clear();
  }

  #callerOf(peer: Peer): Caller {
    const name = `${peer.pid}/${peer.start}/${peer.uid}/${peer.gid}`;
    const before = this.#known.get(name);
    if (before !== undefined) peer.release();
    const known = before ?? { peer, connections: 0, attested: undefined, finding: undefined };
    if (known.connections >= MAX_CONNECTIONS) {
      return refusing(new Refusal('CORDON-4003', `more than ${MAX_CONNECTIONS} connections of one process`));
    }
    known.connections++;
    this.#known.set(name, known);
    return {
      share: `user/${peer.uid}`,
      runs: async () => [...(await this.#attestedOf(known)).runs.values()],
      left: () => {
        known.connections--;
        this.sweep();
      },
    };
  }

  /** What was refused is tried again with the next call: entries come and go. */
  async #attestedOf(known: Known): Promise<Attested> {
    known.finding ??= this.#find(known).finally(() => (known.finding = undefined));
    return known.finding;
  }

  /** A process that executes something else now is not what it was. */
  async #find(known: Known): Promise<Attested> {
    const { facts, now, validFor } = this.#parts;
    const evidence = await facts.of(known.peer);
    const seen = writeJson({ ...evidence });
    const before = known.attested?.seen === seen ? known.attested : undefined;
    if (before !== undefined && now() < before.at + validFor) return before;
    const left = new Map(known.attested?.runs);
    known.attested = undefined;
    try {
      const runs = await this.#admit(evidence, before?.runs ?? new Map());
      for (const name of runs.keys()) if (runs.get(name) === left.get(name)) left.delete(name);
      known.attested = { seen, at: now(), runs };
      return known.attested;
    } finally {
      await this.#endAll(left.values());
    }
  }

  async #admit(evidence: UnixEvidence, before: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    const { attestation, onAdmitted } = this.#parts;
    const runs = new Map<string, string>();
    for (const entitlement of await attestation.attest(evidence)) {
      const name = `${entitlement.kind}/${entitlement.name}`;
      const kept = before.get(name);
      if (kept !== undefined) runs.set(name, kept);
      else {
        const key = await generateKeyPem();
        const { run, svid } = await attestation.admit(entitlement, await createRequest(key));
        onAdmitted(run, { svid, privateKey: key.privateKey });
        runs.set(name, run);
      }
    }
    return runs;
  }

  async #endAll(runs: Iterable<string>): Promise<void> {
    for (const run of runs) await this.#parts.endRun(run);
  }
}
