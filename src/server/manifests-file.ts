// Reviewed manifests of tools: files that cordon.yaml names, written by `cordon tools classify --out` and corrected by people. Versioned as
// the policies beside them are.
import { resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import type { Config, ResourceConfig } from '../control/config.ts';
import { EFFECTS, OUTPUTS, type Reviewed, ROLES } from '../domain/manifest.ts';
import { Refusal } from '../domain/refusal.ts';
import { readBounded } from './bounded-file.ts';
import { deepest, misfit, placeOf } from './config-place.ts';

const MAX_BYTES = 4_194_304;

const role = z.enum(ROLES, `one of ${ROLES.join(', ')}`);
const MANIFESTS = z.strictObject({
  tools: z.record(
    z.string().min(1).max(128),
    z.strictObject({
      /** What was looked at. */
      definition: z.string().regex(/^sha256:[0-9a-f]{64}$/, '`sha256:` and 64 hexadecimal digits, as `cordon tools classify` shows it'),
      effect: z.enum(EFFECTS, `one of ${EFFECTS.join(', ')}`).exactOptional(),
      output: z.enum(OUTPUTS, `one of ${OUTPUTS.join(', ')}`).exactOptional(),
      arguments: z.record(z.string().min(1).max(256), role).default({}),
    }),
  ),
});

/** The configuration with what the files say. @throws Refusal CORDON-9006 with `path:line:column` */
export const withManifests = async (config: Config): Promise<Config> => ({
  ...config,
  resources: await Promise.all(config.resources.map((resource) => withFile(config.base, resource))),
});

async function withFile(base: string, resource: ResourceConfig): Promise<ResourceConfig> {
  if (resource.manifestsFile === undefined) return resource;
  const path = resolve(base, resource.manifestsFile);
  let text: string | undefined;
  try {
    text = await readBounded(path, MAX_BYTES);
  } catch (cause) {
    const fix = `write it from what is pinned, with the line taken out meanwhile: cordon tools classify ${resource.name} --out ${resource.manifestsFile}`;
    throw new Refusal('CORDON-9006', `cannot read \`${path}\``, { cause, fix });
  }
  if (text === undefined) throw new Refusal('CORDON-9006', `\`${path}\` is longer than ${MAX_BYTES} bytes`);
  return { ...resource, manifests: parseManifests(text, path) };
}

/** `path` names the file in messages. @throws Refusal CORDON-9006 */
export function parseManifests(text: string, path: string): Readonly<Record<string, Reviewed>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, schema: 'core', merge: false });
  const source = { path, document, lines };
  const [broken] = document.errors;
  if (broken !== undefined) {
    const place = placeOf(source, broken.pos[0]);
    const [why = 'no YAML'] = broken.message.split('\n', 1);
    throw new Refusal('CORDON-9006', `${place}: ${why.replace(/ at line \d+.*$/, '')}`, { fix: `edit ${place}` });
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new Refusal('CORDON-9006', `${path}: anchors and aliases are not accepted`, { cause });
  }
  const result = MANIFESTS.safeParse(value);
  if (!result.success) throw misfit(source, deepest(result.error.issues));
  return result.data.tools;
}
