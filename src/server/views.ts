// What operators are shown of a running Cordon: agents, connections, status, hypothetical decisions, and the doctor's report.
import type { AccessRequest } from '../domain/access.ts';
import { Refusal } from '../domain/refusal.ts';
import { type RiskFacts, UNKNOWN_RISK } from '../domain/risk.ts';
import { workloadId } from '../domain/spiffe-id.ts';
import type { Catalog, ResourceState } from '../control/catalog.ts';
import type { Config, ResourceConfig } from '../control/config.ts';
import type { AuthorityKeeper } from '../control/keys.ts';
import type { AgentView, Control, LiveConnection, StatusView, WorkerStatus } from '../control/control.ts';
import type { FederatedDomainView } from '../control/federation/federation.ts';
import type { Publisher } from '../control/publisher.ts';
import type { Credentials } from '../gateway/channel.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { decide } from '../pdp/decide.ts';
import type { Snapshot } from '../pdp/snapshot.ts';
import { explainGates } from '../policy/gates.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { DecisionLog } from '../store/log-files.ts';
import type { ApprovalWebhook } from './approval-webhook.ts';
import type { DataDir } from './data-dir.ts';
import { examine } from './doctor.ts';
import { VERSION } from './version.ts';
import type { WorkerPool, WorkerView } from './workers/pool.ts';

export interface ViewParts {
  readonly config: Config;
  readonly publisher: Publisher;
  readonly gateway: Gateway;
  readonly workers: WorkerPool | undefined;
  readonly catalog: Catalog;
  readonly log: DecisionLog;
  readonly data: DataDir;
  readonly now: () => number;
  readonly authority: Pick<AuthorityKeeper, 'current' | 'keys'>;
  readonly operator: () => Credentials;
  readonly federated: () => readonly FederatedDomainView[];
  readonly webhook: ApprovalWebhook | undefined;
}

type Views = Pick<Control, 'agentId' | 'agents' | 'connections' | 'status' | 'doctor' | 'ask'>;

/** What operators see, made when they look. */
export function viewsOf(parts: ViewParts): Views {
  const { config, gateway, now } = parts;
  const startedAt = now();
  const views: Views = {
    agentId: (agent) => workloadId(config.trustDomain, 'agent', agent),
    agents: () => parts.publisher.world().agents.map((agent) => agentView(parts, agent)),
    connections: () => parts.publisher.world().agents.flatMap(({ name }) => connectionsOf(gateway, name)),
    status: async () => statusView(parts, startedAt),
    doctor: async () => ({ schema: 'cordon.doctor/v1', checks: await examine(parts, { ...views, federated: parts.federated }) }),
    ask: (request, draft) => ask(parts, request, draft),
  };
  return views;
}

function agentView({ publisher, gateway, workers }: ViewParts, agent: Config['agents'][number]): AgentView {
  const { world, runs } = publisher.current();
  // what workers count nobody adds up
  const riskOf = (run: string): RiskFacts => (workers === undefined ? gateway.pep.runRisk.of(run) : UNKNOWN_RISK);
  const live = [...runs].filter(([, run]) => run.agent === agent.name).map(([id, { notAfter }]) => ({ id, notAfter, risk: riskOf(id) }));
  const { name, segment, owner, purpose } = agent;
  const level = world.levels.get(name) ?? 'normal';
  return {
    name,
    segment,
    owner,
    purpose,
    level,
    runs: live,
    connections: gateway.pep.connections.socketsOf(name).length + sum(workers, ({ connections }) => connections.get(name) ?? 0),
  };
}

const connectionsOf = (gateway: Gateway, agent: string): readonly LiveConnection[] =>
  gateway.pep.connections.socketsOf(agent).map((socket) => connectionView(gateway, socket));

type Socket = ReturnType<Gateway['pep']['connections']['socketsOf']>[number];

function connectionView({ pep }: Gateway, socket: Socket): LiveConnection {
  const peer = pep.connections.peerOf(socket);
  const host = socket.remoteFamily === 'IPv6' ? `[${socket.remoteAddress ?? ''}]` : (socket.remoteAddress ?? '');
  return {
    address: `${host}:${socket.remotePort ?? 0}`,
    spiffeId: peer?.svid.workload.id ?? '',
    serial: peer?.svid.serial ?? '',
    notAfter: peer?.svid.notAfter ?? 0,
  };
}

