// The PDPs of applications, opened from the files that the configuration names.
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { AuthzenService } from '../control/authzen-service.ts';
import type { AuthzenConfig, AuthzenStoreConfig } from '../control/config.ts';
import { randomKey } from '../crypto/random.ts';
import { sealer } from '../crypto/seal.ts';
import { Refusal } from '../domain/refusal.ts';
import { openApplication } from '../pdp/authzen/application.ts';
import type { ApplicationSources, Source } from '../pdp/authzen/application-load.ts';
import { VERSION } from './version.ts';

/** Opens every store. @throws Refusal CORDON-9006, CORDON-9007 */
export async function openAuthzen({ stores }: AuthzenConfig): Promise<AuthzenService> {
  const opened = await Promise.all(stores.map(async (store) => [store.name, await openApplication(await sourcesOf(store))] as const));
  return { stores: new Map(opened), pages: sealer(randomKey()), version: VERSION };
}

async function sourcesOf({ name, policies, schema, entities, obligations }: AuthzenStoreConfig): Promise<ApplicationSources> {
  const sourceOf = (path: string): Promise<Source> => read(name, path);
  const files = (await readable(policies, readdir(policies))).filter((file) => file.endsWith('.cedar')).toSorted();
  return {
    policies: await Promise.all(files.map((file) => sourceOf(join(policies, file)))),
    schema: await sourceOf(schema),
    entities: await sourceOf(entities),
    ...(obligations === undefined ? {} : { obligations: await sourceOf(obligations) }),
  };
}

/** As messages name it: `todo/records.cedar`. */
const read = async (store: string, path: string): Promise<Source> => ({
  path: `${store}/${basename(path)}`,
  text: await readable(path, readFile(path, 'utf8')),
});

async function readable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read \`${path}\``, { cause, fix: 'mend the path under `authzen.stores` in cordon.yaml' });
  }
}
