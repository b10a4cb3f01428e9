// Cordon with everything on: SVIDs of its own CA, limits, 1,000 policies, the log, the index of decisions.
import { parse, stringify } from 'yaml';
import type { JSONWebKeySet } from 'jose';
import { openBed, send, type Bed, type Svid } from '../../test/support/bed.ts';
import { ownTask } from '../../test/support/own-task.ts';
import { until } from '../../test/support/until.ts';
import { READS, TAGS, TOOLS } from '../desks.ts';
import { gatewayDesks, gatewayPolicies } from './policies.ts';

interface Started {
  readonly workers?: number;
  /** Where HAProxy listens, which asks over SPOE. */
  readonly haproxy?: number;
}

/** A `cordon up` process in front of `upstream`, ready. */
export async function startCordon(upstream: number, { workers = 1, haproxy }: Started = {}): Promise<Bed> {
  const bed = await openBed({
    policies: gatewayPolicies(),
    tools: false,
    workers,
    configure: (yaml) => {
      const { resources, agents, limits, ...rest } = parse(yaml) as {
        resources: { bench: { mcp: object } };
        agents: object;
        limits: object;
      };
      const clerks = gatewayDesks()
        .slice(1)
        .map(({ agent }) => [agent, { segment: 'desk', owner: 'bench', purpose: 'is there' }] as const);
      const mcp = { ...resources.bench.mcp, url: `http://127.0.0.1:${upstream}/mcp`, allowPlaintextLoopback: true };
      // the limiter counts every call and stops none: what it costs is in the figures
      return stringify({
        ...rest,
        agents: { ...agents, ...Object.fromEntries(clerks) },
        resources: { bench: { ...resources.bench, reads: READS, tags: TAGS, mcp } },
        limits: { ...limits, rate: 100_000, burst: 100_000 },
        tokens: { ttl: '1h' },
        ...(haproxy === undefined ? {} : { dataPlanes: { haproxy: planeAt(haproxy) } }),
      });
    },
  });
  try {
    await bed.ready();
    if (workers > 1) await inForce(bed);
    const { resources } = (await bed.control('GET', '/v1/status')).json as { resources: readonly { tools: number }[] };
    if (resources[0]?.tools !== TOOLS.length) throw new Error('Cordon does not see the tools of the upstream');
    return bed;
  } catch (error) {
    await bed.close();
    throw error;
  }
}

const planeAt = (port: number): object => ({
  protocol: 'spoe',
  url: `https://127.0.0.1:${port}`,
  socket: 'run/haproxy.sock',
  access: 'owner',
  routes: { 'mcp/bench': { credential: true, txnToken: false } },
});

/** A task token for this gateway, with which the run acts for itself, within a mandate. @throws Error when it is refused */
export const taskToken = (bed: Bed, svid: Svid): Promise<string> =>
  ownTask(bed, svid, [{ type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/*'] }]);

/** Of the token service. */
export const keysOf = async (bed: Bed, svid: Svid): Promise<JSONWebKeySet> =>
  (await send({ port: bed.ports.identity, path: '/oauth2/jwks', method: 'GET', svid: { ca: svid.ca } })).json as unknown as JSONWebKeySet;

/** Each worker admits the policies by itself. */
const inForce = (bed: Bed): Promise<true> =>
  until('all workers enforce the policies', async () => {
    const { workers } = (await bed.control('GET', '/v1/status')).json as { workers: readonly { policies: number }[] };
    return workers.every(({ policies }) => policies > 0) ? true : undefined;
  });

/** Entries of the log. */
export const logSize = async (bed: Bed): Promise<number> =>
  ((await bed.control('GET', '/v1/status')).json as { log: { size: number } }).log.size;
