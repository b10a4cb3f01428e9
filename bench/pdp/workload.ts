// One workload in the words of each engine: who may call which tool, and requests for it. Of n policies 71 % permit one agent one tool,
// 20 % a group the tools of a server, 4 % are for another action, 5 % forbid; up to ten forbids are global. A seed fixes everything.

export interface Rule {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  readonly agent?: string;
  readonly group?: string;
  readonly tool?: string;
  readonly server?: string;
  readonly action: 'call' | 'list' | 'any';
  readonly condition: Condition;
}

export type Condition =
  | { readonly kind: 'none' }
  | { readonly kind: 'amount'; readonly most: number }
  | { readonly kind: 'calm'; readonly env: string; readonly risk: number }
  | { readonly kind: 'region'; readonly regions: readonly string[] }
  | { readonly kind: 'above'; readonly amount: number }
  | { readonly kind: 'owner'; readonly owner: string };

export interface Entity {
  readonly type: 'Agent' | 'Group' | 'Tool' | 'Server' | 'Action';
  readonly id: string;
  readonly attrs: Readonly<Record<string, string | number>>;
  readonly parent?: readonly [Entity['type'], string];
}

export interface Asked {
  readonly agent: string;
  readonly tool: string;
  readonly context: { readonly amount: number; readonly env: string; readonly region: string };
}

export interface Workload {
  readonly rules: readonly Rule[];
  readonly entities: readonly Entity[];
  readonly requests: readonly Asked[];
}

const REQUESTS = 2000;

/** `policies` rules over a world of which `entities` are stored; the requests are about those. */
export function workload(policies: number, entities: number): Workload {
  const world = worldFor(policies);
  const rules = Array.from({ length: policies }, (_, at) => ruleAt(at, world));
  const stored = storedOf(world, entities);
  const agents = stored.filter(({ type }) => type === 'Agent');
  const tools = stored.filter(({ type }) => type === 'Tool');
  const direct = rules.filter(({ agent, tool }) => agents.some(({ id }) => id === agent) && tools.some(({ id }) => id === tool));
  const requests = Array.from({ length: REQUESTS }, (_, at): Asked => {
    const rule = at % 4 === 0 ? undefined : direct[at % Math.max(1, direct.length)];
    const context = { amount: (at * 31) % 400, env: at % 5 === 0 ? 'dev' : 'prod', region: `r${at % 7}` };
    return {
      agent: rule?.agent ?? agents[at % agents.length]?.id ?? '',
      tool: rule?.tool ?? tools[(at * 3) % tools.length]?.id ?? '',
      context,
    };
  });
  return { rules, entities: stored, requests };
}

interface Sizes {
  readonly agents: number;
  readonly groups: number;
  readonly tools: number;
  readonly servers: number;
}

const worldFor = (policies: number): Sizes => ({
  agents: Math.max(2, policies / 8) | 0,
  groups: Math.max(1, policies / 50) | 0,
  tools: Math.max(2, policies / 5) | 0,
  servers: Math.max(1, policies / 50) | 0,
});

function ruleAt(at: number, { agents, groups, tools, servers }: Sizes): Rule {
  const id = `p${at}`;
  const kind = at % 100;
  const condition = conditionAt(at);
  if (kind < 71) return { id, effect: 'permit', agent: `a${(at * 7) % agents}`, tool: `t${(at * 13) % tools}`, action: 'call', condition };
  if (kind < 91) return { id, effect: 'permit', group: `g${at % groups}`, server: `s${(at * 3) % servers}`, action: 'call', condition };
  if (kind < 95)
    return { id, effect: 'permit', agent: `a${at % agents}`, tool: `t${at % tools}`, action: 'list', condition: { kind: 'none' } };
  if (kind < 99 || at > 1000)
    return { id, effect: 'forbid', tool: `t${at % tools}`, action: 'call', condition: { kind: 'above', amount: 390 } };
  return { id, effect: 'forbid', action: 'any', condition: { kind: 'owner', owner: `nobody-${at}` } };
}

const CONDITIONS: readonly ((at: number) => Condition)[] = [
  (at) => ({ kind: 'amount', most: 100 + (at % 250) }),
  (at) => ({ kind: 'calm', env: 'prod', risk: 40 + (at % 60) }),
  (at) => ({ kind: 'region', regions: [`r${at % 7}`] }),
  (at) => ({ kind: 'region', regions: [`r${at % 7}`, `r${(at + 3) % 7}`] }),
];
const conditionAt = (at: number): Condition => CONDITIONS[at % CONDITIONS.length]?.(at) ?? { kind: 'none' };

/** At least one of each type; of many, most are tools. */
function storedOf(world: Sizes, count: number): readonly Entity[] {
  const agents = Math.max(1, count * 0.2) | 0;
  const few = Math.max(1, count * 0.05) | 0;
  const [groups, servers] = [Math.max(1, Math.min(world.groups, few)), Math.max(1, Math.min(world.servers, few))];
  const tools = Math.max(1, count - agents - groups - servers - 1);
  const one = (type: Entity['type'], prefix: string, of: number, rest: (at: number) => Omit<Entity, 'type' | 'id'>): Entity[] =>
    Array.from({ length: of }, (_, at) => ({ type, id: `${prefix}${at}`, ...rest(at) }));
  return [
    ...one('Group', 'g', groups, () => ({ attrs: {} })),
    ...one('Server', 's', servers, () => ({ attrs: {} })),
    ...one('Agent', 'a', agents, (at) => ({
      attrs: { risk: (at * 17) % 100, owner: `team-${at % 9}` },
      parent: ['Group', `g${at % groups}`],
    })),
    ...one('Tool', 't', tools, (at) => ({ attrs: {}, parent: ['Server', `s${at % servers}`] })),
    { type: 'Action', id: 'call', attrs: {} },
  ];
}
