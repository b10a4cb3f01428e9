// The section `authzen` of `cordon.yaml`: PDPs of applications, and the PEPs that may ask.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { AuthzenConfig, AuthzenPepConfig } from '../control/config.ts';
import { name } from '../control/input.ts';
import type { Issue } from './config-place.ts';

const store = z.strictObject({
  policies: z.string(),
  schema: z.string(),
  entities: z.string(),
  obligations: z.string().exactOptional(),
});

const pep = z.strictObject({
  workload: z
    .string()
    .regex(/^(agent|resource)\/[a-z0-9][a-z0-9-]{0,62}$/, '`agent/NAME` or `resource/NAME`')
    .exactOptional(),
  key: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, '`sha256:` and the digest of the key: `printf %s "$KEY" | sha256sum`')
    .exactOptional(),
  stores: z.array(name).default([]),
  agents: z.array(name).default([]),
});

export const AUTHZEN_SECTION = z.strictObject({ stores: z.record(name, store).default({}), peps: z.record(name, pep).default({}) });

export type AuthzenSection = z.infer<typeof AUTHZEN_SECTION>;

interface Registered {
  readonly agents: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, unknown>>;
}

/** Paths in it start at `base`. `refuse` is given the first thing that does not fit. */
export function authzenOf(
  { stores, peps }: AuthzenSection,
  registered: Registered,
  base: string,
  refuse: (issue: Issue) => Error,
): AuthzenConfig {
  const found: AuthzenPepConfig[] = [];
  for (const [each, { workload, ...rest }] of Object.entries(peps)) {
    const [kind, of = ''] = workload?.split('/') ?? [];
    const one = {
      name: each,
      ...rest,
      ...(kind === undefined ? {} : { workload: { kind: kind === 'agent' ? 'agent' : 'resource', name: of } as const }),
    };
    const issue = problemOf(one, { stores, ...registered }) ?? twinOf(one, found);
    if (issue !== undefined) throw refuse({ path: ['authzen', 'peps', each, ...issue.path], message: issue.message });
    found.push(one);
  }
  const inBase = (path: string): string => resolve(base, path);
  return {
    stores: Object.entries(stores).map(([each, { policies, schema, entities, obligations }]) => ({
      name: each,
      policies: inBase(policies),
      schema: inBase(schema),
      entities: inBase(entities),
      ...(obligations === undefined ? {} : { obligations: inBase(obligations) }),
    })),
    peps: found,
  };
}

type Names = Registered & { readonly stores: Readonly<Record<string, unknown>> };

/** What a PEP names exists, and it is known in exactly one way. */
function problemOf({ workload, key, stores, agents }: AuthzenPepConfig, names: Names): Issue | undefined {
  if ((workload === undefined) === (key === undefined)) return { path: [], message: 'needs either `workload` or `key`' };
  const workloads = workload?.kind === 'agent' ? names.agents : names.resources;
  if (workload !== undefined && !Object.hasOwn(workloads, workload.name)) {
    return { path: ['workload'], message: `no ${workload.kind} is called \`${workload.name}\`` };
  }
  const unknown = stores.findIndex((each) => !Object.hasOwn(names.stores, each));
  if (unknown >= 0) return { path: ['stores', unknown], message: `no store is called \`${stores[unknown]}\`` };
  const agent = agents.findIndex((each) => !Object.hasOwn(names.agents, each));
  return agent < 0 ? undefined : { path: ['agents', agent], message: `no agent is called \`${agents[agent]}\`` };
}

/** Two PEPs that cannot be told apart would have the rights of one of them. */
function twinOf({ workload, key }: AuthzenPepConfig, found: readonly AuthzenPepConfig[]): Issue | undefined {
  const twin = found.find((other) =>
    workload === undefined ? other.key === key : other.workload?.kind === workload.kind && other.workload.name === workload.name,
  );
  return twin === undefined ? undefined : { path: [], message: `cannot be told from \`${twin.name}\`` };
}
