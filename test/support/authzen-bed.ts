// A bed whose Cordon is also the PDP of the five applications in test/authzen, and a PEP that asks it with a key.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openBed, send, type Answer, type Bed, type BedOptions, type Svid } from './bed.ts';

export const STORES = ['certification', 'gateway', 'idp', 'search', 'todo'] as const;
export type StoreName = (typeof STORES)[number];

export const KEY = 'test-key-of-a-pep-that-has-no-certificate-0123456789';
const APPLICATIONS = resolve(import.meta.dirname, '../authzen');

export interface AuthzenBed extends Bed {
  /** `https://127.0.0.1:port`, where keys are taken. */
  readonly url: string;
  /** `https://127.0.0.1:port`, where SVIDs are. */
  readonly controlUrl: string;
  /** Asks with the key; a body that is undefined is a GET, a text is sent as it is. */
  readonly ask: (path: string, body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>;
  readonly askAsOperator: AuthzenBed['ask'];
  askWith(svid: Svid): AuthzenBed['ask'];
}

const section = (peps: string): string => `
authzen:
  stores:
${STORES.map((store) => `    ${store}: { policies: ${APPLICATIONS}/${store}/policies, schema: ${APPLICATIONS}/${store}/schema.cedarschema, entities: ${APPLICATIONS}/${store}/entities.json }`).join('\n')}
  peps:
    foreign: { key: sha256:${createHash('sha256').update(KEY).digest('hex')}, stores: [${STORES.join(', ')}], agents: [caller] }
${peps}
`;

/** `peps`: more lines under `authzen.peps`. */
export async function openAuthzenBed(options: BedOptions & { readonly peps?: string } = {}): Promise<AuthzenBed> {
  const bed = await openBed({ tools: false, ...options, configure: (yaml) => `${yaml}${section(options.peps ?? '')}` });
  const own = JSON.parse(await readFile(join(bed.data, 'operator/credentials.json'), 'utf8')) as Record<
    'chain' | 'privateKey' | 'bundle',
    string
  >;
  const asking =
    (port: number, svid: Partial<Svid>, more: Readonly<Record<string, string>>): AuthzenBed['ask'] =>
    (path, body, headers = {}) => {
      const what = body === undefined ? { method: 'GET' } : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      return send({ port, path, ...what, headers: { ...more, ...headers }, svid });
    };
  return {
    ...bed,
    url: `https://127.0.0.1:${bed.ports.identity}`,
    controlUrl: `https://127.0.0.1:${bed.ports.control}`,
    ask: asking(bed.ports.identity, { ca: own.bundle }, { authorization: `Bearer ${KEY}` }),
    askAsOperator: asking(bed.ports.control, { cert: own.chain, key: own.privateKey, ca: own.bundle }, {}),
    askWith: (svid) => asking(bed.ports.control, svid, {}),
  };
}
