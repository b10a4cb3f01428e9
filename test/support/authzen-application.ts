// The applications of test/authzen, opened without a server.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openApplication } from '../../src/pdp/authzen/application.ts';
import type { ApplicationSources, Source } from '../../src/pdp/authzen/application-load.ts';
import type { AuthzenPdp } from '../../src/pdp/authzen/port.ts';

export const APPLICATIONS = resolve(import.meta.dirname, '../authzen');

export function sourcesOf(store: string): ApplicationSources {
  const read = (...path: string[]): Source => ({
    path: join(store, ...path),
    text: readFileSync(join(APPLICATIONS, store, ...path), 'utf8'),
  });
  return {
    policies: readdirSync(join(APPLICATIONS, store, 'policies')).map((file) => read('policies', file)),
    schema: read('schema.cedarschema'),
    entities: read('entities.json'),
  };
}

export const openStore = (store: string): Promise<AuthzenPdp> => openApplication(sourcesOf(store));
