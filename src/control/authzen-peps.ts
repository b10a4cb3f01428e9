// Who may ask over AuthZEN, and about what. A PEP is registered: by the SVID of its workload, or by a key of which only the digest is
// known here. INVARIANT I7: an agent that is not registered as a PEP is refused.
import type { IncomingMessage } from 'node:http';
import { sha256Hex } from '../crypto/hash.ts';
import { Refusal } from '../domain/refusal.ts';
import type { SvidFacts } from '../identity/svid.ts';
import { readCaller } from './caller.ts';
import type { AuthzenPepConfig } from './config.ts';
import type { Control } from './control.ts';

export interface AuthzenPep {
  /** As records name it. */
  readonly name: string;
  mayAsk(store: string): boolean;
  speaksFor(agent: string): boolean;
  /** May it ask about Cordon's own world at all? */
  readonly speaks: boolean;
}

/** How one listener knows a PEP. */
export interface AuthzenDoor {
  /** `https://host:port` */
  readonly url: string;
  /** `WWW-Authenticate` of a 401. */
  readonly challenge: string;
  /** Who connected, where certificates are asked for. @throws Refusal CORDON-1001, -1002, -1004, -1006, -1012 */
  callerOf(request: IncomingMessage): SvidFacts | undefined;
  /** @throws Refusal CORDON-1001, -1013, -1014, -4002, -4005 */
  pepOf(request: IncomingMessage, caller: SvidFacts | undefined): AuthzenPep;
}

/** For the listener that asks for client certificates. */
export const svidDoor = (control: Control): AuthzenDoor => ({
  url: control.controlUrl,
  challenge: 'X509-SVID realm="authzen"',
  callerOf: ({ socket }) => readCaller(socket, control),
  pepOf: (_request, caller) => pepOfSvid(control, caller),
});

function pepOfSvid(control: Control, caller: SvidFacts | undefined): AuthzenPep {
  if (caller === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const { id, kind, name, run } = caller.workload;
  if (kind === 'operator' && control.operators.directory.roleOf(name) !== undefined)
    return { name: `operator/${name}`, mayAsk: () => true, speaksFor: () => true, speaks: true };
  const known = control.config.authzen.peps.find(({ workload }) => workload?.kind === kind && workload.name === name);
  if (known === undefined) throw new Refusal('CORDON-1014', 'no PEP is registered for this workload', { observed: id, fix: REGISTER });
  if (kind === 'agent') mustLive(control, name, run);
  return pepOf(known);
}

/** INVARIANT I6: what ends an agent's calls ends its questions. */
function mustLive(control: Control, agent: string, run: string | undefined): void {
  const { world, runs } = control.publisher.current();
  if (world.levels.get(agent) === 'off') throw new Refusal('CORDON-4002', 'the level of the agent is off');
  if (run === undefined || runs.get(run)?.agent !== agent) throw new Refusal('CORDON-4005', 'the run has ended or was never started');
}

const REGISTER = 'register it under `authzen.peps` in cordon.yaml';

/** For the listener that asks for no certificate: PEPs of others, which have no SVID. */
export const keyDoor = (control: Control): AuthzenDoor => ({
  url: control.identityUrl,
  challenge: 'Bearer realm="authzen"',
  callerOf: () => undefined,
  pepOf: (request) => pepOfKey(control.config.authzen.peps, bearerIn(request)),
});

function pepOfKey(peps: readonly AuthzenPepConfig[], key: string | undefined): AuthzenPep {
  if (key === undefined)
    throw new Refusal('CORDON-1001', 'no client certificate and no key', { fix: `send \`Authorization: Bearer KEY\`; ${REGISTER}` });
  // found by digest: how long that takes says nothing about the key
  const digest = `sha256:${sha256Hex(key)}`;
  const known = peps.find((pep) => pep.key === digest);
  if (known === undefined) throw new Refusal('CORDON-1013', 'the key is not that of a registered PEP', { fix: REGISTER });
  return pepOf(known);
}

const BEARER = /^bearer +([A-Za-z0-9._~+/-]{16,512}=*)$/i;

/** Two of them could be read in two ways: then there is none. */
function bearerIn({ rawHeaders }: IncomingMessage): string | undefined {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization');
  return values.length === 1 ? BEARER.exec(values[0] ?? '')?.[1] : undefined;
}

const pepOf = ({ name, stores, agents }: AuthzenPepConfig): AuthzenPep => ({
  name: `pep/${name}`,
  mayAsk: (store) => stores.includes(store),
  speaksFor: (agent) => agents.includes(agent),
  speaks: agents.length > 0,
});
