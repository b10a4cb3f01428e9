// Which agents, segments, resources and tools policies are checked against: those of the running Cordon; without one, what cordon.yaml
// registers and the data directory has pinned; or those of a file. Whoever uses it says which it was.
import { readFile, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { parseJson } from '../domain/json.ts';
import type { Resource, Tool, World } from '../domain/registry.ts';
import type { PolicySource } from '../policy/policy-set.ts';
import type { Context } from './context.ts';
import { Failure } from './errors.ts';

export interface KnownWorld {
  readonly world: World;
  readonly from: 'server' | 'data' | 'file';
  /** For people: where it comes from, and whose tools are not known. */
  readonly said: string;
}

export interface WorldOptions {
  readonly offline?: true;
  readonly world?: string;
}

export const addOffline = (command: Command): Command =>
  command.option('--offline', 'ask no server: cordon.yaml, and the tools that the data directory has pinned');

export const addWorldOptions = (command: Command): Command =>
  addOffline(command).option('--world <file>', 'ask neither: a file that `cordon policy world` wrote');

/** @throws Failure, Refusal when the world that was asked for cannot be read */
export async function knownWorld(context: Context, { offline, world: file }: WorldOptions): Promise<KnownWorld> {
  if (file !== undefined) return told({ world: await worldIn(file), from: 'file', said: shown(resolve(file)) });
  const running = offline === true ? undefined : await ofServer(context);
  if (running !== undefined) return told({ world: running, from: 'server', said: 'the running Cordon' });
  const said = `${shown(context.config)} and the tools pinned in ${shown(context.data)}`;
  return told({ world: await ofData(context), from: 'data', said });
}

function told(known: KnownWorld): KnownWorld {
  const { resources, tools } = known.world;
  const unknown = resources.filter(({ name, kind }) => kind !== 'egress' && (tools.get(name) ?? []).length === 0).map(({ name }) => name);
  return unknown.length === 0 ? known : { ...known, said: `${known.said}; no tools are known of ${unknown.join(', ')}` };
}

/** Undefined when none runs here. */
async function ofServer(context: Context): Promise<World | undefined> {
  try {
    const { value } = await context.connected((client) => client.world());
    const { worldOf } = await import('../control/world-view.ts');
    return worldOf(value);
  } catch (error) {
    if (error instanceof Failure && error.exit === 'unreachable') return undefined;
    throw error;
  }
}

async function ofData({ config, data }: Context): Promise<World> {
  const [{ readConfig }, { routesIn }] = await Promise.all([import('../server/config.ts'), import('../server/route-tools.ts')]);
  const { segments, agents, resources } = await readConfig(config);
  const tools = new Map([...(await pinnedTools(join(data, 'cordon.db'), resources)), ...routesIn(resources)]);
  return { segments, agents, resources, tools, levels: new Map() };
}

async function pinnedTools(database: string, resources: readonly Resource[]): Promise<World['tools']> {
  const tools = new Map<string, readonly Tool[]>();
  const exists = await stat(database).then(
    () => true,
    () => false,
  );
  if (!exists) return tools; // opening would make one
  const [{ openSqliteStore }, { readTools }] = await Promise.all([import('../store/sqlite.ts'), import('../control/tools.ts')]);
  const store = await openSqliteStore(database);
  try {
    for (const { name } of resources) {
      const pin = await store.getPin(name);
      if (pin !== undefined) tools.set(name, readTools(pin.tools));
    }
    return tools;
  } finally {
    await store.close();
  }
}

const BOUNDS = { maxBytes: 67_108_864, maxDepth: 64 };

async function worldIn(file: string): Promise<World> {
  const fix = ['write one: `cordon policy world > FILE`'];
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new Failure('usage', `cannot read \`${file}\``, { fix, cause });
  });
  const { WORLD, worldOf } = await import('../control/world-view.ts');
  try {
    return worldOf(WORLD.parse(parseJson(bytes, BOUNDS)));
  } catch (cause) {
    throw new Failure('usage', `\`${file}\` is not a world`, { expected: '`cordon.world/v1`', fix, cause });
  }
}

export interface PolicyFiles {
  readonly directory: string;
  /** Named as from where the command runs. */
  readonly sources: readonly PolicySource[];
}

/** The policies of a directory; of the one that cordon.yaml names when none is given. @throws Refusal CORDON-9006, CORDON-9007 */
export async function policyFiles({ config }: Context, given: string | undefined): Promise<PolicyFiles> {
  const [{ readConfig }, { readPolicies }] = await Promise.all([import('../server/config.ts'), import('../control/policies.ts')]);
  const directory = given === undefined ? (await readConfig(config)).policies : resolve(given);
  const sources = await readPolicies(directory);
  return { directory, sources: sources.map(({ path, text }) => ({ path: shown(join(directory, path)), text })) };
}

/** A path as from where the command runs. */
export const shown = (path: string): string => relative(process.cwd(), path) || '.';
