// The version of this Cordon, from its package.
import { readFileSync } from 'node:fs';
import { isJsonObject, parseJson } from '../domain/json.ts';

function readVersion(): string {
  const manifest = parseJson(readFileSync(new URL('../../package.json', import.meta.url)), { maxBytes: 65_536, maxDepth: 8 });
  const version = isJsonObject(manifest) ? manifest['version'] : undefined;
  if (typeof version !== 'string') throw new Error('package.json has no `version`');
  return version;
}

export const VERSION = readVersion();
