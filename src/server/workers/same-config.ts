// One configuration for all processes of a Cordon: a worker reads the file itself, and goes on only with what the main process runs with.
import type { Config, Resilience } from '../../control/config.ts';
import { sha256Hex } from '../../crypto/hash.ts';
import { Refusal } from '../../domain/refusal.ts';
import { readConfig } from '../config.ts';

/** Of what the configuration says, whatever made it. */
export const digestOfConfig = (config: Config): string => sha256Hex(JSON.stringify(config, (_name, value: unknown) => plain(value)));

const plain = (value: unknown): unknown => (value instanceof Map ? [...value] : value instanceof Set ? [...value] : value);

/** @throws Refusal CORDON-9006 when the file is another by now */
export async function readSameConfig(file: string, digest: string): Promise<Config> {
  const config = await readConfig(file);
  if (digestOfConfig(config) === digest) return config;
  throw new Refusal('CORDON-9006', `\`${file}\` has changed since Cordon was started`, {
    fix: 'restart Cordon, or put back what was there',
  });
}

/** What each of so many gateways may hold of a callee, so that together they hold no more than one would. */
export function shareOf(config: Config, workers: number): Config {
  const share = (places: number): number => Math.max(1, Math.floor(places / workers));
  const shared = (of: Resilience): Resilience => ({ ...of, inFlight: share(of.inFlight) });
  const { segments, agents, resources } = config.resilience;
  return {
    ...config,
    resilience: {
      segments: new Map([...segments].map(([name, places]) => [name, share(places)])),
      agents: new Map([...agents].map(([name, of]) => [name, shared(of)])),
      resources: new Map([...resources].map(([name, of]) => [name, shared(of)])),
    },
  };
}