/** Of all workers together. */
const sum = (workers: WorkerPool | undefined, of: (worker: WorkerView) => number): number =>
  (workers?.workers() ?? []).reduce((all, worker) => all + of(worker), 0);

function statusView({ config, publisher, gateway, workers, catalog, log, webhook, now }: ViewParts, startedAt: number): StatusView {
  gateway.pep.outcomes.flush(); // so that the size says of everything until now
  const snapshot = publisher.current();
  const { policies } = snapshot;
  const resources = [...catalog.states(), ...config.resources.flatMap(registered)];
  return {
    schema: 'cordon.status/v1',
    trustDomain: config.trustDomain,
    version: VERSION,
    ready: !gateway.draining() && !(policies instanceof Refusal) && resources.every((resource) => resource.state === 'ready'),
    startedAt,
    gateway: {
      url: gateway.pep.publicUrl,
      connections:
        gateway.pep.connections.count() + sum(workers, ({ connections }) => [...connections.values()].reduce((a, b) => a + b, 0)),
      openCalls: gateway.pep.exchanges.count() + sum(workers, ({ openCalls }) => openCalls),
    },
    ...(workers === undefined ? {} : { workers: workers.workers().map(workerState) }),
    snapshot: { version: snapshot.version, ageMs: now() - snapshot.at },
    policies: policiesView(policies, resources),
    agents: countLevels(snapshot),
    resources,
    upstreams: workers?.workers().flatMap(({ upstreams }) => upstreams) ?? gateway.pep.upstreams.guards.views(),
    log: { origin: log.origin, size: log.size },
    ...(webhook === undefined ? {} : { webhook: webhook.state() }),
  };
}

/** What is known of without being asked: routes and hosts are what the operator says. */
function registered({ name: resource, upstream }: ResourceConfig): readonly ResourceState[] {
  if (upstream.kind === 'api') return [{ resource, kind: 'http', state: 'ready', tools: upstream.routes.length, changed: [] }];
  return upstream.kind === 'egress' ? [{ resource, kind: 'egress', state: 'ready', tools: upstream.hosts.length, changed: [] }] : [];
}

const workerState = ({ pep, pid, openCalls, connections, policies, log }: WorkerView): WorkerStatus => ({
  pep,
  pid,
  connections: [...connections.values()].reduce((a, b) => a + b, 0),
  openCalls,
  policies,
  log,
});

function policiesView(policies: Snapshot['policies'], resources: StatusView['resources']): StatusView['policies'] {
  if (!(policies instanceof Refusal)) return { state: 'enforce', version: policies.version, count: policies.policies.length };
  const { code, message } = policies;
  // a policy can name only tools that are known: that server first, the policy perhaps not at all
  const unknown = resources.filter(({ state, tools }) => state === 'waiting' && tools === 0).map(({ resource }) => `\`${resource}\``);
  const fix =
    code === 'CORDON-9006' && unknown.length > 0 ? `bring up ${unknown.join(', ')} first: its tools are not known yet` : policies.fix;
  return { state: 'none', version: 0, count: 0, error: { code, message, fix } };
}

/** Registered agents only: the level of one that was taken out of the configuration is kept, and means nothing until it is back. */
function countLevels({ world }: Snapshot): StatusView['agents'] {
  const counts = { normal: 0, watched: 0, restricted: 0, off: 0 };
  for (const { name } of world.agents) counts[world.levels.get(name) ?? 'normal']++;
  return counts;
}

function ask({ publisher, gateway, now }: ViewParts, request: AccessRequest, draft?: PolicySet): ReturnType<Control['ask']> {
  const snapshot = draft === undefined ? publisher.current() : drafted(publisher.current(), draft);
  const { decision } = decide(snapshot, { request }, now(), gateway.pep.settings);
  const { policies, world } = snapshot;
  const explanation = policies instanceof Refusal ? undefined : explainGates(policies, request, world, now());
  return { decision, explanation };
}

/** Decided by a draft alone: what the candidate says is beside the question. */
function drafted({ candidate: _candidate, ...snapshot }: Snapshot, draft: PolicySet): Snapshot {
  return { ...snapshot, policies: draft };
}
