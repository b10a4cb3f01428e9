// `cordon up` in front of the upstream of the streams, with everything on, and places for as many calls of one run as the bench holds open.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { openBed, type Bed, type Svid } from '../../test/support/bed.ts';
import { policiesOf, READS, TAGS } from '../desks.ts';

const POLICIES = 15;
const DESKS = [
  { agent: 'caller', team: 'desk', server: 'bench' },
  { agent: 'callee', team: 'tools', server: 'bench' },
  { agent: 'other', team: 'vault', server: 'bench' },
];

export async function startCordonFor(upstream: number, concurrent: number): Promise<Bed> {
  const bed = await openBed({
    policies: policiesOf(POLICIES, DESKS),
    tools: false,
    configure: (yaml) => {
      const { resources, limits, ...rest } = parse(yaml) as { resources: { bench: { mcp: object } }; limits: object };
      const mcp = { ...resources.bench.mcp, url: `http://127.0.0.1:${upstream}/mcp`, allowPlaintextLoopback: true };
      return stringify({
        ...rest,
        resources: { bench: { ...resources.bench, reads: READS, tags: TAGS, mcp } },
        limits: { ...limits, rate: 100_000, burst: 100_000, concurrent },
      });
    },
  });
  try {
    await bed.ready();
    return bed;
  } catch (error) {
    await bed.close();
    throw error;
  }
}

/** Who gives the orders. */
export async function operatorOf({ data }: Bed): Promise<Svid> {
  const text = await readFile(join(data, 'operator', 'credentials.json'), 'utf8');
  const { chain: cert, privateKey: key, bundle: ca } = JSON.parse(text) as Record<'chain' | 'privateKey' | 'bundle', string>;
  return { cert, key, ca };
}
