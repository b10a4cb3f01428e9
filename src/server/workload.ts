// The Workload API of a running Cordon: its sockets, what its streams hear of, and who answers for whom.
import { join } from 'node:path';
import type { Attestation } from '../control/attestation.ts';
import type { Control } from '../control/control.ts';
import type { Publisher } from '../control/publisher.ts';
import type { RefusalRecorder } from '../control/refusals.ts';
import { AttestedCallers } from '../control/workload/callers.ts';
import { RunCredentials } from '../control/workload/credentials.ts';
import { validateJwtSvid } from '../identity/jwt-svid.ts';
import { listenUnix } from '../control/workload/listener.ts';
import { openPeerReader } from '../control/workload/peer.ts';
import type { Bundles, DomainBundle, RunIdentities } from '../control/workload/ports.ts';
import { ProcessFacts } from '../control/workload/process.ts';
import { RunSockets } from '../control/workload/run-sockets.ts';
import { createWorkloadServer, type WorkloadServer } from '../control/workload/server.ts';
import { asRefusal, errorTextOf, Refusal } from '../domain/refusal.ts';
import type { Target } from '../domain/revocation.ts';
import type { TrustDomain } from '../domain/spiffe-id.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import type { Identities } from './identities.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

export interface WorkloadParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly attestation: Pick<Attestation, 'attest' | 'admit'>;
  readonly recorder: Pick<RefusalRecorder, 'refused'>;
  /** What proves the SVIDs of domains that are federated with. */
  readonly federated: () => ReadonlyMap<TrustDomain, DomainBundle>;
  endRun(id: string, actor: string): Promise<boolean>;
}

/** Opens the sockets; `stack` closes them. @throws Refusal CORDON-9006 when the shared one cannot be opened */
export async function openWorkload(parts: WorkloadParts, stack: AsyncDisposableStack): Promise<Control['workload']> {
  if (process.platform === 'win32') return { openRun: async () => undefined, refresh: async () => undefined };
  const { setting, state, publisher } = parts;
  const { config, now, onNotice } = setting;
  const identities = identitiesOf(parts);
  const credentials = new RunCredentials(identities, now);
  const server = createWorkloadServer({
    trustDomain: config.trustDomain,
    identities,
    credentials,
    bundles: bundlesOf(parts),
    now,
    onRefused(method, error): void {
      if (!(error instanceof Refusal)) return;
      parts.recorder.refused({ refusal: error, caller: undefined, action: `workload/${method}` });
    },
    onRejected: (detail) => onNotice(`! a proxy does not take its secrets: ${JSON.stringify(detail.slice(0, 200))}`),
  });
  stack.defer(() => server.close());

  const reader = await openPeerReader();
  const directory = config.workload.runs ?? join(state.data.root, 'run');
  const sockets = new RunSockets({ directory, identities, reader, accept: server.accept, onNotice });
  stack.defer(() => sockets.close());
  await sockets.reopen();

  const attested = new AttestedCallers({
    attestation: parts.attestation,
    facts: new ProcessFacts(),
    reader,
    onAdmitted: (run, first) => void credentials.put(run, Promise.resolve(first)),
    endRun: async (run) => void (await parts.endRun(run, 'cordon')),
    now,
    validFor: config.svidTtl / 2,
  });
  stack.defer(() => attested.close());
  if (config.workload.socket !== undefined) {
    const shared = await listenUnix({
      ...config.workload.socket,
      onConnection: (socket) => server.accept(socket, attested.caller(socket)),
    });
    stack.defer(() => shared.close());
  }

  const refresh = async (): Promise<void> => {
    attested.sweep();
    await Promise.all([server.refresh(), sockets.sweep()]);
  };
  const refreshSoon = (): void => {
    refresh().catch((error: unknown) => onNotice(`! workload API: ${errorTextOf(error)}`));
  };
  stack.defer(state.authority.onChange(refreshSoon));
  attach(publisher, server, refreshSoon);
  return {
    refresh,
    async openRun(run, launcher): Promise<string | undefined> {
      try {
        return await sockets.open(run, launcher);
      } catch (error) {
        const refusal = asRefusal(error, 'CORDON-9006', 'no socket for the run');
        onNotice(`! run ${run} has no socket of its own: ${errorTextOf(refusal)}`);
        return undefined;
      }
    },
  };
}

/** Streams hear of levels and of the ends of runs with every other enforcement point, and are counted among them. INVARIANT I6 */
const attach = (publisher: Publisher, server: WorkloadServer, refreshSoon: () => void): void =>
  publisher.attach({
    id: 'workload-1',
    apply: refreshSoon,
    async contain(snapshot, target, since) {
      const runs = runsOf(snapshot, target);
      const connections = server.streams(runs);
      await server.refresh();
      if (connections === 0) return undefined;
      const silentMs = performance.now() - since;
      return { pep: 'workload-1', connections, calls: 0, remaining: server.streams(runs), silentMs };
    },
  });

function runsOf({ runs }: Snapshot, { kind, id }: Target): ReadonlySet<string> {
  if (kind === 'run') return new Set([id]);
  return new Set(kind === 'agent' ? [...runs].flatMap(([run, { agent }]) => (agent === id ? [run] : [])) : []);
}

const bundlesOf = ({ state: { authority }, federated }: WorkloadParts): Bundles => ({
  own: () => ({ x509: authority.roots().join(''), jwks: authority.jwt.jwks() }),
  federated,
});

function identitiesOf({ setting: { config, now }, state: { authority }, identities: { issuer }, federated }: WorkloadParts): RunIdentities {
  const keysOf = (domain: TrustDomain): DomainBundle['jwks'] | undefined =>
    domain === config.trustDomain ? authority.jwt.jwks() : federated().get(domain)?.jwks;
  return {
    live: (run) => issuer.live(run),
    provide: (run) => issuer.provide(run),
    jwtSvid: (run, audience) => issuer.jwtSvid(run, audience),
    validateJwt: async (token, audience) => validateJwtSvid(token, { keysOf, audiences: [audience], now: now() }),
  };
}
