// The data planes of a running Cordon that are not its own: the ways in through which they ask, and what containment can say of them.
import type { DataPlaneConfig, PlaneRouteConfig } from '../control/config.ts';
import type { Publisher } from '../control/publisher.ts';
import { listenUnix } from '../control/workload/listener.ts';
import { openPeerReader } from '../control/workload/peer.ts';
import { errorCodeOf, errorTextOf, Refusal } from '../domain/refusal.ts';
import { createCallers, type Vouching } from '../gateway/external/callers.ts';
import type { Door } from '../gateway/external/door.ts';
import { openDoor } from '../gateway/external/doors.ts';
import { createMcpSessions } from '../gateway/external/mcp-sessions.ts';
import type { Plane, PlaneRoute } from '../gateway/external/plane.ts';
import { openTlsDoor } from '../gateway/external/tls-door.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Identities } from './identities.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';
import { credentialOf } from './upstreams.ts';

export interface DataPlaneParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly gateway: Gateway;
}

/** Opens their ways in; `stack` closes them. @throws Refusal CORDON-9006 when one cannot be opened as it was asked for */
export async function openDataPlanes(parts: DataPlaneParts, stack: AsyncDisposableStack): Promise<void> {
  const { setting, state, gateway } = parts;
  const vouching = vouchingOf(state, stack);
  for (const config of setting.config.dataPlanes) {
    const plane: Plane = {
      name: config.name,
      protocol: config.protocol,
      origin: config.url,
      routes: await routesOf(parts, config),
      callers: createCallers(gateway.pep, vouching),
      sessions: createMcpSessions(),
      allowed: new Set(),
    };
    const recheck = await listen(parts, config, openDoor(gateway.pep, plane), stack);
    attach(parts.publisher, plane, recheck);
  }
}

function vouchingOf({ authority }: State, stack: AsyncDisposableStack): Vouching {
  let generation = 0;
  stack.defer(authority.onChange(() => void generation++));
  return { generation: () => generation, roots: authority.roots, intermediates: authority.intermediates };
}

async function routesOf({ setting: { config }, state }: DataPlaneParts, { routes }: DataPlaneConfig): Promise<Plane['routes']> {
  const credentialFor = async (callee: string, { credential }: PlaneRouteConfig): Promise<PlaneRoute['credential']> => {
    const upstream = config.resources.find(({ name }) => name === callee)?.upstream;
    return credential && upstream !== undefined && upstream.kind !== 'stdio'
      ? credentialOf({ config, ...state }, callee, upstream.credential)
      : {};
  };
  const found = new Map<string, PlaneRoute>();
  for (const [key, row] of routes) {
    found.set(key, { ...row, credential: await credentialFor(key.slice(key.indexOf('/') + 1), row) });
  }
  return found;
}

/** @returns looks again at who is connected */
async function listen(parts: DataPlaneParts, config: DataPlaneConfig, door: Door, stack: AsyncDisposableStack): Promise<() => void> {
  const { name, door: way } = config;
  if (way.kind === 'socket') {
    const socket = await openSocket(way, door);
    stack.defer(async () => {
      await socket.close();
      door.close();
    });
    return () => undefined;
  }
  const { identities, gateway } = parts;
  const tls = openTlsDoor(gateway.pep, door, way.workload, identities.gateway.current());
  identities.gateway.onRotate((keys) => tls.rotate(keys));
  stack.defer(() => tls.close());
  const { host, port } = way.address;
  await tls.listen(host, port).catch((cause: unknown) => {
    const why = errorCodeOf(cause) === 'EADDRINUSE' ? 'is in use' : 'cannot be listened on';
    throw new Refusal('CORDON-9006', `\`${host}:${port}\` ${why}`, { cause, fix: `set \`dataPlanes.${name}.listen\` in cordon.yaml` });
  });
  return () => tls.recheck();
}

type SocketDoor = Extract<DataPlaneConfig['door'], { readonly kind: 'socket' }>;

async function openSocket({ path, mode, uids }: SocketDoor, door: Door): Promise<{ close(): Promise<void> }> {
  if (uids === undefined) return listenUnix({ path, mode, onConnection: (socket) => door.accept(socket) });
  const reader = await openPeerReader();
  if (reader instanceof Refusal) throw new Refusal('CORDON-9006', `\`uids\` cannot be kept: ${errorTextOf(reader)}`);
  return listenUnix({
    path,
    mode,
    onConnection(socket): void {
      try {
        const peer = reader(socket);
        peer.release();
        if (!uids.includes(peer.uid)) throw new Refusal('CORDON-1005', 'another user');
        door.accept(socket);
      } catch {
        socket.destroy();
      }
    },
  });
}

/** What it forwards it was told once, and is told no more of: whether that has ended is not seen from here. INVARIANT I6 */
const attach = (publisher: Publisher, { name, allowed }: Plane, recheck: () => void): void =>
  publisher.attach({
    id: name,
    apply: recheck,
    contain: async (snapshot, { kind, id }, since) => {
      recheck();
      const agent = kind === 'run' ? (snapshot.runs.get(id)?.agent ?? id) : id;
      if (kind === 'agent' ? !allowed.has(agent) : allowed.size === 0) return undefined;
      return { pep: name, connections: 0, calls: 0, remaining: 0, silentMs: performance.now() - since, unobserved: true };
    },
  });
