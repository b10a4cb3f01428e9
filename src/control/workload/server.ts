// The gRPC server behind the sockets: it takes connections whose caller is known and knows the caller of every call. No TLS: the kernel
// vouches for a unix socket. Standard: SPIFFE Workload Endpoint §2–3.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import type { Socket } from 'node:net';
import { Refusal } from '../../domain/refusal.ts';
import { WORKLOAD_API } from './descriptor.ts';
import type { Caller } from './ports.ts';
import type { OpenStream } from './calls.ts';
import { SDS } from './sds-descriptor.ts';
import { sdsService, type SdsParts } from './sds.ts';
import { workloadService, type ServiceParts } from './service.ts';

export interface WorkloadServer {
  /** Serves a connection for as long as it is open. */
  readonly accept: (socket: Socket, caller: Caller) => void;
  /** Looks at every stream again: an identity ended or is due, or a bundle is another one. Resolves when that is done. */
  refresh(): Promise<void>;
  /** How many streams are open for one of these runs. */
  streams(runs: ReadonlySet<string>): number;
  close(): void;
}

export type WorkloadServerParts = Omit<ServiceParts & SdsParts, 'callerOf' | 'onStream' | 'onStreamEnd'>;

/** How messages look in JavaScript: the names of the fields as they stand in the specification. */
const MESSAGES = { keepCase: true, defaults: true, enums: String, longs: String };

const OPTIONS = {
  'grpc.max_receive_message_length': 65_536,
  'grpc.max_concurrent_streams': 32,
  /** Milliseconds. */
  'grpc.max_connection_idle_ms': 600_000,
};

/** Connections of all callers together, and of one run or user. */
const MAX_CONNECTIONS = 4096;
const MAX_SHARE = 256;

export function createWorkloadServer(parts: WorkloadServerParts): WorkloadServer {
  const callers = new Map<string, Caller>();
  const streams = new Set<OpenStream>();
  const server = new Server(OPTIONS);
  const definition = fromJSON(WORKLOAD_API, MESSAGES);
  const called = {
    ...parts,
    callerOf: (peer: string) => callers.get(peer) ?? STRANGER,
    onStream: (stream: OpenStream) => void streams.add(stream),
    onStreamEnd: (stream: OpenStream) => void streams.delete(stream),
  };
  server.addService(serviceOf(definition, 'SpiffeWorkloadAPI'), workloadService(called));
  server.addService(serviceOf(fromJSON(SDS, MESSAGES), 'envoy.service.secret.v3.SecretDiscoveryService'), sdsService(called));
  new ReflectionService(definition).addToServer(server);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  let last = 0;

  return {
    accept(socket, caller): void {
      const sharing = [...callers.values()].filter(({ share }) => share === caller.share).length;
      if (callers.size >= MAX_CONNECTIONS || sharing >= MAX_SHARE) {
        caller.left();
        socket.destroy();
        return;
      }
      const name = `connection-${++last}`;
      callers.set(name, caller);
      socket.once('close', () => {
        callers.delete(name);
        caller.left();
      });
      // a unix socket has no address, so this is what `getPeer` of its calls says
      Object.defineProperty(socket, 'remoteAddress', { value: name });
      injector.injectConnection(socket);
    },
    async refresh(): Promise<void> {
      await Promise.all([...streams].map((stream) => stream.update()));
      parts.credentials.keepOnly(new Set([...streams].flatMap((stream) => stream.runs())));
    },
    streams: (runs) => [...streams].filter((stream) => stream.runs().some((run) => runs.has(run))).length,
    close(): void {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

type Definition = ReturnType<typeof fromJSON>;
type Service = Parameters<Server['addService']>[0];

function serviceOf(definition: Definition, name: string): Service {
  const found = definition[name];
  if (found === undefined || 'format' in found) throw new Error(`no service \`${name}\``);
  return found;
}

/** A call whose connection is unknown has no identity. */
const STRANGER: Caller = {
  share: 'refused',
  runs: () => Promise.reject(new Refusal('CORDON-1005', 'the process behind the socket is not known')),
  left: () => undefined,
};
