// The workload in Cerbos: one resource policy for each tool, with the rules that can concern it (Cerbos finds the policy by the kind of
// the resource, and a deny in it wins), served by the real server of the npm package over gRPC on the loopback.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GRPC } from '@cerbos/grpc';
import { freePorts } from '../../test/support/bed.ts';
import type { Asked, Condition, Entity, Rule, Workload } from './workload.ts';

export interface Cerbos {
  readonly isAllowed: (asked: Asked) => Promise<boolean>;
  readonly pid: number;
  readonly close: () => Promise<void>;
}

const START_MS = 60_000;

/** Where the server is, if it is installed: `npm install --no-save @cerbos/cerbos-linux-x64@0.55.0`. */
export function cerbosBinary(): string | undefined {
  const name = `cerbos-${process.platform}-${process.arch}`;
  const path = process.env['CORDON_CERBOS'] ?? join(import.meta.dirname, '..', '..', 'node_modules', '@cerbos', name, name);
  return existsSync(path) ? path : undefined;
}

/** @throws Error when it does not answer within a minute */
export async function startCerbos(binary: string, workload: Workload): Promise<Cerbos> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-cerbos-'));
  const [http = 0, grpc = 0] = await freePorts(2);
  await writePolicies(join(dir, 'policies'), workload);
  const config = {
    server: { httpListenAddr: `127.0.0.1:${http}`, grpcListenAddr: `127.0.0.1:${grpc}` },
    storage: { driver: 'disk', disk: { directory: join(dir, 'policies'), watchForChanges: false } },
    telemetry: { disabled: true },
    audit: { enabled: false },
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  const child = spawn(binary, ['server', `--config=${join(dir, 'config.json')}`, '--log-level=error'], { stdio: 'ignore' });
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await rm(dir, { recursive: true, force: true });
  };
  process.once('exit', () => child.kill('SIGKILL'));
  try {
    await ready(child, http);
  } catch (error) {
    await close();
    throw error;
  }
  const client = new GRPC(`127.0.0.1:${grpc}`, { tls: false });
  const known = new Map(workload.entities.map((entity) => [entity.id, entity]));
  return { isAllowed: (asked) => client.isAllowed(requestOf(asked, known)), pid: child.pid ?? 0, close };
}

async function ready(child: ChildProcess, port: number): Promise<void> {
  for (const until = performance.now() + START_MS; performance.now() < until;) {
    if (child.exitCode !== null) throw new Error(`cerbos ended with ${child.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${port}/_cerbos/health`).catch(() => undefined);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`cerbos was not ready after ${START_MS / 1000} s`);
}

async function writePolicies(dir: string, { rules, entities }: Workload): Promise<void> {
  await mkdir(dir, { recursive: true });
  const tools = entities.filter(({ type }) => type === 'Tool');
  const names = new Set([...tools.map(({ id }) => id), ...rules.flatMap(({ tool }) => tool ?? [])]);
  const serverOf = new Map(tools.map(({ id, parent }) => [id, parent?.[1]]));
  for (const name of names) {
    const own = rules.filter(({ tool, server }) => (tool ?? name) === name && (server === undefined || server === serverOf.get(name)));
    await writeFile(join(dir, `${name}.json`), JSON.stringify(policyOf(name, own)));
  }
}

const policyOf = (tool: string, rules: readonly Rule[]): object => ({
  apiVersion: 'api.cerbos.dev/v1',
  resourcePolicy: { resource: tool, version: 'default', rules: rules.map(ruleOf) },
});

function ruleOf({ id, effect, agent, group, action, condition }: Rule): object {
  const who = agent === undefined ? [] : [`P.id == "${agent}"`];
  const all = [...who, ...conditionOf(condition)];
  return {
    name: id,
    actions: [action === 'any' ? '*' : action],
    effect: effect === 'permit' ? 'EFFECT_ALLOW' : 'EFFECT_DENY',
    roles: [group ?? '*'],
    ...(all.length === 0 ? {} : { condition: { match: { all: { of: all.map((expr) => ({ expr })) } } } }),
  };
}

function conditionOf(condition: Condition): readonly string[] {
  switch (condition.kind) {
    case 'none':
      return [];
    case 'amount':
      return [`R.attr.amount <= ${condition.most}`];
    case 'calm':
      return [`R.attr.env == "${condition.env}"`, `P.attr.risk < ${condition.risk}`];
    case 'region':
      return [`R.attr.region in ${JSON.stringify(condition.regions)}`];
    case 'above':
      return [`R.attr.amount > ${condition.amount}`];
    case 'owner':
      return [`P.attr.owner == "${condition.owner}"`];
  }
}

const requestOf = ({ agent, tool, context }: Asked, known: ReadonlyMap<string, Entity>): Parameters<GRPC['isAllowed']>[0] => ({
  principal: { id: agent, roles: [known.get(agent)?.parent?.[1] ?? 'none'], attr: { ...known.get(agent)?.attrs } },
  resource: { kind: tool, id: tool, attr: { ...context } },
  action: 'call',
});
